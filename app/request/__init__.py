"""From a request's bytes to a question of a class of clients. Pure, but for the GeoIP lookup."""

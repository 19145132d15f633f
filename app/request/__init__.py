"""Turns a request into a question and a class of clients. Pure, but for the GeoIP lookup."""

"""Looks up where an address is, in GeoIP databases of several vendors, and in which networks it is, in the
networks database."""

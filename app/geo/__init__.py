"""Finds out where an address is: in GeoIP databases of several vendors, and in the networks database."""

"""Turns a request into a question and a class of clients. All of this is pure, except for the GeoIP
lookup."""

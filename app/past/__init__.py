"""Keeps the generations of the past, with all that is needed to say what a client got then."""

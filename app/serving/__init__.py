"""Holds what a web process serves at the moment. It follows the store, and swaps one reference when a new
generation is there."""

"""Holds what a web process serves at the moment: it follows the store, and swaps one reference."""

"""Ranks mirrors by costs in kilometres, with noise that shares the load, and load prices. All functions are
pure."""

"""Reads what other mirror services know, and writes it as a data folder to start from: mirror files, a
config, and findings about what could not be carried over."""

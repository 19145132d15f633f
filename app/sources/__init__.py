"""Reads the files of the data folder into typed values. There is a module for each format, which names the
file and line of what it refuses."""

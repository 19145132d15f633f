"""Reads the files of the data folder into typed values. There is a module for each format. If a module
refuses a value, it names the file and the line."""

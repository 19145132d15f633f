"""Writes the directory from which nginx reads the site in front of the service."""

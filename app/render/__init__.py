"""Turns lists and explanations into text, with one module for each format. All functions are pure."""

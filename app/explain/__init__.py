"""Explains answers in words, with the evidence. Pure."""

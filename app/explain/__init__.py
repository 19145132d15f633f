"""Explanations of answers in words, with the evidence. Pure."""

"""Explains in words, with the evidence, why a client gets an answer. The package is pure: it does no I/O."""

"""Decides which mirrors a class of clients is served for a question, in which order, and why. The package is
pure: it does no I/O."""

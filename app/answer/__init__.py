"""The mirrors that a class of clients is served for a question, and why. Pure."""

"""Reads files from outside into typed values: one module per format, which names file and line of what it
refuses."""

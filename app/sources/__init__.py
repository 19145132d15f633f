"""Outside formats → typed values: one module per format, each naming file and line of what it refuses."""

"""From a selection to bytes, one module per format. Pure."""

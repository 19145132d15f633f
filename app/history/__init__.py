"""Counts what was served: records of requests, a collector that reads them, and a database of sums. Nothing
here knows an address."""

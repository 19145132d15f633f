"""Cloud providers: their regions, their published address ranges, and how those are fetched and read."""

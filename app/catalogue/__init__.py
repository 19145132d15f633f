"""Knows the catalogue of a distribution: its releases, repos and arches, and which mirror should carry
which."""

"""What a distribution publishes: its releases, repos and arches, and which mirror is meant to carry what."""

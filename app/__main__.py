"""Makes `python -m app` do the same as `mirrorwise`."""

from app.cli import main

main()

"""`python -m app`: the same as `mirrorwise`."""

from app.cli import main

main()

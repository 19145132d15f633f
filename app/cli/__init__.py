"""The command line: `mirrorwise` and `python -m app`."""

from app.cli.commands import main

__all__ = ["main"]

"""The command line, which is started as `mirrorwise` or `python -m app`."""

from app.cli.commands import main

__all__ = ["main"]

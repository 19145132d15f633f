"""Runs `mirrorwise ranges update`, with a line for each provider, and with progress on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from app.clouds.update import RangeUpdate, update_ranges


def run_update(folder: Path) -> int:
    """Updates the ranges. Returns the exit code, which is 1 if a provider's ranges could not be fetched."""
    results = _update(folder)
    for result in results:
        click.echo(result.message, err=result.outcome == "failed")
    return 1 if any(result.outcome == "failed" for result in results) else 0


def _update(folder: Path) -> list[RangeUpdate]:
    if not sys.stderr.isatty():
        return update_ranges(folder)
    columns = (TextColumn("{task.description:6}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def show(provider: str, received: int, expected: int | None) -> None:
            if provider not in tasks:
                tasks[provider] = bars.add_task(provider)
            bars.update(tasks[provider], completed=received, total=expected)

        return update_ranges(folder, progress=show)

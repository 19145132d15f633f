"""Runs `mirrorwise history import`, with a line for each file, and with progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.history.database import HistoryDatabase
from app.history.importing import Imported, import_file


def run_import(database: HistoryDatabase, machine: str, paths: Sequence[Path]) -> None:
    """Counts the files one after the other. Raises HistoryError at the first that cannot be counted."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bars:
        for path in paths:
            task = bars.add_task(path.name, total=path.stat().st_size)
            imported = import_file(database, machine, path, partial(_show, bars, task))
            bars.remove_task(task)
            click.echo(f"{path}: {_said(imported)}")


def _show(bars: Progress, task: TaskID, read: int) -> None:
    bars.update(task, completed=read)


def _said(imported: Imported) -> str:
    if not imported.records and not imported.skipped:
        return "nothing new"
    skipped = f"; {imported.skipped:,} lines are no records" if imported.skipped else ""
    return f"{imported.records:,} requests{skipped}"

"""Counts the records in log files that are complete, such as those that log rotation has left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from app.history.database import HistoryDatabase
from app.history.follow import CountedFile
from app.history.log_file import LogFile
from app.history.positions import Position, all_positions
from app.model import HistoryError

Progress = Callable[[int], None]
"""What is told how many bytes of a file, as it is stored, have been read."""


class Imported(NamedTuple):
    """What came of an import: numbers of lines."""

    records: int
    #: Lines that are no records.
    skipped: int


def import_file(database: HistoryDatabase, machine: str, path: Path, progress: Progress) -> Imported:
    """Counts what has not been counted yet in a file, also a compressed one. What was read of it before,
    under whatever name, is known by its beginning. Raises HistoryError."""
    file = LogFile(path)
    try:
        if not file.claim():
            raise HistoryError(f"{path}: another process counts it")
        counted = CountedFile(file, _position_in(database, machine, file))
        records = skipped = 0
        while (sums := counted.count(database, is_done=True)) is not None:
            records, skipped = records + sums.records, skipped + sums.skipped
            progress(file.stored_offset if file.is_compressed else counted.position.offset)
        return Imported(records, skipped)
    finally:
        file.close()


def _position_in(database: HistoryDatabase, machine: str, file: LogFile) -> Position:
    """Returns how far a file has been counted, by whichever machine. Raises HistoryError."""
    with database.writing() as connection:
        known = all_positions(connection)
    fitting = (position for position in known if position.head_bytes and position.fits(file))
    beginning = Position(machine, str(file.path.absolute())).at_beginning(file)
    return next(fitting, beginning)

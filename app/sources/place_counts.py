"""Reads places.csv: numbers of clients by place that were counted, instead of guessed from GeoIP.

It has two columns, with the header `place,clients`. A place is a value of the header `X-Client-Place`
("DE/50/8", "DE", "~EU", or nothing where nothing is known), so that the file can be made by counting these
values in an access log. The numbers of a place in several lines add up.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from app.files import read_bytes
from app.model import SourceError
from app.model.errors import fault
from app.model.place import parse_place
from app.model.words import quoted

MAX_BYTES = 16 * 1024**2
MAX_CLIENTS = 1e12
"""The largest number of clients in one line. It is more than there are people, and small enough for all lines
to be added up."""

HEADER = ["place", "clients"]


def read_place_counts(path: Path) -> dict[str, float]:
    """Reads the numbers of clients by place. Raises SourceError, which names the first line at fault."""
    content = read_bytes(path, MAX_BYTES)
    try:
        return _read(path, csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _fault(path, None, f"cannot be read: {error}") from error


def _read(path: Path, rows: Iterator[list[str]]) -> dict[str, float]:
    counts: dict[str, float] = {}
    if next(rows, None) != HEADER:
        raise _fault(path, 1, f"the first line must be {','.join(HEADER)}")
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        try:
            name, text = row
            clients = float(text)
        except ValueError:
            raise _fault(path, number, "a line is a place and a number of clients: DE/50/8,1200") from None
        try:
            place = parse_place(name)
        except ValueError as error:
            raise _fault(path, number, str(error)) from error
        if not 0 <= clients <= MAX_CLIENTS:
            raise _fault(path, number, f"{quoted(text)} is not a number of clients, 0 to {MAX_CLIENTS:,.0f}")
        counts[place] = counts.get(place, 0.0) + clients
    return counts


def _fault(path: Path, line: int | None, message: str) -> SourceError:
    return SourceError([fault(path.name, message, line)])

"""places.csv: measured numbers of clients by place, in place of those that GeoIP lets us guess.

Two columns with a header, `place` and `clients`; a place is what `X-Client-Place` says ("DE/50/8",
"DE"), so that counting that column of an access log makes the file.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from app.model import Finding, Severity, SourceError

MAX_BYTES = 16 * 1024**2
HEADER = ["place", "clients"]


def read_place_counts(path: Path) -> dict[str, float]:
    """Clients by place. Raises SourceError, naming the first line at fault."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _fault(path, None, f"larger than {MAX_BYTES // 1024**2} MB")
        with path.open(newline="", encoding="utf-8") as file:
            return _read(path, csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _fault(path, None, f"cannot be read: {error}") from error


def _read(path: Path, rows: Iterable[list[str]]) -> dict[str, float]:
    counts: dict[str, float] = {}
    for number, row in enumerate(rows, 1):
        if number == 1:
            if row != HEADER:
                raise _fault(path, 1, f"the first line must be {','.join(HEADER)}")
            continue
        if not row:
            continue
        try:
            place, text = row
            clients = float(text)
        except ValueError:
            raise _fault(path, number, "a line is a place and a number of clients: DE/50/8,1200") from None
        if not (math.isfinite(clients) and clients >= 0):
            raise _fault(path, number, f"{text!r} is not a number of clients")
        counts[place] = counts.get(place, 0.0) + clients
    return counts


def _fault(path: Path, line: int | None, message: str) -> SourceError:
    return SourceError([Finding(severity=Severity.FAULT, file=path.name, line=line, message=message)])

"""Adds up records for the tables of sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table

from app.history import tables
from app.history.database import HistoryDatabase
from app.history.record import asked_in, moment_of, parse_record
from app.history.software import Software, parse_software
from app.model.place import country_of

ANSWERED = (200, 302)
"""The statuses of requests that were answered with mirrors."""
_UNKNOWN = Software("")

Counts = defaultdict[tuple[Any, ...], int]


class Sums:
    """What some lines of a log add to the tables of sums."""

    def __init__(self) -> None:
        #: How many lines were records.
        self.records = 0
        #: How many lines were none.
        self.skipped = 0
        self._counts: dict[Table, Counts] = {table: defaultdict(int) for table in tables.SUMS}
        self._hours = self._counts[tables.hours]

    def count(self, lines: Iterable[bytes]) -> None:
        """Counts each line that is a record."""
        for line in lines:
            self._count(line)

    def add_to(self, database: HistoryDatabase, connection: Connection) -> None:
        """Adds what was counted to the tables, in the transaction of the connection."""
        for table, counts in self._counts.items():
            database.add(connection, table, counts)

    def _count(self, line: bytes) -> None:
        record = parse_record(line)
        moment = moment_of(record.time) if record else None
        if record is None or moment is None:
            self.skipped += 1
            return
        self.records += 1
        asked = asked_in(record.question) if record.question else None
        form = asked.form if asked else ""
        self._hours[moment.hour, form, record.status, record.cache, record.family, record.reason] += 1
        if asked is None or record.status not in ANSWERED:
            return
        day, counts, country = moment.day, self._counts, country_of(record.place) or ""
        counts[tables.repo_days][day, asked.release, asked.repo, asked.arch] += 1
        counts[tables.country_days][day, country] += 1
        counts[tables.place_days][day, record.place, record.reason] += 1
        counts[tables.mirror_days][day, record.mirror, country] += 1
        software = parse_software(record.software) or _UNKNOWN
        counts[tables.software_days][day, *software] += 1
        if record.region:
            provider, _, region = record.region.partition(":")
            counts[tables.region_days][day, provider, region] += 1
        if record.countme and asked.tag:
            system = software[1:]
            counts[tables.system_weeks][moment.week, *system, record.countme, asked.tag, asked.arch] += 1

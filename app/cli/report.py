"""Runs `mirrorwise history report`, which prints on a terminal what the page of statistics shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import click
import msgspec
from rich.table import Table

from app.history.database import open_history
from app.history.totals import read_totals
from app.model import HistoryError, SnapshotError, StoreError
from app.model.words import moment
from app.render import json
from app.render.facts import percent
from app.render.statistics import country_name, differences, largest, months, place_name
from app.settings import Settings
from app.simulation.text import table_of, write_tables
from app.snapshot.statistics import OTHER, MirrorShare, Requests, Statistics
from app.snapshot.statistics import decode as decode_statistics
from app.store import open_store
from app.worker.statistics import Shown, statistics_of

SHOWN_ROWS = 15
SHOWN_DAYS = 14


def run_report(settings: Settings, as_json: bool) -> None:
    """Reads the database and prints the statistics. Raises HistoryError."""
    notes: list[str] = []
    statistics = _read(settings, _shown(settings, notes))
    if as_json:
        click.echo(json.document(statistics), nl=False)
    else:
        write_tables(_headings(statistics), _tables(statistics), notes)


def _read(settings: Settings, shown: Shown) -> Statistics:
    history = open_history(settings)
    now = datetime.now(UTC)
    try:
        with history.reading() as connection:
            totals = read_totals(connection, now.date())
        if not totals.days:
            raise HistoryError(f"{history}: nothing has been counted yet")
        return statistics_of(totals, shown, now)[0]
    finally:
        history.close()


def _shown(settings: Settings, notes: list[str]) -> Shown:
    """Returns that the mirrors are shown that the published statistics have, with their planned shares."""
    store = open_store(settings)
    try:
        data = store.statistics()
        mirrors = decode_statistics(data).of_service().mirrors if data else ()
    except (StoreError, SnapshotError) as error:
        notes.append(f"store: {error}; so mirrors are not shown")
        mirrors = ()
    finally:
        store.close()
    if not mirrors and not notes:
        notes.append("mirrors are shown as soon as a worker has published statistics")
    planned = {one.mirror: one.planned for one in mirrors if one.planned is not None}
    return Shown(settings.history_least_shown, [one.mirror for one in mirrors], planned)


def _headings(statistics: Statistics) -> Iterator[str]:
    total = sum(one.requests for one in statistics.days)
    yield f"{total:,} requests in the last year, as of {moment(statistics.compiled_at)}"
    yield f"all but days, months and weeks is of {statistics.since} to {statistics.until}"


def _tables(statistics: Statistics) -> Iterator[Table]:
    yield _numbers("month", months(statistics.days).items())
    yield _numbers("day", ((str(one.day), one.requests) for one in statistics.days[-SHOWN_DAYS:]))
    yield _requests("country", [_renamed(one, country_name(one.name)) for one in statistics.countries])
    yield _requests("place", [_renamed(one, place_name(one.name)) for one in statistics.places])
    for title, part in (
        ("release", statistics.releases),
        ("arch", statistics.arches),
        ("repo", statistics.repos),
        ("software", statistics.software),
    ):
        yield _requests(title, part)
    if statistics.weeks:
        weeks = ((str(one.begins), one.number) for one in statistics.weeks[-SHOWN_DAYS:])
        yield _numbers("week from", weeks, "systems")
        yield _requests(f"system, week from {statistics.weeks[-1].begins}", statistics.weeks[-1].systems)
    if statistics.mirrors:
        yield _mirrors("mirror, most sent first", statistics.mirrors)
    different = differences(statistics.mirrors)
    if different:
        yield _mirrors("mirror, planned and sent share most different first", different)


def _renamed(one: Requests, name: str) -> Requests:
    return one if one.name == OTHER else msgspec.structs.replace(one, name=name)


def _numbers(title: str, rows: Iterable[tuple[str, int]], of: str = "requests") -> Table:
    table = table_of(title, of)
    for name, number in rows:
        table.add_row(name, f"{number:,}")
    return table


def _requests(title: str, requests: Sequence[Requests]) -> Table:
    table = table_of(title, "requests", "of all")
    found = largest(requests, SHOWN_ROWS)
    for one in found.rows:
        table.add_row(one.name, f"{one.requests:,}", percent(one.requests / found.total))
    if found.more:
        more = found.more_requests
        table.add_row(f"{found.more} more", f"{more:,}", percent(more / found.total))
    return table


def _mirrors(title: str, mirrors: Sequence[MirrorShare]) -> Table:
    table = table_of(title, "requests", "planned", "sent")
    for one in mirrors[:SHOWN_ROWS]:
        table.add_row(one.mirror, f"{one.requests:,}", percent(one.planned), percent(one.sent))
    return table

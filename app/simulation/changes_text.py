"""Prints what differs between two moments, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.table import Table

from app.model.words import moment
from app.simulation.changes import Changes, MirrorChange, NumberChange, PastMoment
from app.simulation.text import kilometres, percent, signed, table_of, write_tables

SHOWN = 20


def write_changes(found: Changes) -> None:
    """Prints the largest changes."""
    tables = [
        *([_mirrors(found.mirrors)] if found.mirrors else []),
        *([_countries(found)] if found.countries else []),
        *([_numbers("mirror, share most changed first", found.shares, percent)] if found.shares else []),
        *([_numbers("mirror, price most changed first", found.prices, kilometres)] if found.prices else []),
    ]
    write_tables(_headings(found), tables, _remarks(found))


def _headings(found: Changes) -> Iterator[str]:
    yield f"from {_moment(found.before)}"
    yield f"to   {_moment(found.after)}"
    if found.before.generation == found.after.generation:
        yield "it is the same generation: nothing differs"
        return
    if not found.mirrors:
        yield "no list has other mirrors than before"
    if found.moved is not None:
        yield f"clients whose first mirror is another: {percent(found.moved)}"


def _moment(one: PastMoment) -> str:
    exact = "" if one.is_exact else f"; what was published at {moment(one.asked)} is not kept"
    return f"generation {one.generation}, published {moment(one.published_at)}{exact}"


def _mirrors(changes: Sequence[MirrorChange]) -> Table:
    table = table_of("mirror", "lists entered", "left")
    for head in ("change", "before", "after"):
        table.add_column(head, overflow="fold")
    for one in changes[:SHOWN]:
        since = f", since {moment(one.since)}" if one.since else ""
        entered, left = (str(number or "") for number in (one.entered, one.left))
        table.add_row(one.mirror, entered, left, one.change, one.before, one.after + since)
    return table


def _countries(found: Changes) -> Table:
    table = table_of("country, most moved first", "of all clients", "of its own")
    for one in found.countries[:SHOWN]:
        table.add_row(one.country or "unknown", percent(one.moved), percent(one.moved / one.clients))
    return table


def _numbers(title: str, changed: Sequence[NumberChange], shown: Callable[[float], str]) -> Table:
    table = table_of(title, "before", "after", "change")
    for one in changed[:SHOWN]:
        cells = (shown(one.before), shown(one.after), signed(shown)(one.after - one.before))
        table.add_row(one.mirror, *cells)
    return table


def _remarks(found: Changes) -> Iterator[str]:
    tables = (found.mirrors, found.countries, found.shares, found.prices)
    if any(len(table) > SHOWN for table in tables):
        yield ""
        yield f"Each table has {SHOWN} rows at most; --json has all."
    for note in found.notes:
        yield f"note: {note}"

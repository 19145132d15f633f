"""Prints a simulation as tables: with lines on a terminal, as plain aligned text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from app.model.words import moment
from app.simulation.outcome import LoneMirror, MirrorOutcome, Outcome, Simulation

SHOWN_MIRRORS = 20
SHOWN_DIFFERENCES = 10
PLAIN_WIDTH = 200


def write_text(simulation: Simulation, every_mirror: bool) -> None:
    tables = [_figures(simulation), _mirrors(simulation, every_mirror)]
    if simulation.compared and simulation.then is None:
        tables.append(_differences(simulation))
    write_tables(_headings(simulation), tables, _remarks(simulation))


def write_tables(headings: Iterable[str], tables: Iterable[Table], remarks: Iterable[str]) -> None:
    """Prints lines, tables, and more lines."""
    terminal = sys.stdout.isatty()
    console = Console() if terminal else Console(width=PLAIN_WIDTH, color_system=None)
    with console.capture() as capture:
        for line in headings:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        for table in tables:
            console.print()
            table.box = box.SIMPLE_HEAD if terminal else None
            table.pad_edge = terminal
            table.padding = (0, 1, 0, 0) if terminal else (0, 2, 0, 0)
            console.print(table, highlight=False)
        for line in remarks:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), color=terminal or None)


def table_of(title: str, *heads: str) -> Table:
    """Returns an empty table of named things (`title` says which) with figures in the other columns."""
    table = Table()
    table.add_column(title, overflow="fold")  # in two lines rather than cut off
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _headings(simulation: Simulation) -> Iterator[str]:
    places = f"clients in {simulation.places:,} places, {_counted(simulation)}"
    yield f"{simulation.mirrors:,} mirrors for {places}"
    if simulation.priced_at_s is None:
        yield "prices: none are published yet; these are what a first publication would have"
    else:
        yield f"prices: as published, last decided {moment(simulation.priced_at_s)}"


def _counted(simulation: Simulation) -> str:
    match simulation.counted:
        case "places.csv":
            return "as in places.csv"
        case "city database":
            return "counted by the city database"
        case "requests and city database":
            return f"counted by {simulation.requests or 0:,} requests and the city database"


def _figures(simulation: Simulation) -> Table:
    table = Table("", "live")
    live, then = simulation.live, simulation.then
    if then is not None:
        table.add_column("then")
        table.add_column("change")
    for column in table.columns[1:]:
        column.justify = "right"
    rows: list[tuple[str, Callable[[Outcome], float | None], Callable[[float], str]]] = [
        ("mean distance to the first mirror", lambda o: o.mean_km, kilometres),
        ("median", lambda o: o.median_km, kilometres),
        ("95th percentile", lambda o: o.p95_km, kilometres),
        ("first mirror in the own country", lambda o: o.own_country, percent),
        ("first mirror on the own continent", lambda o: o.own_continent, percent),
        ("share of the most loaded mirror", lambda o: o.largest_share, percent),
        ("effective number of mirrors", lambda o: o.effective_mirrors, _number),
    ]
    for label, of, shown in rows:
        one = of(live)
        if then is None:
            table.add_row(label, _or_none(one, shown))
        else:
            other = of(then)
            change = None if one is None or other is None else other - one
            table.add_row(
                label, _or_none(one, shown), _or_none(other, shown), _or_none(change, signed(shown))
            )
    if simulation.changed is not None:
        table.add_row("clients whose first mirror is another", "", percent(simulation.changed), "")
    return table


def _mirrors(simulation: Simulation, every_mirror: bool) -> Table:
    outcome = simulation.then or simulation.live
    former = {one.mirror: one for one in simulation.live.mirrors} if simulation.then else None
    chosen = list(outcome.mirrors)
    title = "mirror, most loaded first"
    if former is not None:
        present = {one.mirror for one in chosen}
        chosen += [_gone(one) for name, one in former.items() if name not in present]
        chosen.sort(key=lambda one: -abs(one.share - _share_of(former, one.mirror)))
        title = "mirror, most changed first"
    sent = {one.mirror: one.sent for one in simulation.compared} if former is None else {}
    table = table_of(title, *_heads(former, sent))
    for one in chosen if every_mirror else chosen[:SHOWN_MIRRORS]:
        cells = [
            one.mirror,
            one.country or "?",
            percent(one.share),
            _or_none(one.ratio, lambda ratio: f"{ratio:.2f} x"),
            _price(one.load_km),
            _or_none(one.distance_km, kilometres),
        ]
        if former is not None:
            cells[2:2] = [percent(_share_of(former, one.mirror))]
        elif sent:
            cells[3:3] = [percent(sent[one.mirror])]
        table.add_row(*cells)
    return table


def _differences(simulation: Simulation) -> Table:
    title = "mirror, planned and sent share most different first"
    table = table_of(title, "planned", "sent", "difference")
    for one in simulation.compared[:SHOWN_DIFFERENCES]:
        difference = signed(percent)(one.sent - one.planned)
        table.add_row(one.mirror, percent(one.planned), percent(one.sent), difference)
    return table


def _heads(former: object | None, sent: object) -> list[str]:
    shares = ["share", *(["sent"] if sent else [])] if former is None else ["live", "then"]
    return ["country", *shares, "of fair", "price", "distance"]


def _gone(one: MirrorOutcome) -> MirrorOutcome:
    """Returns the figures of a mirror that has been taken away."""
    return msgspec.structs.replace(one, share=0.0, fair_share=0.0, ratio=None, load_km=0.0, distance_km=None)


def _share_of(outcomes: dict[str, MirrorOutcome], name: str) -> float:
    return outcomes[name].share if name in outcomes else 0.0


def _remarks(simulation: Simulation) -> Iterator[str]:
    outcome = simulation.then or simulation.live
    remarks = [_lone(lone) for lone in outcome.lone_mirrors] + [f"note: {note}" for note in simulation.notes]
    if remarks:
        yield ""
        yield from remarks


def _lone(lone: LoneMirror) -> str:
    text = (
        f"{lone.mirror} is the only mirror of its continent ({lone.continent}), which has "
        f"{percent(lone.clients)} of all clients: {percent(lone.kept)} of them begin with it"
    )
    if lone.load_km > 0:
        text += f" at its price of {lone.load_km:,.0f} km"
    others = ", ".join(f"{percent(part)} in {continent}" for continent, part in lone.elsewhere.items())
    return f"{text}; {others}" if others else text


# --- numbers -----------------------------------------------------------------------------------------


def _or_none(value: float | None, shown: Callable[[float], str]) -> str:
    return "–" if value is None else shown(value)  # noqa: RUF001 - a dash


def signed(shown: Callable[[float], str]) -> Callable[[float], str]:
    """Returns a function that shows numbers with their sign, but without one if they are rounded to zero."""

    def with_sign(change: float) -> str:
        text = shown(abs(change))
        if not any(digit in text for digit in "123456789"):
            return text
        return f"-{text}" if change < 0 else f"+{text}"

    return with_sign


def kilometres(km: float) -> str:
    return f"{km:,.0f} km"


def _price(km: float) -> str:
    return f"+{km:,.0f} km" if km > 0 else ""


def percent(part: float) -> str:
    return f"{100 * part:.2f} %"


def _number(number: float) -> str:
    return f"{number:,.1f}"

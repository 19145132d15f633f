"""Runs `mirrorwise simulate`, which reads what the worker reads and publishes nothing."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from app.logs import Faults
from app.model import MirrorwiseError, SnapshotError, StoreError
from app.ranking import prices
from app.ranking.ranking import Floats
from app.settings import Settings
from app.simulation.outcome import (
    Counted,
    Outcome,
    Sending,
    Simulation,
    by_country_500km,
    by_price,
    moved,
    moved_at_random,
    outcome_of,
)
from app.simulation.text import write_text
from app.simulation.what_if import WhatIf
from app.snapshot.compile import Inputs, compile_snapshot
from app.snapshot.demand import Market, compared
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import encode, generation_of
from app.snapshot.status import decode_heartbeat
from app.sources.surveys.own import shared_tags
from app.store import open_store
from app.worker import memory as remembered
from app.worker.memory import Memory
from app.worker.reader import InputReader

TELL_EVERY = 0.2  # the part of a long step after which a line is printed, where there is no bar


class NothingToSimulateError(MirrorwiseError):
    """A network cannot be simulated, because it has no mirrors or no clients."""


def run_simulation(settings: Settings, what_if: WhatIf, as_json: bool, every_mirror: bool) -> None:
    """Runs the simulation and prints the result. With `every_mirror`, the text has all mirrors, not only
    those that matter most. Raises MirrorwiseError."""
    with progress() as steps:
        result = simulate(settings, what_if, steps)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result)))
    else:
        write_text(result, every_mirror)


class Steps:
    """Receives the progress of a simulation. This base class shows nothing."""

    def step(self, what: str) -> None:
        """Receives the name of a step that begins now."""

    def share(self, done: float) -> None:
        """Receives the part of a long step that is done, 0 to 1."""


def simulate(settings: Settings, what_if: WhatIf, steps: Steps) -> Simulation:
    """Computes the figures of the live network, and those of the network to compare it with. Raises
    MirrorwiseError."""
    notes: list[str] = []
    steps.step("reading the inputs")
    reader = quiet_reader(settings)
    published = _published(settings, reader, notes)
    memory = published.memory
    try:
        inputs = _read(reader, memory.load_km, steps)
    finally:
        reader.geo.close()
    notes += [f"{subject}: {text}" for subject, text in sorted(reader.faults.items())]
    steps.step("computing who is sent where")
    files = _compiled(inputs)
    live = _market(published.snapshot or files, reader.clients)
    if waits := live.snapshot.generation != files.generation:
        notes.append("the files differ from what is live: what they say is not published yet")
        notes += [f"guard: {published.guard}"] if published.guard else []
    load, recent = _load(live, memory, steps), reader.counted.recent
    first = by_price(live, load)
    then, changed = None, None
    if what_if.changes_anything or waits:
        market = _market(files, reader.clients) if waits and not what_if.rule else live
        if what_if.changes_network:
            change = what_if.apply(inputs, reader)
            market = _market(_compiled(change.inputs), reader.clients)
            notes += [*change.notes, *_without_effect(what_if, live, market, change.added)]
        then, changed = _compare(what_if, _Live(live, load, first), market, steps)
    return Simulation(
        mirrors=len(live.names),
        places=len(live.rows),
        counted=_counted(reader),
        requests=recent.requests if recent else None,
        priced_at_s=memory.priced_at_s,
        live=outcome_of(live, first, load),
        compared=compared(live.planned(load), recent.mirrors) if recent else (),
        then=then,
        changed=changed,
        notes=tuple(notes),
    )


class _Published(NamedTuple):
    """What the worker published last, as far as the store can be read."""

    memory: Memory = Memory()
    #: The published snapshot; None if there is none. Then the network that the files describe counts as live.
    snapshot: LoadedSnapshot | None = None
    #: The reason why the worker holds a publication back; None if it does not.
    guard: str | None = None


def _published(settings: Settings, reader: InputReader, notes: list[str]) -> _Published:
    """Reads what the worker published last, and tells the reader what the worker knows from the store. If the
    store cannot be read, the result is empty, and a note says so."""
    store = open_store(settings)
    try:
        memory, pointer, beat = remembered.decode(store.memory()), store.pointer(), store.heartbeat()
        data = store.snapshot(pointer.generation) if pointer else None
        snapshot = LoadedSnapshot(pointer.generation, data) if pointer and data else None
        reader.recall(memory)
        tags = shared_tags(store)
        reader.probe.fetch(store, tags)
        reader.counted.fetch(store, tags)
        return _Published(memory, snapshot, decode_heartbeat(beat).guard if beat else None)
    except (StoreError, SnapshotError) as error:
        notes.append(f"store: {error}; so live is what the files say, with prices of a first publication")
        return _Published()
    finally:
        store.close()


def _counted(reader: InputReader) -> Counted:
    if reader.has_counts:
        return "places.csv"
    return "requests and city database" if reader.counted.by_place else "city database"


def _load(live: Market, memory: Memory, steps: Steps) -> Floats:
    """Returns the published prices, or those that a first publication would have."""
    if memory.priced_at_s is not None:
        return live.load_of(memory.load_km)
    steps.step("solving the prices")
    return prices.solve(live.demand, live.snapshot.policy.max_share)


def quiet_reader(settings: Settings) -> InputReader:
    """Returns a reader of the inputs whose faults are not logged: they are told otherwise."""
    log = logging.getLogger("mirrorwise")
    log.addHandler(logging.NullHandler())
    return InputReader(settings, Faults(log))


def _read(reader: InputReader, load_km: Mapping[str, float], steps: Steps) -> Inputs:
    inputs = reader.read(time.time(), load_km)
    if not waited_for_places(reader, steps):
        return inputs
    steps.step("reading the inputs")
    return reader.read(time.time(), load_km)


def waited_for_places(reader: InputReader, steps: Steps) -> bool:
    """Waits for a scan of the city database, if one runs. Returns whether one did: then the inputs have to be
    read again."""
    if reader.geo.scan_progress is None:
        return False
    steps.step("looking for the places in the city database, once for each database")
    while (done := reader.geo.scan_progress) is not None:
        steps.share(done)
        time.sleep(0.1)
        reader.geo.scan()
    return True


def _compiled(inputs: Inputs) -> LoadedSnapshot:
    data = encode(compile_snapshot(inputs))
    return LoadedSnapshot(generation_of(data), data)


def _market(snapshot: LoadedSnapshot, clients: Mapping[str, float]) -> Market:
    if not snapshot.rankable:
        raise NothingToSimulateError("no mirror can be served to the public: there is nothing to simulate")
    if not any(clients.values()):
        raise NothingToSimulateError(
            "nobody knows where clients are: there is neither a city database (GEOIP_CITY) that can be read, "
            "nor a places.csv with counts"
        )
    market = Market(snapshot, clients)
    if not len(market.rows):
        raise NothingToSimulateError("no mirror serves any of the countries where clients are")
    return market


@dataclass(frozen=True)
class _Live:
    market: Market
    load_km: Floats
    first: Sending


def _compare(what_if: WhatIf, live: _Live, market: Market, steps: Steps) -> tuple[Outcome, float]:
    """Returns the figures of a market with the changes of `what_if`, and the part of all clients that would
    get another first mirror than live."""
    if what_if.rule is not None:
        then = by_country_500km(market)
        changed = moved_at_random(market, live.first, then)
        return outcome_of(market, then, 0 * live.load_km), changed
    stands = dict(zip(live.market.names, live.load_km.tolist(), strict=True))
    load = market.load_of(stands)
    if what_if.settled:
        steps.step("solving the prices")
        load = prices.solve(market.demand, market.snapshot.policy.max_share, load)
    then = by_price(market, load)
    changed = moved(live.market, live.first, market, then)
    return outcome_of(market, then, load), changed


def _without_effect(what_if: WhatIf, live: Market, market: Market, added: Collection[str]) -> Iterator[str]:
    """Yields notes about changes that can have no effect."""
    for name in sorted((set(what_if.without) - set(live.names)) | (set(added) - set(market.names))):
        yield f"{name} gets no clients by their place (it is private, in a cloud, or not served now)"
    for key in sorted({"length", "protocols"} & set(what_if.policy)):
        yield f"selection.{key} does not decide who is first in a list"
    if "max_share" in what_if.policy and not what_if.settled:
        yield "selection.max_share shows only once prices have followed it: see --settled"


# --- progress ----------------------------------------------------------------------------------------


@contextmanager
def progress() -> Iterator[Steps]:
    """Shows progress: as a bar on a terminal, and elsewhere as a line now and then in long steps."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar)


class _Bar(Steps):
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def step(self, what: str) -> None:
        self._bar.reset(self._task, total=None, description=what)

    def share(self, done: float) -> None:
        self._bar.update(self._task, completed=done, total=1.0)


class _Lines(Steps):
    def __init__(self) -> None:
        self._what = ""
        self._next = 0.0

    def step(self, what: str) -> None:
        self._what, self._next = what, 0.0

    def share(self, done: float) -> None:
        if done >= self._next:
            click.echo(f"{self._what}: {done:.0%}", err=True)
            self._next = done - done % TELL_EVERY + TELL_EVERY

"""Compares what was published at two moments: `mirrorwise changes`.

Which clients have another first mirror is computed as in a simulation, with the same numbers of clients for
both moments, those that are known now. So what has moved has moved because of mirrors, settings and prices,
and not because clients were counted anew.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.explain.mirror_report import MirrorSummary, mirror_summary
from app.model import Fate, Record, SnapshotError, SourceError, StoreError
from app.model.place import country_of
from app.past.archive import Archive, PublishedThen
from app.past.packing import PastError
from app.ranking import prices
from app.ranking.ranking import SPREADS, Floats
from app.settings import Settings
from app.simulation.run import Steps, quiet_reader, waited_for_places
from app.snapshot.demand import Market
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import StatusDocument
from app.snapshot.status import decode as decode_status
from app.sources.surveys.own import shared_tags
from app.store import open_store

LEAST_KM = 0.05
"""A price that changes by less stays the same in every text."""

ChangeKind = Literal["came", "went", "in more lists", "in fewer lists", "in other lists"]


class MirrorChange(Record, frozen=True, kw_only=True):
    """A mirror that may be in other lists than before."""

    mirror: str
    change: ChangeKind
    #: How many lists it entered, and how many it left.
    entered: int
    left: int
    #: What was and is the matter with it, in words.
    before: str
    after: str
    #: Since when it is so, by the prober.
    since: datetime | None


class CountryChange(Record, frozen=True, kw_only=True):
    """A country some of whose clients have another first mirror. Shares are of all clients of the world."""

    #: None for clients whose country is not known.
    country: str | None
    clients: float
    moved: float


class NumberChange(Record, frozen=True, kw_only=True):
    """A number of a mirror that has changed."""

    mirror: str
    before: float
    after: float


class PastMoment(Record, frozen=True, kw_only=True):
    """One of the two moments."""

    generation: str
    published_at: datetime
    #: The moment that was asked for.
    asked: datetime
    #: Whether the generation was current at that moment, rather than the nearest before it that is kept.
    is_exact: bool


class Changes(Record, frozen=True, kw_only=True):
    """The result of `mirrorwise changes`. In each table the largest changes come first."""

    before: PastMoment
    after: PastMoment
    mirrors: tuple[MirrorChange, ...]
    #: The part of all clients that have another first mirror; None if it is not known where clients are.
    moved: float | None
    countries: tuple[CountryChange, ...]
    #: The share of all clients whose first mirror each mirror is.
    shares: tuple[NumberChange, ...]
    #: Load prices in km.
    prices: tuple[NumberChange, ...]
    notes: tuple[str, ...]


def changes(settings: Settings, before: PublishedThen, after: PublishedThen, steps: Steps) -> Changes:
    """Compares two generations. Raises MirrorwiseError."""
    archive, notes = Archive.of(settings.var_dir), list[str]()
    steps.step("reading the generations")
    sides = [_Side(found, found.load(), _status(archive, found, notes)) for found in (before, after)]
    one, other = sides
    moves = _Moves(one.snapshot, other.snapshot, _clients(settings, steps, notes))
    steps.step("computing who is sent where")
    return Changes(
        before=one.moment,
        after=other.moment,
        mirrors=tuple(_mirrors(one, other)),
        moved=moves.total,
        countries=moves.countries,
        shares=moves.shares,
        prices=_numbers(one.load_km, other.load_km, LEAST_KM),
        notes=(*notes, *moves.notes),
    )


@dataclass(frozen=True)
class _Side:
    """What was published at one of the moments, with the evidence of then."""

    found: PublishedThen
    snapshot: LoadedSnapshot
    status: StatusDocument

    @property
    def moment(self) -> PastMoment:
        return PastMoment(
            generation=self.found.kept.generation,
            published_at=datetime.fromtimestamp(self.found.kept.since_s, UTC),
            asked=datetime.fromtimestamp(self.found.asked_s, UTC),
            is_exact=self.found.is_exact,
        )

    @property
    def load_km(self) -> dict[str, float]:
        return {mirror.name: mirror.load_km for mirror in self.snapshot.mirrors}

    def summary(self, name: str) -> MirrorSummary | None:
        """Returns what was known of a mirror; None if the service did not know it."""
        number = self.snapshot.number.get(name)
        if number is None:
            return None
        return mirror_summary(self.snapshot, number, self.status.verdicts.get(name), self.status.held)

    def fates(self, name: str) -> dict[str, int]:
        """Returns the fate of a mirror for each question."""
        number = self.snapshot.number.get(name)
        if number is None:
            return {}
        return {key: fates[number] for key, fates in self.snapshot.fates.items()}


def _status(archive: Archive, found: PublishedThen, notes: list[str]) -> StatusDocument:
    try:
        status = archive.status(found.kept, found.asked_s)
        return decode_status(status) if status is not None else StatusDocument()
    except (PastError, SnapshotError) as error:
        notes.append(f"the evidence of generation {found.kept.generation} is lost: {error}")
        return StatusDocument()


# --- mirrors ---------------------------------------------------------------------------------------


def _mirrors(before: _Side, after: _Side) -> list[MirrorChange]:
    found = list(_changed_mirrors(before, after))
    return sorted(found, key=lambda one: (-max(one.entered, one.left), one.mirror))


def _changed_mirrors(before: _Side, after: _Side) -> Iterator[MirrorChange]:
    for name in sorted(before.snapshot.number.keys() | after.snapshot.number.keys()):
        then, now = before.fates(name), after.fates(name)
        had = {key for key, fate in then.items() if fate <= Fate.PARTIAL}
        has = {key for key, fate in now.items() if fate <= Fate.PARTIAL}
        if had == has:
            continue
        summary = after.summary(name)
        yield MirrorChange(
            mirror=name,
            change=_change(had, has),
            entered=len(has - had),
            left=len(had - has),
            before=_words(before.summary(name), [then[key] for key in has - had if key in then]),
            after=_words(summary, [now[key] for key in had - has if key in now]),
            since=summary.since if summary else None,
        )


def _change(had: set[str], has: set[str]) -> ChangeKind:
    if not had or not has:
        return "came" if has else "went"
    if had < has:
        return "in more lists"
    return "in fewer lists" if has < had else "in other lists"


def _words(summary: MirrorSummary | None, fates: list[int]) -> str:
    """Says what is the matter with a mirror. `fates` are those for the lists that it is not in."""
    if summary is None:
        return "unknown to the service"
    if summary.reason:
        return f"{summary.status}: {summary.reason}"
    reasons = Counter(exclusion.value for fate in fates if (exclusion := Fate(fate).exclusion))
    why = ", ".join(f"{reason} ({number} lists)" for reason, number in reasons.most_common())
    return f"{summary.status}: {why}" if why else summary.status


# --- clients ---------------------------------------------------------------------------------------


def _clients(settings: Settings, steps: Steps, notes: list[str]) -> Mapping[str, float]:
    """Returns the number of clients of each place, as they are known now; empty if they are not."""
    steps.step("counting the clients of places")
    reader, store = quiet_reader(settings), open_store(settings)
    try:
        reader.counted.fetch(store, shared_tags(store))
    except StoreError as error:
        notes.append(f"store: {error}; so counted requests do not matter here")
    finally:
        store.close()
    try:
        reader.refresh(time.time())
        if waited_for_places(reader, steps):
            reader.refresh(time.time())
    except SourceError as error:
        notes.append(f"it is not known where clients are: {error}")
        return {}
    finally:
        reader.geo.close()
    return reader.clients


class _Moves:
    """The clients that have another first mirror in one snapshot than in another."""

    def __init__(self, before: LoadedSnapshot, after: LoadedSnapshot, clients: Mapping[str, float]) -> None:
        self.notes: list[str] = []
        self._sides: tuple[_Sent, _Sent] | None = None
        if not any(clients.values()):
            self.notes.append("it is not known where clients are, so it is not known how many have moved")
        elif not (before.rankable and after.rankable):
            self.notes.append("one of the two moments has no mirror for the public")
        else:
            self._sides = _Sent(before, clients), _Sent(after, clients)

    @cached_property
    def _by_place(self) -> dict[str, tuple[float, float]]:
        """The share of all clients that are in each place, and the share of all that moved there."""
        if self._sides is None:
            return {}
        before, after = self._sides
        found = {}
        for place, row in before.rows.items():
            other = after.rows.get(place)
            share = float(before.clients[row])
            stayed = 0.0 if other is None else float((before.first[row] == after.first[other]).mean())
            found[place] = (share, share * (1.0 - stayed))
        return found

    @property
    def total(self) -> float | None:
        if self._sides is None:
            return None
        return sum(moved for _, moved in self._by_place.values())

    @property
    def countries(self) -> tuple[CountryChange, ...]:
        clients, moved = Counter[str | None](), Counter[str | None]()
        for place, (share, part) in self._by_place.items():
            clients[country_of(place)] += share  # type: ignore[assignment]  # counters of floats
            moved[country_of(place)] += part  # type: ignore[assignment]
        found = [
            CountryChange(country=country, clients=clients[country], moved=part)
            for country, part in moved.items()
            if part > 0
        ]
        return tuple(sorted(found, key=lambda one: (-one.moved, one.country or "")))

    @property
    def shares(self) -> tuple[NumberChange, ...]:
        if self._sides is None:
            return ()
        before, after = self._sides
        return _numbers(before.shares, after.shares, 1e-6)


class _Sent:
    """The first mirrors of all clients in one snapshot."""

    def __init__(self, snapshot: LoadedSnapshot, clients: Mapping[str, float]) -> None:
        market = Market(snapshot, clients)
        load_km = market.load_of({mirror.name: mirror.load_km for mirror in snapshot.mirrors})
        names = list(snapshot.rows)
        #: The position of each place that has clients.
        self.rows = {names[row]: position for position, row in enumerate(market.rows.tolist())}
        #: The share of all clients in each place.
        self.clients = market.demand.clients
        #: The first mirror of the clients of each place, by name, for each spread value.
        self.first = self._first(market, load_km)
        self.shares = market.planned(load_km)

    def _first(self, market: Market, load_km: Floats) -> npt.NDArray[np.str_]:
        first = prices.first_mirrors(market.demand, load_km)
        return np.array(market.names)[first.reshape(-1, SPREADS)]


def _numbers(
    before: Mapping[str, float], after: Mapping[str, float], least: float
) -> tuple[NumberChange, ...]:
    """Returns the numbers that have changed by at least so much. A number that is missing is 0."""
    found = [
        NumberChange(mirror=name, before=before.get(name, 0.0), after=after.get(name, 0.0))
        for name in before.keys() | after.keys()
    ]
    changed = [one for one in found if abs(one.after - one.before) >= least]
    return tuple(sorted(changed, key=lambda one: (-abs(one.after - one.before), one.mirror)))

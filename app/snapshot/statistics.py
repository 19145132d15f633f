"""The statistics document: what was asked for, by whom in the sum, which mirrors were sent the clients, and
what happened to mirrors.

The worker compiles the document from the history's database, and publishes it through the store beside the
snapshot. It has no addresses of clients, no private mirrors, and nothing that fewer requests have in common
than `least`. Web processes only show it: no request waits for the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec

from app.model import Count, Record, RecordedEvent, SnapshotError, about
from app.snapshot.mirror_history import MirrorHistory, Part
from app.snapshot.propagation import PropagationDocument
from app.snapshot.status import is_possible

SCHEMA = 1
OTHER = "other"
"""The name under which everything is summed up that is too small to be shown by itself."""


class Requests(Record, frozen=True, kw_only=True):
    """The number of requests that have a name in common, such as a country's code."""

    name: str
    requests: Count


class DayOfRequests(Record, frozen=True, kw_only=True):
    """The requests of one day, in UTC."""

    day: date
    requests: Count
    failed: Annotated[Count, about("Those that were answered with a status of 500 or more.")]


class WeekOfSystems(Record, frozen=True, kw_only=True):
    """The systems that said in a week that they exist (`countme`)."""

    begins: Annotated[date, about("The week's Monday.")]
    systems: Annotated[
        tuple[Requests, ...], about("By operating system; a system counts at the repo that most ask for.")
    ]

    @property
    def number(self) -> int:
        """The number of systems, whatever their operating system."""
        return sum(one.requests for one in self.systems)


class MirrorShare(Record, frozen=True, kw_only=True):
    """What one mirror was sent: the clients in whose lists it was the first."""

    mirror: str
    requests: Count
    sent: Annotated[
        Part | None,
        about("Its share of the requests of all that are ranked; null for one that is not, as in a cloud."),
    ]
    planned: Annotated[Part | None, about("The share of all clients that it is meant to get; null likewise.")]


class Statistics(Record, frozen=True, kw_only=True):
    """The statistics of the whole service, as `/statistics.json` has them."""

    compiled_at: datetime
    least: Annotated[Count, about("What has fewer requests than this is in `other`.")]
    days: Annotated[tuple[DayOfRequests, ...], about("Of the last year, the oldest first.")]
    since: Annotated[date, about("The first day that what follows is of; the last is the last of `days`.")]
    places: Annotated[tuple[Requests, ...], about("Cells of one degree, countries, continents.")]
    countries: tuple[Requests, ...]
    releases: tuple[Requests, ...]
    repos: tuple[Requests, ...]
    arches: tuple[Requests, ...]
    software: tuple[Requests, ...]
    mirrors: Annotated[tuple[MirrorShare, ...], about("The public ones.")]
    weeks: Annotated[tuple[WeekOfSystems, ...], about("Of the last year, the oldest first.")]

    @property
    def until(self) -> date:
        """The last day with requests."""
        return self.days[-1].day if self.days else self.since


class MirrorRequests(MirrorShare, frozen=True, kw_only=True):
    """What one mirror was sent, day by day."""

    since: Annotated[date, about("The first day that the numbers of requests and countries are of.")]
    first_day: date
    days: Annotated[tuple[Count, ...], about("The requests of each day from `first_day` on.")]
    countries: Annotated[tuple[Requests, ...], about("Where these clients are.")]

    @property
    def last_day(self) -> date:
        """The last one of `days`."""
        return self.first_day + timedelta(days=max(0, len(self.days) - 1))


class StatisticsDocument(Record, frozen=True, kw_only=True):
    """The statistics as they are published: of the service, and of each mirror by its name. They stay encoded
    until they are asked for, because decoded they would take many times the memory."""

    schema: int = SCHEMA
    #: Whether any request has been counted.
    has_requests: bool
    service: msgspec.Raw
    mirrors: Mapping[str, msgspec.Raw] = {}
    histories: Mapping[str, msgspec.Raw] = {}
    events: msgspec.Raw
    #: How new versions came to the mirrors; None if none was seen yet.
    propagation: PropagationDocument | None = None

    def of_service(self) -> Statistics:
        """Returns the statistics of the whole service."""
        return _SERVICES.decode(self.service)

    def of_mirror(self, name: str) -> MirrorRequests | None:
        """Returns what a mirror was sent; None if nothing is known of it."""
        encoded = self.mirrors.get(name)
        return None if encoded is None else _MIRRORS.decode(encoded)

    def history_of(self, name: str) -> MirrorHistory | None:
        """Returns what happened to a mirror; None if nothing is known of it."""
        encoded = self.histories.get(name)
        return None if encoded is None else _HISTORIES.decode(encoded)

    def last_events(self) -> tuple[RecordedEvent, ...]:
        """Returns the last events of all mirrors, the newest first."""
        return _EVENTS.decode(self.events)


# They are made here, because two threads that make one for the same type at the same time crash the process.
_DOCUMENTS = msgspec.msgpack.Decoder(StatisticsDocument)
_SERVICES = msgspec.msgpack.Decoder(Statistics)
_MIRRORS = msgspec.msgpack.Decoder(MirrorRequests)
_HISTORIES = msgspec.msgpack.Decoder(MirrorHistory)
_EVENTS = msgspec.msgpack.Decoder(tuple[RecordedEvent, ...])


def encode(
    service: Statistics,
    mirrors: Mapping[str, MirrorRequests],
    histories: Mapping[str, MirrorHistory] | None = None,
    events: Sequence[RecordedEvent] = (),
    propagation: PropagationDocument | None = None,
) -> bytes:
    """Encodes a statistics document. What mirrors were sent and their histories are by name; `events` are the
    last ones of all mirrors."""
    document = StatisticsDocument(
        has_requests=bool(service.days),
        service=_raw(service),
        mirrors={name: _raw(one) for name, one in mirrors.items()},
        histories={name: _raw(one) for name, one in (histories or {}).items()},
        events=_raw(events),
        propagation=propagation,
    )
    return msgspec.msgpack.encode(document)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def decode(data: bytes) -> StatisticsDocument:
    """Decodes a statistics document and checks all of it. Raises SnapshotError if it is unreadable, of
    another schema, or has impossible values."""
    try:
        document = _DOCUMENTS.decode(data)
        is_sound = _is_sound(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable statistics document: {error}") from error
    if document.schema != SCHEMA:
        problem = f"the statistics document has schema {document.schema}, this program reads {SCHEMA}"
        raise SnapshotError(problem)
    if not is_sound:
        raise SnapshotError("the statistics document is damaged: it has values that are none")
    return document


def _is_sound(document: StatisticsDocument) -> bool:
    """Returns whether all values can be true. Raises what msgspec raises for a part that cannot be read."""
    service = document.of_service()
    days = [one.day for one in service.days]
    return (
        is_possible(service.compiled_at)
        and document.has_requests == bool(days)
        and days == sorted(set(days))
        and all(_is_sound_mirror(name, _MIRRORS.decode(raw)) for name, raw in document.mirrors.items())
        and all(_is_sound_history(name, _HISTORIES.decode(raw)) for name, raw in document.histories.items())
        and all(event.mirror is not None and is_possible(event.at) for event in document.last_events())
        and (document.propagation is None or document.propagation.is_sound())
    )


def _is_sound_mirror(name: str, mirror: MirrorRequests) -> bool:
    end = mirror.first_day.toordinal() + len(mirror.days)
    return name == mirror.mirror and end <= date.max.toordinal()


def _is_sound_history(name: str, history: MirrorHistory) -> bool:
    moments = all(is_possible(event.at) for event in history.events)
    return name == history.mirror and history.is_possible and moments

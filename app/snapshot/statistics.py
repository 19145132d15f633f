"""The statistics document: what was asked for, by whom in the sum, and which mirrors were sent the clients.

The worker compiles the document from the sums in the database of what was served, and publishes it through
the store beside the snapshot. It has no addresses, no private mirrors, and nothing that fewer requests have
in common than `least`. Web processes only show it: no request waits for the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec

from app.model import Count, Record, SnapshotError, about
from app.snapshot.propagation import PropagationDocument
from app.snapshot.status import is_possible

SCHEMA = 1
OTHER = "other"
"""The name under which everything is summed up that is too small to be shown by itself."""

Part = Annotated[float, msgspec.Meta(ge=0, le=1)]


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
    service: msgspec.Raw
    mirrors: Mapping[str, msgspec.Raw] = {}
    #: How new versions came to the mirrors; None if none was seen yet.
    propagation: PropagationDocument | None = None

    def of_service(self) -> Statistics:
        """Returns the statistics of the whole service."""
        return _SERVICES.decode(self.service)

    def of_mirror(self, name: str) -> MirrorRequests | None:
        """Returns what a mirror was sent; None if nothing is known of it."""
        encoded = self.mirrors.get(name)
        return None if encoded is None else _MIRRORS.decode(encoded)


# They are made here, because two threads that make one for the same type at the same time crash the process.
_DOCUMENTS = msgspec.msgpack.Decoder(StatisticsDocument)
_SERVICES = msgspec.msgpack.Decoder(Statistics)
_MIRRORS = msgspec.msgpack.Decoder(MirrorRequests)


def encode(
    service: Statistics,
    mirrors: Mapping[str, MirrorRequests],
    propagation: PropagationDocument | None = None,
) -> bytes:
    """Encodes a statistics document. The statistics of mirrors are by name."""
    encoded = {name: _raw(one) for name, one in mirrors.items()}
    document = StatisticsDocument(service=_raw(service), mirrors=encoded, propagation=propagation)
    return msgspec.msgpack.encode(document)


def _raw(record: Record) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(record))


def decode(data: bytes) -> StatisticsDocument:
    """Decodes a statistics document and checks all of it. Raises SnapshotError if it is unreadable, of
    another schema, or has impossible values."""
    try:
        document = _DOCUMENTS.decode(data)
        service = document.of_service()
        mirrors = {name: _MIRRORS.decode(encoded) for name, encoded in document.mirrors.items()}
        is_sound = document.propagation is None or document.propagation.is_sound()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable statistics document: {error}") from error
    if document.schema != SCHEMA:
        problem = f"the statistics document has schema {document.schema}, this program reads {SCHEMA}"
        raise SnapshotError(problem)
    days = [one.day for one in service.days]
    days_of_mirrors = (one.first_day.toordinal() + len(one.days) for one in mirrors.values())
    if (
        not is_possible(service.compiled_at)
        or any(end > date.max.toordinal() for end in days_of_mirrors)
        or days != sorted(set(days))
        or any(name != one.mirror for name, one in mirrors.items())
        or not is_sound
    ):
        raise SnapshotError("the statistics document is damaged: it has values that are none")
    return document

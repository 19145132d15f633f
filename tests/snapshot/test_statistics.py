"""The statistics document: what web processes know of what was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from app.model import MirrorDay, RecordedEvent, SnapshotError
from app.snapshot.statistics import (
    SCHEMA,
    MirrorRequests,
    Statistics,
    decode,
    encode,
)
from app.worker.statistics import Shown, histories_of, statistics_of
from tests.happened import ninety_days
from tests.served import TODAY, a_year

NAMES = ("a.example.org", "b.example.org")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SHOWN = Shown(10, NAMES, dict.fromkeys(NAMES, 0.5))
SERVICE, MIRRORS = statistics_of(a_year(NAMES, places=20), SHOWN, NOW)
HAPPENED = ninety_days(NAMES, NOW)
HISTORIES = histories_of(HAPPENED)


def test_there_and_back() -> None:
    """A document has what was put into it, of the service and of each mirror."""
    document = decode(encode(SERVICE, MIRRORS, HISTORIES, HAPPENED.last))
    assert document.has_requests
    assert document.of_service() == SERVICE
    assert {name: document.of_mirror(name) for name in NAMES} == MIRRORS
    assert {name: document.history_of(name) for name in NAMES} == HISTORIES
    assert document.last_events() == HAPPENED.last
    assert document.of_mirror("c.example.org") is None
    assert document.history_of("c.example.org") is None


def test_events_without_requests() -> None:
    """Where no request is counted, what happened to mirrors is there all the same."""
    document = decode(encode(altered(days=()), {}, HISTORIES, HAPPENED.last))
    assert not document.has_requests
    assert document.history_of(NAMES[0]) == HISTORIES[NAMES[0]]


def altered(**changes: object) -> Statistics:
    return msgspec.structs.replace(SERVICE, **changes)


def of_mirror(**changes: object) -> MirrorRequests:
    return msgspec.structs.replace(MIRRORS["a.example.org"], **changes)


def history(**changes: object) -> bytes:
    one = msgspec.structs.replace(HISTORIES["a.example.org"], **changes)
    return encode(SERVICE, MIRRORS, {"a.example.org": one})


def renamed(**changes: object) -> RecordedEvent:
    return msgspec.structs.replace(HAPPENED.last[0], **changes)


FORGED = {
    "nothing": b"",
    "no document": b"\xc1",
    "cut short": encode(SERVICE, MIRRORS)[:-100],
    "a newer schema": msgspec.msgpack.encode(
        {**msgspec.msgpack.decode(encode(SERVICE, MIRRORS)), "schema": SCHEMA + 1}
    ),
    "days in disorder": encode(altered(days=SERVICE.days[::-1]), MIRRORS),
    "compiled at no zone's time": encode(altered(compiled_at=NOW.replace(tzinfo=None)), MIRRORS),
    "fewer requests than none": encode(altered(least=-1), MIRRORS),
    "more than the whole": encode(SERVICE, {"a.example.org": of_mirror(sent=1.5)}),
    "of another mirror": encode(SERVICE, {"b.example.org": of_mirror()}),
    "a mirror's days after all time": encode(SERVICE, {"a.example.org": of_mirror(first_day=TODAY.max)}),
    "a history of another mirror": history(mirror="b.example.org"),
    "a history after all time": history(first_day=TODAY.max),
    "a day of more than a day": history(days=(MirrorDay(up_s=86400, out_s=1),)),
    "more than always there": history(availability=1.5),
    "an event at no zone's time": history(events=(renamed(at=NOW.replace(tzinfo=None)),)),
    "an event without a name": history(events=(renamed(id="0123"),)),
    "an event of no mirror": encode(SERVICE, MIRRORS, {}, (renamed(mirror=None),)),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in FORGED.items()])
def test_forged_documents(data: bytes) -> None:
    """What cannot be is refused as a whole."""
    with pytest.raises(SnapshotError):
        decode(data)

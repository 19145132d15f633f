"""The statistics document: what web processes know of what was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from app.model import SnapshotError
from app.snapshot.statistics import (
    SCHEMA,
    MirrorRequests,
    Statistics,
    decode,
    encode,
)
from app.worker.statistics import Shown, statistics_of
from tests.served import TODAY, a_year

NAMES = ("a.example.org", "b.example.org")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SHOWN = Shown(10, NAMES, dict.fromkeys(NAMES, 0.5))
SERVICE, MIRRORS = statistics_of(a_year(NAMES, places=20), SHOWN, NOW)


def test_there_and_back() -> None:
    """A document has what was put into it, of the service and of each mirror."""
    document = decode(encode(SERVICE, MIRRORS))
    assert document.of_service() == SERVICE
    assert {name: document.of_mirror(name) for name in NAMES} == MIRRORS
    assert document.of_mirror("c.example.org") is None


def altered(**changes: object) -> Statistics:
    return msgspec.structs.replace(SERVICE, **changes)


def of_mirror(**changes: object) -> MirrorRequests:
    return msgspec.structs.replace(MIRRORS["a.example.org"], **changes)


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
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in FORGED.items()])
def test_forged_documents(data: bytes) -> None:
    """What cannot be is refused as a whole."""
    with pytest.raises(SnapshotError):
        decode(data)

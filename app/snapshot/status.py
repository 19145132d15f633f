"""What the worker tells beside the snapshot: the status document, and its heartbeat.

The status document is what changes without changing a list: ages, last probes, when inputs were read.
It is published at most once a minute, and kept encoded until somebody asks: lists never need it. The
heartbeat is a few numbers every few seconds, as JSON, which also somebody with redis-cli can read.
"""

from __future__ import annotations

import msgspec

from app.model import MirrorState, Record, SnapshotError

SCHEMA = 1


class StatusDocument(Record, frozen=True, kw_only=True):
    """`states` by mirror name; private mirrors have none. `inputs_read_s`: epoch seconds by input
    ("config", "mirrors", "state", "cloud", "geoip"). `faults` by subject, as in the worker's log."""

    schema: int = SCHEMA
    states: dict[str, MirrorState] = {}
    inputs_read_s: dict[str, float] = {}
    faults: dict[str, str] = {}


def encode(status: StatusDocument) -> bytes:
    return msgspec.msgpack.encode(status)


def decode(data: bytes) -> StatusDocument:
    """Raises SnapshotError."""
    try:
        status = msgspec.msgpack.decode(data, type=StatusDocument)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable status document: {error}") from error
    if status.schema != SCHEMA:
        raise SnapshotError(f"the status document has schema {status.schema}, this program reads {SCHEMA}")
    return status


class Heartbeat(Record, frozen=True, kw_only=True):
    """What the worker that publishes says of itself; `at_s` and `started_at_s` in epoch seconds. Numbers
    count from its start, seconds are sums. `faults`: what is at fault now, `failures`: how often
    something was found so, both by source. `guard`: why a snapshot is held back; None if none is."""

    at_s: float
    started_at_s: float = 0.0
    steps: int = 0
    step_seconds: float = 0.0
    compiles: int = 0
    compile_seconds: float = 0.0
    publications: int = 0
    faults: dict[str, int] = {}
    failures: dict[str, int] = {}
    guard: str | None = None


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    return msgspec.json.encode(heartbeat)


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Raises SnapshotError."""
    try:
        return msgspec.json.decode(data, type=Heartbeat)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable heartbeat: {error}") from error

"""What the worker tells beside the snapshot: the status document, and its heartbeat.

The status document is what changes without changing a list: ages, last probes, when inputs were read.
It is published at most once a minute, and kept encoded until somebody asks: lists never need it. The
heartbeat is a few numbers every few seconds, as JSON, which also somebody with redis-cli can read.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from app.model import Count, EpochSeconds, MirrorState, Record, SnapshotError

SCHEMA = 1

_YEARS = range(1970, 9000)
_MAX_FAILURES = 2**53


class StatusDocument(Record, frozen=True, kw_only=True):
    """`states` by mirror name; private mirrors have none. `inputs_read_s`: epoch seconds by input
    ("config", "mirrors", "state", "cloud", "geoip"). `faults` by subject, as in the worker's log."""

    schema: int = SCHEMA
    states: dict[str, MirrorState] = {}
    inputs_read_s: dict[str, EpochSeconds] = {}
    faults: dict[str, str] = {}


class _Outline(Record, frozen=True, kw_only=True):
    """A status document whose states are not decoded yet."""

    schema: int
    states: dict[str, msgspec.Raw] = {}
    inputs_read_s: dict[str, EpochSeconds] = {}
    faults: dict[str, str] = {}


def encode(status: StatusDocument) -> bytes:
    return msgspec.msgpack.encode(status)


def decode(data: bytes) -> StatusDocument:
    """Raises SnapshotError."""
    try:
        return msgspec.msgpack.decode(data, type=StatusDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable status document: {error}") from error


def check(data: bytes) -> None:
    """Raises SnapshotError unless these bytes are a status document that everything can be told from. One
    state after the other is decoded and forgotten, because all of them together may be large."""
    try:
        outline = msgspec.msgpack.decode(data, type=_Outline)
        if outline.schema != SCHEMA:
            raise SnapshotError(
                f"the status document has schema {outline.schema}, this program reads {SCHEMA}"
            )
        for name, raw in outline.states.items():
            _check_state(name, msgspec.msgpack.decode(raw, type=MirrorState))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable status document: {error}") from error


def _check_state(name: str, state: MirrorState) -> None:
    moments = (state.probed_at, state.since, state.timestamp, state.origin_timestamp)
    if (
        state.mirror != name
        or not 0 <= state.failures < _MAX_FAILURES
        or not all(moment is None or is_possible(moment) for moment in moments)
    ):
        raise SnapshotError(f"the status document is damaged: its state of {name[:64]!r} is none")


def is_possible(moment: datetime) -> bool:
    """Whether a moment has a time zone, and is far enough from the ends of what a date can be: near them,
    computing with it fails."""
    return moment.tzinfo is not None and moment.year in _YEARS


class Heartbeat(Record, frozen=True, kw_only=True):
    """What the worker that publishes says of itself. `worker`: its name, under which it holds the lease.
    `at_s` and `started_at_s` in epoch seconds. Numbers count from its start, seconds are sums. `faults`:
    what is at fault now, `failures`: how often something was found so, both by source. `guard`: why a
    snapshot is held back; None if none is."""

    worker: str = ""
    at_s: EpochSeconds
    started_at_s: EpochSeconds = 0.0
    steps: Count = 0
    step_seconds: EpochSeconds = 0.0
    compiles: Count = 0
    compile_seconds: EpochSeconds = 0.0
    publications: Count = 0
    faults: dict[str, Count] = {}
    failures: dict[str, Count] = {}
    guard: str | None = None


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    return msgspec.json.encode(heartbeat)


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Raises SnapshotError."""
    try:
        return msgspec.json.decode(data, type=Heartbeat)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable heartbeat: {error}") from error

"""The status document and the heartbeat, which the worker publishes beside the snapshot.

The status document has what changes without changing a list: ages, last probes, when inputs were read.
It is published at most once a minute. A web process decodes it only when needed: lists do not need it.
The heartbeat is a few numbers every few seconds, in JSON, so that redis-cli shows them too.
"""

from __future__ import annotations

import msgspec

from app.model import MirrorState, Record, SnapshotError

SCHEMA = 1


class StatusDocument(Record, frozen=True, kw_only=True):
    """The status of mirrors and inputs, as far as it does not decide a list."""

    schema: int = SCHEMA
    #: What the prober knows of each mirror, by name; private mirrors are left out.
    states: dict[str, MirrorState] = {}
    #: When each input ("config", "mirrors", "state", "cloud", "geoip") was read, in epoch seconds.
    inputs_read_s: dict[str, float] = {}
    #: The worker's faults by subject, as in its log.
    faults: dict[str, str] = {}


def encode(status: StatusDocument) -> bytes:
    """Encodes a status document."""
    return msgspec.msgpack.encode(status)


def decode(data: bytes) -> StatusDocument:
    """Decodes a status document. Raises SnapshotError if it is unreadable or of another schema."""
    try:
        status = _DOCUMENT.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable status document: {error}") from error
    if status.schema != SCHEMA:
        raise SnapshotError(f"the status document has schema {status.schema}, this program reads {SCHEMA}")
    return status


class Heartbeat(Record, frozen=True, kw_only=True):
    """The heartbeat of the worker that publishes. Its numbers count from the worker's start."""

    #: When it said this, and when it started, in epoch seconds.
    at_s: float
    started_at_s: float = 0.0
    steps: int = 0
    step_seconds: float = 0.0
    compiles: int = 0
    compile_seconds: float = 0.0
    publications: int = 0
    #: How many subjects are at fault now, by source.
    faults: dict[str, int] = {}
    #: How often a subject was found at fault, by source.
    failures: dict[str, int] = {}
    #: Why a snapshot is held back; None if none is.
    guard: str | None = None


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Encodes a heartbeat as JSON."""
    return msgspec.json.encode(heartbeat)


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Decodes a heartbeat. Raises SnapshotError if it is unreadable."""
    try:
        return _HEARTBEAT.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable heartbeat: {error}") from error


# These are made at import: threads that make one for the same type at the same time crash the process.
_DOCUMENT = msgspec.msgpack.Decoder(StatusDocument)
_HEARTBEAT = msgspec.json.Decoder(Heartbeat)

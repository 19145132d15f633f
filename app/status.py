"""The status document: what changes without changing a list. Ages, last probes, when inputs were read.

It is published apart from the snapshot, at most once a minute, and kept encoded until somebody
asks: lists never need it.
"""

from __future__ import annotations

import msgspec

from app.model import MirrorState, Record, SnapshotError

SCHEMA = 1


class Status(Record, frozen=True, kw_only=True):
    """`states` by mirror name; private mirrors have none. `inputs_read_s`: epoch seconds by input
    ("config", "mirrors", "state", "cloud", "geoip"). `faults` by subject, as in the worker's log."""

    schema: int = SCHEMA
    states: dict[str, MirrorState] = {}
    inputs_read_s: dict[str, float] = {}
    faults: dict[str, str] = {}


def encode(status: Status) -> bytes:
    return msgspec.msgpack.encode(status)


def decode(data: bytes) -> Status:
    """Raises SnapshotError."""
    try:
        status = msgspec.msgpack.decode(data, type=Status)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not a readable status document: {error}") from error
    if status.schema != SCHEMA:
        raise SnapshotError(f"the status document has schema {status.schema}, this program reads {SCHEMA}")
    return status

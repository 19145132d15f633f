"""What the worker knows again after a restart; stored with every publication."""

from __future__ import annotations

import msgspec

from app.model import Mirror, ProbeRound, Record, RepomdVersion, ServiceConfig
from app.snapshot.eligibility import Counts


class HourCounts(Record, frozen=True, kw_only=True):
    """The largest counts of each question in one hour. `hour` counts from the epoch."""

    hour: int
    largest: dict[str, Counts]


class Memory(Record, frozen=True, kw_only=True):
    """`definitions`: the last good mirror of each file, by file name. `last_round` and `repomd`: what
    the prober's round.json and repos.json said. `load_km`: the published load prices by mirror, and
    when they were last decided."""

    config: ServiceConfig | None = None
    definitions: dict[str, Mirror] = {}
    last_round: ProbeRound | None = None
    repomd: dict[str, tuple[RepomdVersion, ...]] = {}
    hours: tuple[HourCounts, ...] = ()
    load_km: dict[str, float] = {}
    priced_at_s: float | None = None


def encode(memory: Memory) -> bytes:
    return msgspec.msgpack.encode(memory)


def decode(data: bytes | None) -> Memory:
    """An empty memory for one that is not there, or is of another time and does not decode."""
    if data is None:
        return Memory()
    try:
        return msgspec.msgpack.decode(data, type=Memory)
    except (msgspec.DecodeError, RecursionError):
        return Memory()

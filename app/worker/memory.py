"""What the worker knows again after a restart; stored with every publication."""

from __future__ import annotations

import msgspec

from app.model import Count, EpochSeconds, Mirror, ProbeRound, Record, RepomdVersion, ServiceConfig
from app.snapshot.eligibility import Counts
from app.snapshot.schema import Kilometres
from app.snapshot.status import is_possible


class HourCounts(Record, frozen=True, kw_only=True):
    """The largest counts of each question in one hour. `hour` counts from the epoch."""

    hour: Count
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
    load_km: dict[str, Kilometres] = {}
    priced_at_s: EpochSeconds | None = None


def encode(memory: Memory) -> bytes:
    return msgspec.msgpack.encode(memory)


def decode(data: bytes | None) -> Memory:
    """An empty memory for one that is not there, is of another time and does not decode, or has moments
    that there cannot be."""
    if data is None:
        return Memory()
    try:
        memory = msgspec.msgpack.decode(data, type=Memory)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Memory()
    moments = [version.seen_at for versions in memory.repomd.values() for version in versions]
    moments += [memory.last_round.completed_at] if memory.last_round else []
    return memory if all(map(is_possible, moments)) else Memory()

"""The worker's memory: what a worker knows again after a restart. The memory is stored with every
publication."""

from __future__ import annotations

import msgspec

from app.model import Count, EpochSeconds, Mirror, Record, ServiceConfig
from app.snapshot.schema import Kilometres
from app.snapshot.status import is_possible
from app.worker.edits import Waiting
from app.worker.mirror_facts import ChronicleMemory
from app.worker.numbers import HourCounts


class Memory(Record, frozen=True, kw_only=True):
    """All that the worker remembers."""

    #: The config that was compiled last.
    config: ServiceConfig | None = None
    #: The mirror of each file that was compiled last, by file name.
    definitions: dict[str, Mirror] = {}
    #: How much the worker knew of each kind of input, with which the next one compares what it knows.
    known: dict[str, Count] = {}
    #: The numbers of the last hours, with which the guard compares a new snapshot.
    hours: tuple[HourCounts, ...] = ()
    #: The edits that it holds back, and since when it holds verdicts back.
    waiting: dict[str, Waiting] = {}
    verdicts_held_since_s: EpochSeconds | None = None
    #: The published load prices, by mirror.
    load_km: dict[str, Kilometres] = {}
    #: When the load prices were last decided, in epoch seconds.
    priced_at_s: EpochSeconds | None = None
    #: What was known of the mirrors, and the events that wait for the history's database.
    chronicle: ChronicleMemory = ChronicleMemory()


def encode(memory: Memory) -> bytes:
    """Encodes a memory."""
    return msgspec.msgpack.encode(memory)


def decode(data: bytes | None) -> Memory:
    """Decodes a memory. Returns an empty memory for None, for bytes that do not decode (such as those of
    another version), and for a memory with impossible times."""
    if data is None:
        return Memory()
    try:
        memory = msgspec.msgpack.decode(data, type=Memory)
    except (ValueError, RecursionError):  # msgspec's errors, and texts that are not UTF-8
        return Memory()
    return memory if all(is_possible(event.at) for event in memory.chronicle.unwritten) else Memory()

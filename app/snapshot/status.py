"""The status document and the heartbeat, which the worker publishes beside the snapshot.

The status document has what changes without changing a list: ages, last probes, when inputs were read.
It is published at most once a minute. A web process decodes it only when needed: lists do not need it.
The heartbeat is a few numbers every few seconds, in JSON, so that redis-cli shows them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from app.model import (
    Content,
    Count,
    EpochSeconds,
    MirrorState,
    MirrorVerdict,
    ProbeRound,
    Record,
    SnapshotError,
    Status,
)

SCHEMA = 1

_YEARS = range(1970, 9000)
_MAX_FAILURES = 2**53
_STATES = msgspec.msgpack.Decoder(MirrorState)
_VERDICTS = msgspec.msgpack.Decoder(MirrorVerdict)

V_co = TypeVar("V_co", bound=MirrorVerdict, covariant=True)


class States(Mapping[str, V_co], Generic[V_co]):
    """A mapping from a mirror's name to what the prober found of the mirror. Each value is decoded when it is
    looked up, because all of them with all repos may take hundreds of megabytes. Looking up a value that
    cannot be decoded raises KeyError."""

    def __init__(self, encoded: Mapping[str, msgspec.Raw], decoder: msgspec.msgpack.Decoder[V_co]) -> None:
        self.encoded = encoded
        self._decoder = decoder

    def __getitem__(self, name: str) -> V_co:
        try:
            return self._decoder.decode(self.encoded[name])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise KeyError(name) from error

    def __contains__(self, name: object) -> bool:
        return name in self.encoded

    def __iter__(self) -> Iterator[str]:
        return iter(self.encoded)

    def __len__(self) -> int:
        return len(self.encoded)


class StatusDocument(Record, frozen=True, kw_only=True):
    """The status of mirrors and inputs that pages show but that decides no list."""

    schema: int = SCHEMA
    #: What the prober knows of each mirror, by name; private mirrors are left out.
    states: Mapping[str, MirrorState] = {}
    #: When each input ("config", "mirrors", "state", "cloud", "geoip") was read, in epoch seconds.
    inputs_read_s: dict[str, EpochSeconds] = {}
    #: The worker's faults by subject, as in its log.
    faults: dict[str, str] = {}
    #: How many mirrors have each verdict on a repo, by "release/repo/arch"; private ones are left out.
    contents: dict[str, dict[Content, Count]] = {}
    #: The mirrors of which the guard holds a verdict back.
    held: tuple[str, ...] = ()

    @property
    def verdicts(self) -> Mapping[str, MirrorVerdict]:
        """The states of mirrors without the findings about single repos, so that decoding is ten times as
        fast."""
        states = self.states
        return States(states.encoded, _VERDICTS) if isinstance(states, States) else states


class _Outline(Record, frozen=True, kw_only=True):
    """A status document whose states are not decoded yet."""

    schema: int
    states: dict[str, msgspec.Raw] = {}
    inputs_read_s: dict[str, EpochSeconds] = {}
    faults: dict[str, str] = {}
    contents: dict[str, dict[Content, Count]] = {}
    held: tuple[str, ...] = ()


# They are made here, because two threads that make one for the same type at the same time crash the process.
_OUTLINES = msgspec.msgpack.Decoder(_Outline)


def encode(status: StatusDocument) -> bytes:
    """Encodes a status document, without the arrivals of what mirrors have: no page needs these, and there is
    one for each repo of each mirror."""
    states = {name: msgspec.structs.replace(state, arrivals={}) for name, state in status.states.items()}
    return msgspec.msgpack.encode(msgspec.structs.replace(status, states=states))


def decode(data: bytes) -> StatusDocument:
    """Decodes a status document. Raises SnapshotError if it is unreadable or of another schema."""
    try:
        outline = _OUTLINES.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable status document: {error}") from error
    if outline.schema != SCHEMA:
        raise SnapshotError(f"the status document has schema {outline.schema}, this program reads {SCHEMA}")
    return StatusDocument(
        states=States(outline.states, _STATES),
        inputs_read_s=outline.inputs_read_s,
        faults=outline.faults,
        contents=outline.contents,
        held=outline.held,
    )


def contents_of(states: Iterable[MirrorState]) -> dict[str, dict[Content, int]]:
    """Returns how many of these mirrors have each verdict on a repo, by the repo's key. Mirrors that are down
    do not count."""
    found: dict[str, dict[Content, int]] = {}
    for state in states:
        if state.status in (Status.UNREACHABLE, Status.BROKEN):
            continue
        for key, verdict in state.content.items():
            counts = found.setdefault(key, {})
            counts[verdict] = counts.get(verdict, 0) + 1
    return found


def check(data: bytes) -> None:
    """Raises SnapshotError unless these bytes are a status document whose values are all possible."""
    states = decode(data).states
    for name in states:
        try:
            state = states[name]
        except KeyError as error:
            problem = f"not a readable status document: the state of {name[:64]!r}: {error.__cause__}"
            raise SnapshotError(problem) from error
        _check_state(name, state)


def _check_state(name: str, state: MirrorState) -> None:
    moments = (
        *(state.probed_at, state.since, state.timestamp, state.origin_timestamp),
        *state.asked_again.values(),
    )
    if (
        state.mirror != name
        or not 0 <= state.failures < _MAX_FAILURES
        or not all(moment is None or is_possible(moment) for moment in moments)
    ):
        raise SnapshotError(f"the status document is damaged: its state of {name[:64]!r} is none")


def is_possible(moment: datetime) -> bool:
    """Returns whether a moment has a time zone and its year is from 1970 to 8999. Near the first and the last
    moment that datetime has, computing fails."""
    return moment.tzinfo is not None and moment.year in _YEARS


class WorkerAnswer(Record, frozen=True, kw_only=True):
    """The worker's answer to a request."""

    #: The request's name.
    request: str
    #: Whether all was done that was asked for.
    done: bool
    #: What was done, or why not, in words.
    text: str


class Heartbeat(Record, frozen=True, kw_only=True):
    """The heartbeat of the worker that publishes. Its numbers count from the worker's start."""

    #: The worker's name, under which it holds the lease.
    worker: str = ""
    #: When the worker sent the heartbeat (`at_s`) and when it started (`started_at_s`), in epoch seconds.
    at_s: EpochSeconds
    started_at_s: EpochSeconds = 0.0
    steps: Count = 0
    step_seconds: EpochSeconds = 0.0
    compiles: Count = 0
    compile_seconds: EpochSeconds = 0.0
    publications: Count = 0
    #: How many subjects are at fault now, by source.
    faults: dict[str, Count] = {}
    #: How often a subject was found at fault, by source.
    failures: dict[str, Count] = {}
    #: What the guard holds back, in sentences; None if it holds nothing back.
    guard: str | None = None
    #: The prober's last complete round, as far as the worker knows.
    last_round: ProbeRound | None = None
    #: Why this worker does not take over, or what it lacked when it did; None if nothing.
    takeover: str | None = None
    #: What it answered last.
    answer: WorkerAnswer | None = None


_HEARTBEATS = msgspec.json.Decoder(Heartbeat)


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Encodes a heartbeat as JSON."""
    return msgspec.json.encode(heartbeat)


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Decodes a heartbeat. Raises SnapshotError if it is unreadable."""
    try:
        heartbeat = _HEARTBEATS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a readable heartbeat: {error}") from error
    last = heartbeat.last_round
    moments = (last.completed_at, last.started_at) if last else ()
    if not all(moment is None or is_possible(moment) for moment in moments):
        raise SnapshotError("not a readable heartbeat: the times of its round are none")
    return heartbeat

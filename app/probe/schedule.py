"""Decides which repos and ISO directories of a mirror are due in a round, so that mirrors get few requests.

A directory is due at once if it was never asked for, if the origin has changed it since, if it was not
current but may be now (the mirror has synced, and the change is recent), or if waiting for the next round
would let more than `full_every` pass between two requests for it. If fewer directories are due than a quota,
those with the nearest deadlines are added, so that requests are spread evenly over `full_every`. ISO
directories change only with releases, so they are asked for about a fourth as often. The same holds for what
a copy of the vault has, which does not change at all: one of its releases is asked for in a round.

What a mirror lacks is asked for again in the next round, and then more and more rarely: when the mirror has
lacked it for twice as long as when it was last asked. Only a few of these are asked for in a round, and they
count for the quota. If one of them has come, the mirror may have been mended, and all the others are asked
for at once (`contents`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.catalogue.catalogue import Directory
from app.model import Content, MirrorState, RepomdVersion, lacks
from app.probe.records import Lacking, ProbeNotes, Seen

REQUESTS_PER_ROUND = 10
"""The largest number of requests to a mirror in a round in which nothing has changed."""
ASKED_AGAIN_PER_ROUND = 2
"""How many of the directories that a mirror lacks are asked for again in a round."""


@dataclass(frozen=True)
class Situation:
    """The facts that decide which directories of a mirror are due."""

    now: datetime
    #: The time until the mirror is asked again in the next round.
    interval_s: float
    full_every_s: int
    grace_s: int
    #: The origin's versions of each repo, newest first, by key.
    versions: Mapping[str, Sequence[RepomdVersion]] = field(default_factory=dict)
    #: The last verdict on each repo, by key.
    content: Mapping[str, Content] = field(default_factory=dict)
    #: Whether the mirror's timestamp file has changed since the last round.
    synced: bool = False
    #: A directory that was last asked for at this moment (in epoch seconds) or before is due at once.
    anew_until_s: float = 0.0


@dataclass(frozen=True)
class Turn:
    """The directories of a mirror that are due in a round."""

    repos: tuple[Directory, ...] = ()
    isos: tuple[Directory, ...] = ()
    vault: tuple[Directory, ...] = ()

    @property
    def all(self) -> tuple[Directory, ...]:
        return (*self.repos, *self.isos, *self.vault)


def next_turn(meant: Turn, notes: ProbeNotes, situation: Situation) -> Turn:
    """Decides which are due now of the directories that a mirror is meant to have. All kinds stay in the
    order given."""
    repos, isos = meant.repos, meant.isos
    now_s = situation.now.timestamp()
    deadlines = _deadlines(repos, isos, notes, situation)
    next_turn_s = now_s + situation.interval_s
    chosen = {key for key, deadline in deadlines.items() if deadline < next_turn_s}
    lacking = sorted((_again_s(lack), key) for key, lack in notes.lacking.items() if key in deadlines)
    due = [key for again_s, key in lacking if again_s < now_s + situation.interval_s / 2]
    room = max(0, REQUESTS_PER_ROUND - len(chosen) - 2)  # for the timestamp file, at two endpoints
    chosen.update([key for key in due if key not in chosen][: min(ASKED_AGAIN_PER_ROUND, room)])
    for key in sorted(deadlines, key=lambda key: deadlines[key]):
        if len(chosen) >= _quota(len(repos), len(isos), situation):
            break
        chosen.add(key)
    return Turn(
        tuple(target for target in repos if target.key in chosen),
        tuple(target for target in isos if target.key in chosen),
        _of_vault(meant.vault, notes, situation),
    )


def _of_vault(vault: Sequence[Directory], notes: ProbeNotes, situation: Situation) -> tuple[Directory, ...]:
    """Returns the release of the vault that is due, if any is: the one that has not been asked for the
    longest. Returns all of them if everything is asked for anew."""
    if situation.anew_until_s == math.inf:
        return tuple(vault)
    due_s = {target.key: _rare_deadline(target, notes.vault, situation) for target in vault}
    next_turn_s = situation.now.timestamp() + situation.interval_s
    due = sorted((target for target in vault if due_s[target.key] < next_turn_s), key=lambda t: due_s[t.key])
    return tuple(due[:1])


def _deadlines(
    repos: Sequence[Directory], isos: Sequence[Directory], notes: ProbeNotes, situation: Situation
) -> dict[str, float]:
    """Returns when each directory has to be asked for at the latest, in epoch seconds, by its key."""
    deadlines: dict[str, float] = {}
    for target in repos:
        seen = notes.contents.get(target.key)
        wait = seen is not None and not _at_once(target, seen, situation)
        deadlines[target.key] = seen.asked_at + situation.full_every_s if seen and wait else 0.0
    for target in isos:
        deadlines[target.key] = _rare_deadline(target, notes.isos, situation)
    return deadlines


# --- what the mirror lacks -------------------------------------------------------------------------


def still_lacking(
    before: Mapping[str, Lacking], state: MirrorState, asked: Collection[str], now_s: float
) -> dict[str, Lacking]:
    """Returns the notes about what a mirror in this state lacks. `asked` are the keys of the directories for
    which it has just been asked."""
    notes = {}
    for key in lacks(state.content, state.isos):
        known = before.get(key, Lacking(since=now_s, asked_at=now_s))
        notes[key] = Lacking(since=known.since, asked_at=now_s if key in asked else known.asked_at)
    return notes


def asked_again(lacking: Mapping[str, Lacking], now_s: float, interval_s: float) -> dict[str, datetime]:
    """Returns about when each of these directories is asked for again. It may be later, because others have
    to be asked for first."""
    ordered = sorted(lacking, key=lambda key: _again_s(lacking[key]))
    times = {}
    for number, key in enumerate(ordered):
        turn_s = now_s + interval_s * (1 + number // ASKED_AGAIN_PER_ROUND)
        times[key] = datetime.fromtimestamp(round(max(turn_s, _again_s(lacking[key]))), UTC)
    return times


def _again_s(lack: Lacking) -> float:
    """Returns when a directory is due again: when it has been lacking for twice as long as at the last
    request for it."""
    return lack.asked_at + (lack.asked_at - lack.since)


# --- what the mirror has, or may have --------------------------------------------------------------


def _at_once(target: Directory, seen: Seen, situation: Situation) -> bool:
    if seen.asked_at <= situation.anew_until_s:
        return True
    known = situation.versions.get(target.key, ())
    if not known:
        return False
    changed_at = known[0].seen_at
    if changed_at.timestamp() > seen.asked_at:
        return True
    recent = situation.now - changed_at < timedelta(seconds=situation.grace_s)
    return situation.synced and recent and situation.content.get(target.key) is not Content.CURRENT


def _rare_deadline(target: Directory, asked: Mapping[str, float], situation: Situation) -> float:
    """Returns the deadline of a directory that hardly changes (of ISOs, or in the vault) in epoch seconds,
    three to four times as late as that of a repo, or 0 if it is due at once. `asked` says when each was asked
    for. Deadlines differ by a hash of the key, so that not all are due at the same time."""
    spread = zlib.crc32(target.key.encode()) / 2**32
    asked_at = asked.get(target.key)
    if asked_at is None or asked_at <= situation.anew_until_s:
        return 0.0
    return asked_at + situation.full_every_s * (3 + spread)


def _quota(repos: int, isos: int, situation: Situation) -> int:
    """Returns the number of directories to ask for in each round so that all keep their deadlines."""
    turns = max(1.0, situation.full_every_s / max(1.0, situation.interval_s))
    return math.ceil(repos / turns + isos / (3 * turns))

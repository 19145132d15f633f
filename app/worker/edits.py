"""The guard of people's files: which edits are compiled now, and which wait.

If edits take too many mirrors from a list (`losses`), the files that do so keep their last accepted content
for 30 minutes, in which a mistake can be taken back. All other edits are compiled at once, and none waits
because of the prober (`comparison`). Files that are taken away together wait together. An edit that would
leave a list with the origin alone waits until a person asks for it.

The time runs for each file from when this content of it was first seen, also across restarts. New edits are
looked at first, on top of what is published: so none waits because others do.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import msgspec

from app.model import EpochSeconds, Mirror, Record, ServiceConfig, digest_of
from app.sources.people_files import Written
from app.worker.accepted import Baseline
from app.worker.comparison import CONFIG, Comparison, Measured, TakenAway, by_name
from app.worker.losses import Force, Loss

PATIENCE_S = 30 * 60

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_GONE = "gone"


class Waiting(Record, frozen=True, kw_only=True):
    """An edit that waits: the digest of the new content, and when this was first seen, in epoch seconds."""

    content: str
    since_s: EpochSeconds


@dataclass(frozen=True)
class Admission:
    """What the guard makes of the files as they are now."""

    #: What is to be compiled.
    written: Written
    #: What the admitted edits take; None if there are no edits, or nothing to compare with.
    taken: TakenAway | None = None
    #: The edits that wait, by mirror, or CONFIG.
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    #: Those of them that would leave a list with the origin alone.
    stranding: frozenset[str] = frozenset()
    #: What they would do.
    losses: tuple[Loss, ...] = ()
    #: The lists that lose many mirrors now, because they waited long enough or a person wants it.
    shrunk: frozenset[str] = frozenset()

    @property
    def bounded(self) -> tuple[Waiting, ...]:
        """The waiting edits that are compiled after a while."""
        return tuple(edit for name, edit in self.waiting.items() if name not in self.stranding)


@dataclass(frozen=True)
class Leeway:
    """The leeway that edits and verdicts have: the time, in epoch seconds, and how far lists may shrink."""

    now: float
    force: Force = Force.NO


def admit(
    written: Written,
    measured: Measured,
    baseline: Baseline | None,
    waiting: Mapping[str, Waiting],
    leeway: Leeway,
) -> Admission:
    """Decides which edits are compiled. `waiting` are those that waited before."""
    was = baseline.accepted.written if baseline else None
    if baseline is None or was is None:
        return Admission(written)
    edits = _seen(was, written, waiting, leeway.now)
    if not edits:
        return Admission(written)
    comparison = Comparison(baseline, was, written, measured, edits)
    if comparison.effect(edits).losses(leeway.force):
        comparison = comparison.with_all_mirrors()
    effect = comparison.effect(())
    for group, force in _groups(edits, waiting, leeway):
        candidates = set(group)
        while candidates:
            with_them = comparison.effect(effect.edited | candidates)
            losers = with_them.losers(effect, force)
            if not losers:
                effect = with_them
                break
            candidates -= _whole(losers, candidates, edits)
    held = edits.keys() - effect.edited
    everything = comparison.effect(edits) if held else effect
    return Admission(
        written=comparison.mixed(effect.edited),
        taken=effect.taken,
        waiting={name: edits[name] for name in sorted(held)},
        stranding=frozenset(_whole(everything.losers(effect, Force.PAST_GUARD), held, edits)),
        losses=everything.losses(Force.NO) if held else (),
        shrunk=frozenset(loss.question for loss in effect.losses(Force.NO)),
    )


def _seen(was: Written, written: Written, waiting: Mapping[str, Waiting], now: float) -> dict[str, Waiting]:
    """Returns all edits since what was accepted, each with the time when it was first seen."""
    before, after = by_name(was), by_name(written)
    names = sorted(before.keys() | after.keys())
    edits: dict[str, Mirror | ServiceConfig | None] = {
        name: after.get(name) for name in names if after.get(name) != before.get(name)
    }
    if was.config != written.config:
        edits[CONFIG] = written.config
    seen = {}
    for name, content in edits.items():
        digest = _GONE if content is None else digest_of(_ENCODER.encode(content))
        former = waiting.get(name)
        known = former is not None and former.content == digest and former.since_s <= now  # a clock set back
        seen[name] = former if former is not None and known else Waiting(content=digest, since_s=now)
    return seen


def _whole(losers: set[str], among: Set[str], edits: Mapping[str, Waiting]) -> set[str]:
    """Returns the losers, and if the files of some are gone, all that are gone. Files that are taken away
    together, such as those of a folder, come back together, whichever of them a list would miss."""
    if not any(edits[name].content == _GONE for name in losers):
        return losers
    return losers | {name for name in among if edits[name].content == _GONE}


def _groups(
    edits: Mapping[str, Waiting], waiting: Mapping[str, Waiting], leeway: Leeway
) -> list[tuple[list[str], Force]]:
    """Returns the edits in the order in which they are looked at, and how far lists may shrink by each."""
    if leeway.force is not Force.NO:
        return [(list(edits), leeway.force)]
    due = [name for name, edit in edits.items() if leeway.now - edit.since_s >= PATIENCE_S]
    new = [name for name, edit in edits.items() if waiting.get(name) != edit]
    others = [name for name in edits if name not in {*due, *new}]
    return [(new, Force.NO), (others, Force.NO), (due, Force.PAST_GUARD)]

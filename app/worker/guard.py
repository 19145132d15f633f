"""The guard keeps a broken prober, or a slip of a person, from emptying lists.

What is compiled is people's files (`edits`) times the prober's verdicts (`verdicts`). Of each, the guard
holds back only what takes too many mirrors from a list; all else goes out at once. So an edit never waits
because of the prober. It compares with what is published (`accepted`) and with the largest numbers of the
last 24 hours (`numbers`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.model.words import moment
from app.snapshot.compile import Inputs, decide
from app.snapshot.schema import Snapshot
from app.sources.people_files import Written
from app.worker.accepted import Accepted, Baseline
from app.worker.comparison import CONFIG, Measured
from app.worker.edits import PATIENCE_S, Admission, Leeway, Waiting, admit
from app.worker.losses import Force, Loss, worst
from app.worker.memory import Memory
from app.worker.numbers import LargestNumbers
from app.worker.verdicts import Judgement, judge, taken_offers

FORCE = "`mirrorwise worker --force`"
TO_ORIGIN = "`mirrorwise worker --force --to-origin`"


@dataclass(frozen=True)
class Guard:
    """The guard after one publication. It never changes; `after` is the one after the next."""

    accepted: Accepted | None = None
    numbers: LargestNumbers = field(default_factory=LargestNumbers)
    #: The edits that wait, by mirror, or CONFIG.
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    #: Since when verdicts have been held back, in epoch seconds; None if none are.
    verdicts_held_since_s: float | None = None
    #: The mirrors that keep an accepted verdict.
    held: frozenset[str] = frozenset()
    #: What is held back, in sentences that name no file, by the subject of the fault.
    faults: Mapping[str, str] = field(default_factory=dict)
    #: When the guard has to look again although nothing has changed, in epoch seconds.
    look_again_s: float = math.inf

    def admit(self, written: Written, measured: Measured, leeway: Leeway) -> Admission:
        """Decides which of people's edits are compiled."""
        return admit(written, measured, self._baseline(self.numbers, leeway.now), self.waiting, leeway)

    def judge(self, inputs: Inputs, admission: Admission, leeway: Leeway) -> Ruling:
        """Decides which of the prober's verdicts are accepted. `inputs` have the admitted edits."""
        numbers = self._less(admission, inputs)
        baseline = self._baseline(numbers, leeway.now)
        judgement = judge(decide(inputs), inputs.mirrors, admission.taken, baseline, leeway.force)
        return Ruling(admission, judgement, numbers if leeway.force is Force.NO else LargestNumbers())

    def after(self, snapshot: Snapshot, ruling: Ruling, now: float) -> Guard:
        """Returns the guard to use once the snapshot that follows from this ruling is published."""
        admission, judgement = ruling.admission, ruling.judgement
        since_s = None
        if judgement.held:
            before_s = self.verdicts_held_since_s
            since_s = now if before_s is None or before_s > now else before_s
        looks = [edit.since_s + PATIENCE_S for edit in admission.bounded]
        if judgement.held or admission.waiting:
            looks.append(3600 * (now // 3600 + 1))  # then other hours are the last 24
        return Guard(
            accepted=Accepted(snapshot, admission.written),
            numbers=ruling.numbers.after(judgement.counts, now),
            waiting=admission.waiting,
            verdicts_held_since_s=since_s,
            held=judgement.held,
            faults=_faults(admission, judgement, since_s),
            look_again_s=min((at_s for at_s in looks if at_s > now), default=math.inf),
        )

    def _baseline(self, numbers: LargestNumbers, now: float) -> Baseline | None:
        return Baseline(self.accepted, numbers.of_day(now)) if self.accepted else None

    def _less(self, admission: Admission, inputs: Inputs) -> LargestNumbers:
        """Returns the numbers without the mirrors that people's files take away, and without those of lists
        that shrink by this: the verdicts are measured by what is left, as the next ones will be."""
        if admission.taken is None or self.accepted is None:
            return self.numbers
        taken = {**admission.taken.counts, **taken_offers(self.accepted, inputs.mirrors)}
        return self.numbers.without(admission.shrunk).less(taken)


@dataclass(frozen=True)
class Ruling:
    """What the guard has decided of edits and verdicts."""

    admission: Admission
    judgement: Judgement
    #: What the next lists are measured by, without those that follow from this ruling.
    numbers: LargestNumbers


def guard_of(memory: Memory, snapshot: Snapshot | None) -> Guard:
    """Returns the guard that goes on from what was published last; `snapshot` is None if that is lost."""
    written = Written(memory.config, memory.definitions) if memory.config else None
    return Guard(
        accepted=Accepted(snapshot, written) if snapshot else None,
        numbers=LargestNumbers(memory.hours),
        waiting=memory.waiting,
        verdicts_held_since_s=memory.verdicts_held_since_s,
    )


# --- what people are told ------------------------------------------------------------------------------


def _faults(admission: Admission, judgement: Judgement, since_s: float | None) -> dict[str, str]:
    faults = {}
    if admission.waiting:
        faults["guard/files"] = _of_files(admission)
    if judgement.held and since_s is not None:
        faults["guard/verdicts"] = _of_verdicts(judgement, since_s)
    return faults


def _of_files(admission: Admission) -> str:
    waiting, stranding = admission.waiting, len(admission.stranding)
    parts = [_several(n, "mirror file")] if (n := len(waiting.keys() - {CONFIG})) else []
    parts += ["config.yml"] if CONFIG in waiting else []
    since = moment(min(edit.since_s for edit in waiting.values()))
    held = f"edits of {' and '.join(parts)} are held back since {since}"
    if admission.bounded:
        held += f" until {moment(max(edit.since_s for edit in admission.bounded) + PATIENCE_S)}"
    said = [
        f"{held}, because {_lists(admission.losses)}",
        "all other edits are published; the worker's log names the files; take back what was a mistake",
    ]
    if admission.bounded:
        said.append(f"{FORCE} publishes them now")
    if stranding:
        which = f"{stranding} of them" if admission.bounded else "they"
        said.append(
            f"{which} would leave a list that had mirrors with the origin alone, and wait for {TO_ORIGIN}"
        )
    return "; ".join(said)


def _of_verdicts(judgement: Judgement, since_s: float) -> str:
    emptied = any(loss.keeps == 0 for loss in judgement.losses)
    said = [
        f"the prober's verdicts on {_several(len(judgement.held), 'mirror')} are held back since "
        f"{moment(since_s)}, because {_lists(judgement.losses)}",
        "these mirrors are served there as before; all else is published",
        "it ends when the prober finds them well: see whether its own network is",
        f"if they are really down, {FORCE} accepts it",
    ]
    return "; ".join(said) + (f", and {TO_ORIGIN} where no mirror is left" if emptied else "")


def _lists(losses: tuple[Loss, ...]) -> str:
    if not losses:
        return "lists would lose too many mirrors"
    lists = "1 list would keep less than half of its mirrors"
    if len(losses) > 1:
        lists = f"{len(losses)} lists would keep less than half of their mirrors"
    return f"{lists}: {worst(losses)}"


def _several(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

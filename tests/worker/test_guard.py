"""The guard: which losses hold a publication back, and for how long."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.snapshot.eligibility import Counts
from app.worker.guard import Guard, Loss
from app.worker.memory import HourCounts
from tests.worker.network import NOON

HOUR = 3600.0
MINUTE = 60.0
Q = "9.8/baseos/x86_64"


def counts(known: int, declared: int = 100, well: int | None = None, eligible: int | None = None) -> Counts:
    """Of a question for which nothing is unknown, unless told otherwise."""
    return Counts(
        declared=declared,
        well=declared if well is None else well,
        eligible=known if eligible is None else eligible,
        known=known,
    )


def guarding(known: int, declared: int = 100) -> Guard:
    """A guard that saw one publication."""
    return Guard().after({Q: counts(known, declared)}, (), NOON)


@pytest.mark.parametrize(
    ("had", "keeps", "grave"),
    [
        pytest.param(40, 40, False, id="nothing lost"),
        pytest.param(40, 45, False, id="more than before"),
        pytest.param(40, 20, False, id="half is kept"),
        pytest.param(40, 19, True, id="less than half is kept"),
        pytest.param(40, 0, True, id="all lost"),
        pytest.param(6, 3, False, id="half of a few"),
        pytest.param(6, 2, True, id="less than half of a few"),
        pytest.param(3, 1, False, id="two of three of a rare arch"),
        pytest.param(3, 0, True, id="three of three"),
        pytest.param(2, 1, False, id="one of two"),
        pytest.param(2, 0, True, id="both of two"),
        pytest.param(1, 0, False, id="the only one"),
        pytest.param(0, 0, False, id="there were none"),
    ],
)
def test_grave_losses(had: int, keeps: int, grave: bool) -> None:
    """A list that keeps less than half of its mirrors is a loss, unless one or two of a few went and
    some are left, or the only one went."""
    losses = guarding(had).losses({Q: counts(keeps)}, NOON + 1)
    assert losses == ([Loss(Q, had, keeps, declared=False)] if grave else [])


def test_loss_is_a_sentence() -> None:
    """A loss says of which list how many mirrors would be left, and whose files are the reason."""
    assert (
        str(Loss(Q, 40, 3, declared=False))
        == f"{Q} would keep 3 of 40 mirrors (because of the probe's state)"
    )
    assert (
        str(Loss(Q, 40, 3, declared=True)) == f"{Q} would keep 3 of 40 mirrors (because of files of people)"
    )


@pytest.mark.parametrize(
    ("eligible", "declared", "by_people"),
    [
        pytest.param(10, 40, False, id="all are still declared"),
        pytest.param(10, 20, False, id="half is still declared"),
        pytest.param(10, 19, True, id="people took more than half out"),
        pytest.param(0, 0, True, id="people took all out"),
    ],
)
def test_cause_of_a_loss(eligible: int, declared: int, by_people: bool) -> None:
    """A loss is people's doing if their files alone explain it; else the probe's state is to blame."""
    [loss] = guarding(40, declared=40).losses({Q: counts(eligible, declared)}, NOON + 1)
    assert loss.declared is by_people


def test_question_not_asked_any_more() -> None:
    """A list that the config no longer has (its release went to the vault) is no loss."""
    assert guarding(40).losses({}, NOON + 1) == []


@pytest.mark.parametrize(
    ("steps", "held"),
    [
        pytest.param([(0, "people")], True, id="people's loss at first"),
        pytest.param([(0, "people"), (29 * MINUTE, "people")], True, id="people's loss after 29 min"),
        pytest.param([(0, "people"), (30 * MINUTE, "people")], False, id="people's loss after 30 min"),
        pytest.param([(0, "probe"), (30 * MINUTE, "probe")], True, id="prober's loss after 30 min"),
        pytest.param([(0, "probe"), (9 * 24 * HOUR, "probe")], True, id="prober's loss after 9 days"),
        pytest.param([(0, "people"), (31 * MINUTE, "both")], True, id="both kinds at once"),
        pytest.param([(0, "probe"), (9 * HOUR, "none")], False, id="recovery"),
        pytest.param(
            [(0, "people"), (20 * MINUTE, "none"), (31 * MINUTE, "people")], True, id="taken back between"
        ),
        pytest.param([(0, "people"), (-24 * HOUR, "people")], True, id="clock set back a day"),
        pytest.param(
            [(0, "people"), (-24 * HOUR, "people"), (31 * MINUTE - 24 * HOUR, "people")],
            False,
            id="30 min by the clock that was set back",
        ),
    ],
)
def test_holding_back(steps: list[tuple[float, str]], held: bool) -> None:
    """Losses by people's files are held back for 30 minutes from when they were first seen, those by the
    probe's state until they are gone."""
    by_people, by_probe = Loss(Q, 40, 1, declared=True), Loss("other", 40, 1, declared=False)
    kinds = {"people": [by_people], "probe": [by_probe], "both": [by_people, by_probe], "none": []}
    guard = Guard()
    for at_s, kind in steps:
        last = guard.holds_back(kinds[kind], NOON + at_s)
    assert last is held


@pytest.mark.parametrize(
    ("published", "asked_at_s", "had"),
    [
        pytest.param([(0, 40)], 1, 40, id="a moment ago"),
        pytest.param([(0, 40), (HOUR, 30), (2 * HOUR, 25)], 3 * HOUR, 40, id="a slow decline"),
        pytest.param([(0, 40), (60, 30)], 120, 40, id="twice in an hour"),
        pytest.param([(0, 40), (HOUR, 30)], 24 * HOUR, 40, id="24 hours later"),
        pytest.param([(0, 40), (HOUR, 30)], 25 * HOUR, 30, id="25 hours later"),
        pytest.param([(0, 40)], 9 * 24 * HOUR, 40, id="nothing published for 9 days"),
        pytest.param([(0, 40)], -24 * HOUR, 40, id="clock set back a day"),
    ],
)
def test_what_counts(published: list[tuple[float, int]], asked_at_s: float, had: int) -> None:
    """A list is compared with its largest of the last 24 hours, and in any case with what was
    published last, for that is what clients get."""
    guard = Guard()
    for at_s, count in published:
        guard = guard.after({Q: counts(count)}, (), NOON + at_s)
    [loss] = guard.losses({Q: counts(0)}, NOON + asked_at_s)
    assert loss.had == had


def test_accepted_loss_is_the_new_measure() -> None:
    """Once a loss was published, the next publication is compared with what was left; other lists
    still with their largest."""
    guard = Guard().after({Q: counts(40), "other": counts(40)}, (), NOON)
    losses = guard.losses({Q: counts(10), "other": counts(40)}, NOON + 1)
    guard = guard.after({Q: counts(10), "other": counts(30)}, losses, NOON + 1)
    assert guard.losses({Q: counts(9), "other": counts(30)}, NOON + 2) == []
    assert guard.losses({Q: counts(9), "other": counts(19)}, NOON + 2) == [
        Loss("other", 40, 19, declared=False)
    ]


@pytest.mark.parametrize(
    ("there", "held"),
    [
        pytest.param(counts(2, well=90), False, id="most are well and do not have it"),
        pytest.param(counts(0, well=90), False, id="all are well and nobody has it"),
        pytest.param(counts(0, well=40), True, id="most are not well"),
        pytest.param(counts(2, eligible=100), False, id="the first few were asked"),
    ],
)
def test_what_nobody_had_looked_at(there: Counts, held: bool) -> None:
    """What is new in the config is served by everybody until it is known who has it. That most do not
    have it is no loss; that most are not well is one, for that may be the prober's fault."""
    guard = Guard().after({Q: counts(0, eligible=100)}, (), NOON)
    assert bool(guard.losses({Q: there}, NOON + 1)) is held


def test_publication_leaves_the_guard_alone() -> None:
    """`after` makes another guard: a publication that the store refuses changes nothing."""
    guard = guarding(40)
    before = guard.remembered(NOON)
    guard.after({Q: counts(400)}, (), NOON)
    assert guard.remembered(NOON) == before


numbers = st.integers(0, 60)
by_question = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.builds(counts, numbers, numbers, numbers, numbers), max_size=3
)
hours = st.lists(st.builds(HourCounts, hour=st.integers(499_960, 500_030), largest=by_question), max_size=5)


@settings(max_examples=60)
@given(hours, by_question)
def test_a_restart_changes_nothing(known: Iterable[HourCounts], now: dict[str, Counts]) -> None:
    """What a guard remembers for its successor leads to the same losses."""
    guard = Guard(known)
    successor = Guard(guard.remembered(NOON))
    assert successor.losses(now, NOON) == guard.losses(now, NOON)

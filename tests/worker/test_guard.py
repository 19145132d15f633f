"""The rules of the guard: which losses are grave, and which numbers they are measured by."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.worker.losses import Force, Loss, is_grave, worst
from app.worker.numbers import Counts, HourCounts, LargestNumbers
from tests.worker.network import NOON

HOUR = 3600.0
Q = "9.8/baseos/x86_64"


def counts(known: int, declared: int = 100, well: int | None = None) -> Counts:
    return Counts(declared=declared, well=declared if well is None else well, known=known)


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
        pytest.param(1, 0, True, id="the only one"),
        pytest.param(0, 0, False, id="there were none"),
    ],
)
def test_grave_losses(had: int, keeps: int, grave: bool) -> None:
    """A list that keeps less than half of its mirrors is a grave loss, unless one or two of a few went and
    some are left. With `--force` only an emptied list is one, with `--to-origin` none."""
    for force, expected in (
        (Force.NO, grave),
        (Force.PAST_GUARD, had > keeps == 0),
        (Force.TO_ORIGIN, False),
    ):
        assert is_grave(np.array([had]), np.array([keeps]), force).tolist() == [expected]


def test_the_worst_loss() -> None:
    """People are told of the list that keeps the smallest part; of equals, of the longest."""
    losses = (Loss("rare", 2, 0), Loss(Q, 502, 0), Loss("half", 600, 200))
    assert str(worst(losses)) == f"{Q} would keep 0 of 502 mirrors"


@pytest.mark.parametrize(
    ("published", "asked_at_s", "had"),
    [
        pytest.param([(0, 40)], 1, 40, id="a moment ago"),
        pytest.param([(0, 40), (HOUR, 30), (2 * HOUR, 25)], 3 * HOUR, 40, id="a slow decline"),
        pytest.param([(0, 40), (60, 30)], 120, 40, id="twice in an hour"),
        pytest.param([(0, 40), (HOUR, 30)], 24 * HOUR, 40, id="24 hours later"),
        pytest.param([(0, 40), (HOUR, 30)], 25 * HOUR, 30, id="25 hours later"),
        pytest.param([(0, 30), (HOUR, 40)], 25 * HOUR, 40, id="it has grown"),
        pytest.param([(0, 40)], 9 * 24 * HOUR, 40, id="nothing published for 9 days"),
        pytest.param([(0, 40)], -24 * HOUR, 40, id="clock set back a day"),
    ],
)
def test_what_counts(published: list[tuple[float, int]], asked_at_s: float, had: int) -> None:
    """A list is compared with its largest of the last 24 hours, and in any case with what was
    published last, for that is what clients get."""
    numbers = LargestNumbers()
    for at_s, count in published:
        numbers = numbers.after({Q: counts(count)}, NOON + at_s)
    assert numbers.of_day(NOON + asked_at_s)[Q].known == had


def test_accepted_loss_is_the_new_measure() -> None:
    """Once a loss was accepted, the next publication is compared with what was left; other lists
    still with their largest."""
    numbers = LargestNumbers().after({Q: counts(40), "other": counts(40)}, NOON)
    numbers = numbers.without({Q}).after({Q: counts(10), "other": counts(30)}, NOON + 1)
    largest = numbers.of_day(NOON + 2)
    assert (largest[Q].known, largest["other"].known) == (10, 40)


def test_what_people_take_away_was_never_there() -> None:
    """Mirrors that files take away are taken off the numbers that verdicts are measured by; how many were
    declared stays, so that a slow removal is measured by the whole day."""
    numbers = LargestNumbers().after({Q: counts(40, declared=60, well=50)}, NOON)
    less = numbers.less({Q: counts(15, declared=0, well=18), "unknown": counts(3)})
    assert less.of_day(NOON)[Q] == counts(25, declared=60, well=32)
    assert numbers.of_day(NOON)[Q].known == 40


numbers = st.integers(0, 60)
by_question = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.builds(counts, numbers, numbers, numbers), max_size=3
)
steps = st.lists(st.tuples(st.integers(0, 5 * 3600), by_question), max_size=30)


@settings(max_examples=100)
@given(steps, st.integers(0, 30 * 3600))
def test_what_is_left_out_does_not_count(steps: list[tuple[int, dict[str, Counts]]], later_s: int) -> None:
    """The hours that are remembered say the same as all publications of the last 24 hours would, and so
    do those that a successor reads."""
    found, now, history = LargestNumbers(), NOON, list[tuple[int, dict[str, Counts]]]()
    for pause_s, published in steps:
        now += pause_s
        found = found.after(published, now)
        history.append((int(now // 3600), published))
    now += later_s
    oldest = min(int(now // 3600) - 24, max((hour for hour, _ in history), default=0))
    assert found.of_day(now) == _largest(c for hour, c in history if hour >= oldest)
    assert LargestNumbers(found.remembered(now)).of_day(now) == found.of_day(now)
    assert all(isinstance(hour, HourCounts) for hour in found.remembered(now))


def _largest(several: Iterable[dict[str, Counts]]) -> dict[str, Counts]:
    largest: dict[str, list[int]] = {}
    for by_name in several:
        for name, found in by_name.items():
            row = largest.setdefault(name, [0, 0, 0])
            row[:] = map(max, row, (found.declared, found.well, found.known))
    return {name: Counts(declared=d, well=w, known=k) for name, (d, w, k) in largest.items()}

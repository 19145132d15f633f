"""What several machines know together: the rule by which their surveys are merged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from app.model import Content, MirrorState, ProbeRound, RepomdVersion, Status
from app.sources.surveys.merging import forgotten, is_superseded, merge
from app.sources.surveys.survey import Survey
from tests.builders import NOW, a_repomd, a_state, an_image_directory

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE
QUARTER_S = 900.0
M = "m.example.org"
KEY = "9.8/baseos/x86_64"


def at(before: timedelta, status: Status = Status.OK, **changes: Any) -> MirrorState:
    """The state of the mirror M as it was found so long ago."""
    return msgspec.structs.replace(a_state("m", status), probed_at=NOW - before, **changes)


def survey(
    *states: MirrorState, ended: timedelta | None = timedelta(0), interval_s: float | None = QUARTER_S
) -> Survey:
    """Of a machine whose last round ended so long ago; None: no round has ended yet."""
    done = None if ended is None else ProbeRound(completed_at=NOW - ended, interval_s=interval_s)
    return Survey(states={state.mirror: state for state in states}, last_round=done)


def rounds(*ended: timedelta) -> dict[str, Survey]:
    """Machines a, b, … with a mirror each, looked at when their last round ended."""
    return {
        chr(ord("a") + number): survey(a_state(f"m{number}", probed_at=NOW - ago), ended=ago)
        for number, ago in enumerate(ended)
    }


STATES = {
    "one machine alone counts, however old": ({"a": survey(at(90 * HOUR), ended=90 * HOUR)}, Status.OK),
    "up where any prober finds it up": (
        {"a": survey(at(MINUTE, Status.UNREACHABLE)), "b": survey(at(9 * MINUTE))},
        Status.OK,
    ),
    "stale is better than broken": (
        {"a": survey(at(MINUTE, Status.BROKEN)), "b": survey(at(MINUTE, Status.STALE))},
        Status.STALE,
    ),
    "an answer of no use is better than none": (
        {"a": survey(at(MINUTE, Status.UNREACHABLE)), "b": survey(at(MINUTE, Status.BROKEN))},
        Status.BROKEN,
    ),
    "down where both find it down": (
        {"a": survey(at(MINUTE, Status.UNREACHABLE)), "b": survey(at(9 * MINUTE, Status.UNREACHABLE))},
        Status.UNREACHABLE,
    ),
    "a verdict that is three rounds older does not count": (
        {"a": survey(at(46 * MINUTE)), "b": survey(at(timedelta(0), Status.UNREACHABLE))},
        Status.UNREACHABLE,
    ),
    "one that is nearly so does": (
        {"a": survey(at(44 * MINUTE)), "b": survey(at(timedelta(0), Status.UNREACHABLE))},
        Status.OK,
    ),
    "a slow prober's verdict counts for longer": (
        {
            "a": survey(at(2 * HOUR), interval_s=4 * 3600.0),
            "b": survey(at(timedelta(0), Status.UNREACHABLE)),
        },
        Status.OK,
    ),
    "a prober that does not say how often it runs is an hourly one": (
        {"a": survey(at(2 * HOUR), interval_s=None), "b": survey(at(timedelta(0), Status.UNREACHABLE))},
        Status.OK,
    ),
    "a machine that stopped a day ago does not count": (
        {"a": survey(at(24 * HOUR), ended=24 * HOUR), "b": survey(at(MINUTE, Status.UNREACHABLE))},
        Status.UNREACHABLE,
    ),
    "nor where the other does not know the mirror": (
        {"a": survey(at(24 * HOUR), ended=24 * HOUR), "b": survey()},
        None,
    ),
    "a mirror probed by hand elsewhere is no better than what the prober says": (
        {
            "a": survey(at(9 * MINUTE, Status.UNREACHABLE), ended=8 * MINUTE),
            "b": survey(at(MINUTE), ended=None),
        },
        Status.UNREACHABLE,
    ),
    "but fills in where the prober knows nothing": (
        {"a": survey(ended=8 * MINUTE), "b": survey(at(MINUTE), ended=None)},
        Status.OK,
    ),
    "until the prober has completed a round since": (
        {"a": survey(), "b": survey(at(MINUTE), ended=None)},
        None,
    ),
    "a first round that is under way takes nothing away": (
        {"a": survey(at(5 * HOUR), ended=5 * HOUR), "b": survey(a_state("other"), ended=None)},
        Status.OK,
    ),
}


@pytest.mark.parametrize(("surveys", "status"), STATES.values(), ids=STATES)
def test_which_verdict_counts(surveys: dict[str, Survey], status: Status | None) -> None:
    """The best of the fresh verdicts counts, in whatever order machines are known; None: there is none."""
    for order in (surveys, dict(reversed(surveys.items()))):
        state = merge(order).states.get(M)
        assert (state.status if state else None) == status


def test_equal_verdicts_do_not_take_turns() -> None:
    """Probers that see different addresses and contents of a well mirror: the state is one prober's as a
    whole, and the same one's whichever looked last."""
    first: dict[str, Any] = {"addresses": ("192.0.2.1",), "content": {KEY: Content.CURRENT}}
    second: dict[str, Any] = {"addresses": ("198.51.100.1",), "content": {KEY: Content.STALE}}
    found = [
        merge({"b": survey(at(ago, **second)), "a": survey(at(other, **first))}).states[M]
        for ago, other in ((MINUTE, 9 * MINUTE), (9 * MINUTE, MINUTE))
    ]
    assert [(state.addresses, state.content) for state in found] == [tuple(first.values())] * 2


def test_all_mirrors_of_all_machines_are_known() -> None:
    """Machines with different mirrors know them together, and the last round of any of them ended last."""
    merged = merge(rounds(9 * MINUTE, MINUTE))
    assert set(merged.states) == {"m0.example.org", "m1.example.org"}
    assert merged.last_round == ProbeRound(completed_at=NOW - MINUTE, interval_s=QUARTER_S)
    assert merge({}) == Survey()


@pytest.mark.parametrize(
    ("ago", "superseded", "is_forgotten"),
    [
        (timedelta(0), False, False),
        (44 * MINUTE, False, False),
        (46 * MINUTE, True, False),
        (24 * HOUR, True, False),
        (24 * HOUR + 46 * MINUTE, True, True),
    ],
)
def test_stopped_machines(ago: timedelta, superseded: bool, is_forgotten: bool) -> None:
    """A machine that has stopped does not count after three rounds, if another goes on, and is forgotten
    after a day; the last one never is, and machines that have stopped together all count."""
    surveys = rounds(ago, timedelta(0))
    assert is_superseded(surveys["a"], surveys) is superseded
    assert forgotten(surveys) == ["a"] * is_forgotten
    together = rounds(ago, ago)
    assert not any(is_superseded(one, together) for one in together.values())
    assert forgotten(rounds(ago)) == []


def versions(*seen: tuple[int, timedelta]) -> tuple[RepomdVersion, ...]:
    """Versions by their timestamps, each first seen so long ago."""
    return tuple(a_repomd(number, seen_at=NOW - ago) for number, ago in seen)


LONG = versions((2, HOUR), (1, 9 * HOUR))
HISTORIES = {
    "one machine alone": ([LONG], LONG),
    "the version that came last": ([LONG, versions((1, 9 * HOUR))], LONG),
    "the longer history of it, although the other began later": ([versions((2, MINUTE)), LONG], LONG),
    "a version that the origin took back": (
        [LONG, versions((1, MINUTE), (2, HOUR))],
        versions((1, MINUTE), (2, HOUR)),
    ),
    "a machine that sees none": ([LONG, ()], LONG),
}


@pytest.mark.parametrize(("histories", "expected"), HISTORIES.values(), ids=HISTORIES)
def test_versions_at_the_origin(
    histories: list[tuple[RepomdVersion, ...]], expected: tuple[RepomdVersion, ...]
) -> None:
    """A repo has the history of the machine that knows the present version best, whatever the machines'
    order."""
    for order in (histories, histories[::-1]):
        surveys = {
            f"machine{number}": msgspec.structs.replace(survey(), repomd={KEY: history})
            for number, history in enumerate(order)
        }
        assert merge(surveys).repomd == {KEY: expected}


def test_images_at_the_origin() -> None:
    """Of several machines, the content of an ISO directory that came last counts, also where another saw that
    earlier; a directory that only one machine knows is known."""
    old, new = an_image_directory("old.iso"), an_image_directory("new.iso")
    seen = [
        {KEY: msgspec.structs.replace(new, seen_at=NOW - HOUR)},
        {KEY: msgspec.structs.replace(old, seen_at=NOW - 9 * HOUR), "10/x86_64": old},
        {KEY: msgspec.structs.replace(new, seen_at=NOW)},
        {},
    ]
    for order in (seen, seen[::-1]):
        surveys = {
            f"machine{number}": msgspec.structs.replace(survey(), images=images)
            for number, images in enumerate(order)
        }
        merged = merge(surveys).images
        assert {key: list(one.images) for key, one in merged.items()} == {
            KEY: ["new.iso"],
            "10/x86_64": ["old.iso"],
        }


def test_the_passing_of_time_changes_nothing() -> None:
    """The rule compares machines with each other, not with a clock: all moved by a year, the same one
    counts."""
    year = timedelta(days=365)

    def moved(one: Survey) -> Survey:
        assert one.last_round is not None
        states = {
            name: msgspec.structs.replace(state, probed_at=state.probed_at - year)
            for name, state in one.states.items()
        }
        done = msgspec.structs.replace(one.last_round, completed_at=one.last_round.completed_at - year)
        return Survey(states=states, last_round=done)

    surveys = {"a": survey(at(MINUTE, Status.UNREACHABLE)), "b": survey(at(9 * MINUTE))}
    now, then = merge(surveys), merge({name: moved(one) for name, one in surveys.items()})
    assert [state.status for state in then.states.values()] == [state.status for state in now.states.values()]
    assert isinstance(NOW, datetime)

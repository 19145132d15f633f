"""What holds for the guard, whatever people and probers do, step by step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.model import Content, Fate, Mirror, Repo, Status
from app.snapshot.compile import Decision, Inputs
from app.snapshot.schema import Snapshot
from app.sources.people_files import Written
from app.worker import memory as remembered
from app.worker.comparison import CONFIG, Measured
from app.worker.edits import Leeway
from app.worker.guard import Guard, Ruling, guard_of
from app.worker.losses import Force
from app.worker.memory import Memory
from tests.builders import NOW, ROUND, a_config, a_mirror, a_state

BASEOS, RARE = "9.8/baseos/x86_64", "9.8/baseos/aarch64"
CONFIG_OF_TWO = a_config(
    releases=("9.8",),
    arches={"9.8": ("x86_64", "aarch64")},
    repos=(Repo(name="baseos", path="BaseOS/$basearch/os/"),),
    modules={},
    module_origins={},
    vault_releases=(),
)
NAMES = [f"m{number}" for number in range(8)]

how = st.sampled_from(["there", "there", "there", "disabled", "private", "gone", "one arch"])
found = st.sampled_from(["ok", "ok", "ok", "down", "no rare", "no state"])
files = st.fixed_dictionaries(dict.fromkeys(NAMES, how))
states = st.fixed_dictionaries(dict.fromkeys(NAMES, found))
minutes = st.sampled_from([1.0, 20.0, 31.0, 600.0])
steps = st.lists(st.tuples(minutes, files, states), min_size=1, max_size=6)


def each(words: str) -> dict[str, str]:
    """One word for each mirror, in the order of their names."""
    return dict(zip(NAMES, words.split(), strict=True))


ALL_THERE, ALL_OK = dict.fromkeys(NAMES, "there"), dict.fromkeys(NAMES, "ok")
MADE_UP_FOR = [
    (1.0, ALL_THERE, ALL_OK),
    (1.0, ALL_THERE, {**ALL_OK, "m7": "down"}),
    (
        1.0,
        each("there disabled there there disabled private disabled disabled"),
        each("down down ok ok ok ok down ok"),
    ),
    (
        1.0,
        each("there disabled disabled disabled private disabled disabled there"),
        each("down ok ok ok ok ok ok down"),
    ),
]

DUE_AND_A_LOSS = [
    (1.0, ALL_THERE, ALL_OK),
    (1.0, each("there disabled disabled disabled disabled there disabled there"), {**ALL_OK, "m4": "down"}),
    (
        31.0,
        each("there disabled disabled disabled there there disabled there"),
        {**ALL_OK, "m0": "down", "m4": "down", "m7": "down"},
    ),
]


def written(choice: dict[str, str]) -> Written:
    more: dict[str, dict[str, Any]] = {
        "there": {},
        "disabled": {"disabled": True},
        "private": {"private": True},
        "one arch": {"arches": ("x86_64",)},
    }
    mirrors = [a_mirror(name, **more[kind]) for name, kind in choice.items() if kind != "gone"]
    return Written(CONFIG_OF_TWO, {f"{mirror.name}.yml": mirror for mirror in mirrors})


def measured(choice: dict[str, str]) -> Measured:
    known = {}
    for name, kind in choice.items():
        rare = Content.MISSING if kind == "no rare" else Content.CURRENT
        content = {BASEOS: Content.CURRENT, RARE: rare}
        if kind == "down":
            known[name] = a_state(name, Status.UNREACHABLE)
        elif kind != "no state":
            known[name] = a_state(name, content=content)
    return Measured({state.mirror: state for state in known.values()}, ROUND)


def inputs_of(files: Written, probe: Measured) -> Inputs:
    mirrors = sorted(files.definitions.values(), key=lambda mirror: mirror.name)
    return Inputs(config=files.config, mirrors=mirrors, states=probe.states, last_round=probe.last_round)


def ruled(guard: Guard, files: Written, probe: Measured, leeway: Leeway) -> Ruling:
    admission = guard.admit(files, probe, leeway)
    return guard.judge(inputs_of(admission.written, probe), admission, leeway)


def snapshot_of(decision: Decision) -> Snapshot:
    """As much of the snapshot as the guard looks at."""
    rows = range(len(decision.fates))
    parts = SimpleNamespace(
        mirrors=decision.mirrors,
        questions=decision.questions.keys,
        rows=tuple(rows),
        fates=decision.fates.tobytes(),
    )
    return cast(Snapshot, parts)


def served(decision: Decision) -> dict[str, set[str]]:
    """The public mirrors of each list."""
    return {
        key: {
            mirror.name
            for mirror, fate in zip(decision.mirrors, row.tolist(), strict=True)
            if fate <= Fate.PARTIAL and mirror.public
        }
        for key, row in zip(decision.questions.keys, decision.fates, strict=True)
    }


def restarted(guard: Guard, snapshot: Snapshot, now: float) -> Guard:
    """The guard of the next worker, which knows what was stored."""
    files = guard.accepted.written if guard.accepted else None
    assert files is not None
    memory = Memory(
        config=files.config,
        definitions=dict(files.definitions),
        hours=guard.numbers.remembered(now),
        waiting=dict(guard.waiting),
        verdicts_held_since_s=guard.verdicts_held_since_s,
    )
    return guard_of(remembered.decode(remembered.encode(memory)), snapshot)


def as_published(mirror: Mirror) -> tuple[str, bool, tuple[str, ...]]:
    return mirror.name, mirror.disabled or mirror.private, mirror.arches


@pytest.mark.parametrize("restarts", [False, True], ids=["one worker", "a restart at each step"])
@settings(max_examples=60, deadline=None)
@given(steps)
@example(MADE_UP_FOR).via("edits that wait take the mirrors that make up for those that others take")
@example(DUE_AND_A_LOSS).via("the prober loses mirrors of a list when the edits that halve it are due")
def test_whatever_happens(restarts: bool, steps: list[tuple[float, dict[str, str], dict[str, str]]]) -> None:
    """No list that had known mirrors is emptied. Each edit is compiled, or waits for what people did. Where
    none waits, what is decided is decided again in the same way, by this worker and by the next. An edit that
    waits is compiled if the prober has meanwhile taken the mirrors out that it takes."""
    now, guard = NOW.timestamp(), Guard()
    before: dict[str, set[str]] = {}
    known: dict[str, set[str]] = {}
    for pause_min, files_now, states_now in steps:
        now += pause_min * 60
        files, probe, leeway = written(files_now), measured(states_now), Leeway(now)
        ruling = ruled(guard, files, probe, leeway)
        admission, decision = ruling.admission, ruling.judgement.decision
        lists = served(decision)
        for key, had in known.items():
            assert lists[key] or not had, f"{key} had {sorted(had)}"

        compiled = {m.name: as_published(m) for m in admission.written.definitions.values()}
        wanted = {m.name: as_published(m) for m in files.definitions.values()}
        differing = {
            name for name in compiled.keys() | wanted.keys() if compiled.get(name) != wanted.get(name)
        }
        assert differing == set(admission.waiting) - {CONFIG}
        if differing:
            assert admission.losses, "edits wait only where they take too many"

        snapshot = snapshot_of(decision)
        after = guard.after(snapshot, ruling, now)
        again = restarted(after, snapshot, now) if restarts else after
        repeated = ruled(again, files, probe, leeway)
        lists_again = served(repeated.judgement.decision)
        assert lists_again == lists or admission.waiting
        assert all(lists_again[key] for key, had in known.items() if had)
        assert repeated.admission.waiting.items() <= admission.waiting.items()
        assert repeated.judgement.held == ruling.judgement.held or admission.waiting
        guard, before = again, lists
        known = {
            key: before[key]
            for key, row in zip(decision.questions.keys, decision.fates, strict=True)
            if (row == Fate.GOOD).any() and before[key]
        }


@settings(max_examples=60, deadline=None)
@given(files, states, states)
def test_the_prober_alone(files_now: dict[str, str], good: dict[str, str], bad: dict[str, str]) -> None:
    """Whatever the prober says, and whatever is held because of it, edits that halve nothing are compiled."""
    now = NOW.timestamp()
    everything = dict.fromkeys(NAMES, "there")
    first = ruled(Guard(), written(everything), measured(good), Leeway(now))
    guard = Guard().after(snapshot_of(first.judgement.decision), first, now)
    second = ruled(guard, written(everything), measured(bad), Leeway(now + 60))
    guard = guard.after(snapshot_of(second.judgement.decision), second, now + 60)
    edited = {**everything, NAMES[0]: files_now[NAMES[0]]}
    third = ruled(guard, written(edited), measured(bad), Leeway(now + 120))
    last_ones = any(had == {f"{NAMES[0]}.example.org"} for had in served(second.judgement.decision).values())
    assert bool(third.admission.waiting) <= last_ones


@given(files, states)
@settings(max_examples=30, deadline=None)
def test_to_origin_holds_nothing(files_now: dict[str, str], states_now: dict[str, str]) -> None:
    """`--force --to-origin` publishes files and verdicts as they are."""
    now = NOW.timestamp()
    first = ruled(
        Guard(), written(dict.fromkeys(NAMES, "there")), measured(dict.fromkeys(NAMES, "ok")), Leeway(now)
    )
    guard = Guard().after(snapshot_of(first.judgement.decision), first, now)
    files, probe = written(files_now), measured(states_now)
    forced = ruled(guard, files, probe, Leeway(now + 1, Force.TO_ORIGIN))
    plain = ruled(Guard(), files, probe, Leeway(now + 1))
    assert served(forced.judgement.decision) == served(plain.judgement.decision)
    assert (forced.admission.waiting, forced.judgement.held) == ({}, frozenset())

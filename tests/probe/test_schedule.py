"""What is due in a round: few requests, and yet everything in time."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest

from app.catalogue.catalogue import Directory, carries, expected_isos, expected_repos
from app.model import Content, Mirror, MirrorState, Repo, RepomdVersion, ServiceConfig, Status
from app.probe.records import Lacking, ProbeNotes, Seen
from app.probe.schedule import (
    REQUESTS_PER_ROUND,
    Situation,
    Turn,
    asked_again,
    next_turn,
    still_lacking,
)
from app.sources.service_config import read_service_config

START = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)
SITUATION = Situation(now=START, interval_s=900, full_every_s=6 * 3600, grace_s=24 * 3600)
situation_with = partial(replace, SITUATION)


def targets(kind: str, number: int) -> list[Directory]:
    repo = kind if kind == "repo" else ""
    return [
        Directory(key=f"9/{kind}/{n}", release="9", path=f"{kind}{n}/", arch="x86_64", repo=repo)
        for n in range(number)
    ]


REPOS, ISOS = targets("repo", 151), targets("iso", 18)
MEANT = Turn(tuple(REPOS), tuple(ISOS))


def asked(keys: Turn, notes: ProbeNotes, now: dt.datetime) -> ProbeNotes:
    """The notes after a plan was carried out, at a mirror where nothing has changed."""
    now_s = int(now.timestamp())
    contents = notes.contents | {t.key: Seen(asked_at=now_s, sha256="a", timestamp=1) for t in keys.repos}
    again = {target.key for target in (*keys.repos, *keys.isos)}
    lacking = {
        key: msgspec.structs.replace(lack, asked_at=now_s) if key in again else lack
        for key, lack in notes.lacking.items()
    }
    return ProbeNotes(contents=contents, isos=notes.isos | {t.key: now_s for t in keys.isos}, lacking=lacking)


def all_asked(at: dt.datetime) -> ProbeNotes:
    return asked(MEANT, ProbeNotes(), at)


def version(seen_at: dt.datetime) -> RepomdVersion:
    return RepomdVersion(timestamp=1, size=1, seen_at=seen_at, sha256="a")


def test_a_mirror_never_asked_is_asked_for_everything() -> None:
    """The first round is a full one."""
    due = next_turn(MEANT, ProbeNotes(), SITUATION)
    assert (len(due.repos), len(due.isos)) == (151, 18)


@pytest.mark.parametrize(
    "lacking",
    [
        pytest.param([], id="nothing is lacking"),
        pytest.param(REPOS[70:71], id="a repo is lacking"),
        pytest.param([REPOS[3], ISOS[5], REPOS[140]], id="ISOs too"),
        pytest.param([*REPOS[90:], *ISOS[9:]], id="an arch is lacking"),
        pytest.param([*REPOS, *ISOS], id="all is lacking"),
    ],
)
def test_rounds_are_light_and_every_repo_is_seen_in_time(lacking: list[Directory]) -> None:
    """Two days of quarter-hourly rounds after a full one: together with the timestamp file never
    more than the round's allowance, and no repo is ever older than six hours, whatever the mirror lacks."""
    since = Lacking(since=START.timestamp(), asked_at=START.timestamp())
    notes = msgspec.structs.replace(all_asked(START), lacking={target.key: since for target in lacking})
    for turn in range(1, 192):
        now = START + dt.timedelta(minutes=15 * turn)
        due = next_turn(MEANT, notes, situation_with(now=now))
        assert len(due.repos) + len(due.isos) + 1 < REQUESTS_PER_ROUND
        notes = asked(due, notes, now)
        oldest = min(seen.asked_at for seen in notes.contents.values())
        assert now.timestamp() - oldest <= 6 * 3600
    assert START.timestamp() < min(notes.isos.values())


@pytest.mark.parametrize("target", [REPOS[70], ISOS[5]], ids=["a repo", "ISOs"])
def test_what_is_lacking_is_asked_again_more_and_more_rarely(target: Directory) -> None:
    """In the next round, and then after as many rounds as it has been lacking for, whenever these begin
    within a minute. What comes later is within the ordinary deadline."""
    since = Lacking(since=START.timestamp(), asked_at=START.timestamp())
    notes = msgspec.structs.replace(all_asked(START), lacking={target.key: since})
    turns = []
    for turn in range(1, 24):
        now = START + dt.timedelta(minutes=15 * turn, seconds=(7 * turn) % 60)
        due = next_turn(MEANT, notes, situation_with(now=now))
        if target in (*due.repos, *due.isos):
            turns.append(turn)
        notes = asked(due, notes, now)
    assert turns[:5] == [1, 2, 4, 8, 16]


def test_what_many_lack_takes_turns() -> None:
    """Two in a round, the one that has waited longest first; and the times that a page shows are those."""
    since = Lacking(since=START.timestamp(), asked_at=START.timestamp())
    notes = msgspec.structs.replace(
        all_asked(START), lacking={target.key: since for target in REPOS[100:105]}
    )
    said = asked_again(notes.lacking, START.timestamp(), 900)
    for turn in range(1, 4):
        now = START + dt.timedelta(minutes=15 * turn)
        due = next_turn(MEANT, notes, situation_with(now=now))
        found = [target.key for target in due.repos if target.key in notes.lacking]
        assert [key for key, at in said.items() if at == now] == found
        notes = msgspec.structs.replace(
            asked(due, notes, now), lacking={k: v for k, v in notes.lacking.items() if k not in found}
        )
    assert notes.lacking == {}


def test_notes_of_what_is_lacking() -> None:
    """They begin when something is found lacking, stay while it is not asked for, and end when it comes."""
    state = MirrorState(
        mirror="a",
        probed_at=START,
        status=Status.DEGRADED,
        content={"9/a/x": Content.MISSING, "9/b/x": Content.STALE, "9/c/x": Content.PREVIOUS},
        isos={"9/x": False, "9/y": True},
    )
    before = {key: Lacking(since=1.0, asked_at=2.0) for key in ("9/b/x", "9/c/x", "9/gone/x")}
    assert still_lacking(before, state, {"9/a/x", "9/c/x"}, 5.0) == {
        "9/a/x": Lacking(since=5.0, asked_at=5.0),
        "9/b/x": Lacking(since=1.0, asked_at=2.0),
        "9/x": Lacking(since=5.0, asked_at=5.0),
    }


def test_after_a_pause_everything_overdue_is_asked() -> None:
    """A prober that was off for a night does not take six more hours."""
    due = next_turn(Turn(tuple(REPOS)), all_asked(START), situation_with(now=START + dt.timedelta(hours=9)))
    assert len(due.repos) == 151


def test_what_the_origin_has_changed_is_asked_at_once() -> None:
    """Those repos, whoever was asked before the change."""
    now = START + dt.timedelta(minutes=15)
    versions = {t.key: (version(START + dt.timedelta(minutes=5)),) for t in REPOS[100:140]}
    due = next_turn(MEANT, all_asked(START), situation_with(now=now, versions=versions))
    assert {t.key for t in due.repos} >= set(versions)
    assert len(due.repos) < 50


def test_what_was_asked_right_after_a_change_is_not_asked_again() -> None:
    """Also within the same second."""
    changed_at = START + dt.timedelta(milliseconds=200)
    asked_at = START.timestamp() + 0.3
    notes = ProbeNotes(contents={t.key: Seen(asked_at=asked_at, sha256="a", timestamp=1) for t in REPOS})
    versions = {t.key: (version(changed_at),) for t in REPOS}
    situation = situation_with(now=START + dt.timedelta(minutes=15), versions=versions)
    assert len(next_turn(Turn(tuple(REPOS)), notes, situation).repos) == 7


@pytest.mark.parametrize(
    ("synced", "hours_since_change", "content", "due"),
    [
        pytest.param(True, 1, Content.PREVIOUS, True, id="it has synced since"),
        pytest.param(True, 1, Content.MISSING, True, id="a new release may have come"),
        pytest.param(False, 1, Content.MISSING, False, id="it has not synced"),
        pytest.param(True, 30, Content.MISSING, False, id="it had its time"),
        pytest.param(True, 1, Content.CURRENT, False, id="nothing to gain"),
    ],
)
def test_what_was_not_current_is_asked_again_once_it_may_be(
    synced: bool, hours_since_change: int, content: Content, due: bool
) -> None:
    """After a change at the origin, mirrors are followed as they sync, without asking in vain."""
    last = REPOS[-1]
    situation = situation_with(
        now=START + dt.timedelta(minutes=15),
        versions={last.key: (version(START - dt.timedelta(hours=hours_since_change)),)},
        content={last.key: content},
        synced=synced,
    )
    assert (last in next_turn(MEANT, all_asked(START), situation).repos) is due


def test_of_what_is_older_at_a_mirror_one_is_asked_for_in_each_round() -> None:
    """After a change at the origin, in turns: so a mirror's sync is noticed by the next round, also where its
    timestamp file does not tell. When the change is old, that ends."""
    older = REPOS[100:103]
    situation = situation_with(
        versions={target.key: (version(START - dt.timedelta(hours=1)),) for target in older},
        content={target.key: Content.PREVIOUS for target in older},
    )
    notes, found = all_asked(START), []
    for turn in range(1, 7):
        now = START + dt.timedelta(minutes=15 * turn)
        due = next_turn(MEANT, notes, replace(situation, now=now))
        found.append([REPOS.index(target) for target in due.repos if target in older])
        assert len(due.repos) + len(due.isos) + 1 < REQUESTS_PER_ROUND
        notes = asked(due, notes, now)
    assert found == [[100], [101], [102], [100], [101], [102]]
    due = next_turn(MEANT, notes, replace(situation, now=START + dt.timedelta(hours=23, minutes=1)))
    later = next_turn(
        MEANT,
        asked(due, notes, START + dt.timedelta(hours=23, minutes=1)),
        replace(situation, now=START + dt.timedelta(hours=23, minutes=16)),
    )
    assert not [target for target in later.repos if target in older]


CONFIG = ServiceConfig(
    releases=("9.8", "10-kitten"),
    aliases={"9": "9.8"},
    vault_releases=("9.7",),
    arches={"9.8": ("x86_64", "s390x"), "10-kitten": ("x86_64",), "9.7": ("x86_64",)},
    repos=(
        Repo(name="baseos", path="BaseOS/$basearch/os/"),
        Repo(name="rt", path="RT/$basearch/os/", arches=("x86_64",), releases=("9.8",)),
        Repo(name="docs", path="docs/", releases=("9.8",)),
        Repo(name="baseos-source", path="BaseOS/Source/", vault=True),
    ),
    modules={"10-kitten": "kitten"},
)


def test_targets_are_what_mirrors_can_carry() -> None:
    """Every release, repo and arch but the vault's; a repo without $basearch once."""
    assert {target.key: target.file for target in expected_repos(CONFIG)} == {
        "9.8/baseos/x86_64": "9.8/BaseOS/x86_64/os/repodata/repomd.xml",
        "9.8/baseos/s390x": "9.8/BaseOS/s390x/os/repodata/repomd.xml",
        "9.8/rt/x86_64": "9.8/RT/x86_64/os/repodata/repomd.xml",
        "9.8/docs/": "9.8/docs/repodata/repomd.xml",
        "10-kitten/baseos/x86_64": "10-kitten/BaseOS/x86_64/os/repodata/repomd.xml",
    }
    assert next(t.file for t in expected_isos(CONFIG)) == "9.8/isos/x86_64/CHECKSUM"


@pytest.mark.parametrize(
    ("mirror", "keys"),
    [
        pytest.param(
            {"arches": ("s390x",)}, {"9.8/baseos/s390x", "9.8/docs/"}, id="some arches, and what has none"
        ),
        pytest.param({"repos": ("rt",)}, {"9.8/rt/x86_64"}, id="some repos"),
        pytest.param({"versions": ("10-kitten",)}, set(), id="a module that it has no address for"),
        pytest.param(
            {"versions": ("10-kitten",), "module_addresses": {"kitten": {"http": "http://k.example.org/"}}},
            {"10-kitten/baseos/x86_64"},
            id="a module",
        ),
    ],
)
def test_partial_mirrors_are_asked_for_what_they_declare(mirror: dict[str, object], keys: set[str]) -> None:
    """Nothing that a mirror's own file leaves out."""
    declared = {"name": "a", "addresses": {"http": "http://a.example.org/"}} | mirror
    converted = msgspec.convert(declared, Mirror)
    assert {target.key for target in expected_repos(CONFIG) if carries(converted, target)} == keys


def test_the_real_config_has_a_hundred_and_ninety_repos(real_data: Path) -> None:
    """What a full round of one AlmaLinux mirror comes to."""
    config, _ = read_service_config(real_data / "almalinux" / "config.yml")
    assert (len(expected_repos(config)), len(expected_isos(config))) == (190, 18)

"""How fast new versions came to the mirrors, computed from what was seen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from app.history.versions import KnownVersion
from app.model import Content, MirrorState, Status
from app.snapshot.propagation import AFTER_H, Propagation, RepoPropagation, document
from app.worker.propagation import DAYS, meant, propagation_of

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=DAYS)
HOUR_S = 3600
REPO = "9.8/baseos/x86_64"
MIRRORS = ("a", "b", "c", "d")
NUMBERS = {name: number for number, name in enumerate(MIRRORS, 1)}

Hours = Mapping[str, float]
"""After how many hours each mirror had a version."""


def version(
    name: str, ago_h: float, hours: Hours, unknown: Sequence[str] = (), repo: str = REPO
) -> KnownVersion:
    """A version that was new at the origin `ago_h` hours ago. The mirrors in `unknown` were not seen without
    it."""
    origin_s = NOW.timestamp() - ago_h * HOUR_S
    return KnownVersion(
        repo,
        name,
        origin_s,
        np.array([NUMBERS[mirror] for mirror in hours], np.uint32),
        np.array([origin_s + after * HOUR_S for after in hours.values()], np.uint32),
        np.array([mirror not in unknown for mirror in hours], np.bool_),
    )


def states(*repos: str, mirrors: Sequence[str] = MIRRORS) -> dict[str, MirrorState]:
    """What the prober knows of mirrors that are meant to have these repos."""
    content = dict.fromkeys(repos or (REPO,), Content.PREVIOUS)
    return {
        name: MirrorState(mirror=name, probed_at=NOW, status=Status.OK, content=content) for name in mirrors
    }


def computed(
    *versions: KnownVersion, of: Mapping[str, MirrorState] | None = None
) -> tuple[Propagation, Mapping[str, RepoPropagation]]:
    known = meant(MIRRORS, states() if of is None else of, 900.0)
    return propagation_of(versions, NUMBERS, known, SINCE, NOW)


def delays(found: RepoPropagation) -> dict[str, float]:
    return {one.mirror: one.delay_s / HOUR_S for one in (*found.fastest, *found.slowest)}


def test_counted_after_hours() -> None:
    """A mirror counts from the moment on at which it was seen; only hours that have passed are counted. Of
    the newest version, mirrors are named."""
    found = computed(version("v", 30, {"a": 0.5, "b": 1, "c": 1.1}))[1][REPO]
    (one,) = found.versions
    assert one.had == (2, 3, 3, 3, 3, 3)
    assert (one.mirrors, one.have, one.median_s) == (4, 3, round(1.05 * HOUR_S))
    assert one.at == NOW - timedelta(hours=30)
    assert delays(found) == {"a": 0.5, "b": 1, "c": 1.1}
    assert found.lacking == ("d",)


def test_half_of_the_mirrors() -> None:
    """There is no median while fewer than half of the mirrors have a version."""
    for hours, median_h in (({"a": 1}, None), ({"a": 1, "b": 2, "c": 3}, 2.5), ({"a": 1, "b": 2}, None)):
        (one,) = computed(version("v", 9, hours))[1][REPO].versions
        assert one.median_s == (median_h and median_h * HOUR_S)


CASES = {
    "a mirror lacks it": ([version("v", 9, {"a": 1, "b": 2, "c": 3})], (4, 3), (1, 2, 3, 3)),
    "mirrors skip it": (
        [version("v", 9, {"a": 1}), version("w", 5, {"a": 1, "b": 2, "c": 3, "d": 4})],
        (4, 4),
        (1, 1, 1, 4),
    ),
    "a mirror had it before the origin was seen to": (
        [version("v", 9, {"a": -0.5, "b": 2, "c": 3, "d": 4})],
        (4, 4),
        (1, 2, 4, 4),
    ),
    "a mirror was not seen without it": (
        [version("v", 9, {"a": 1, "b": 2, "c": 3, "d": 4}, unknown="d")],
        (3, 3),
        (1, 2, 3, 3),
    ),
    "a mirror was not seen without a newer one": (
        [version("v", 9, {"a": 1, "b": 2, "c": 3}), version("w", 5, {"d": 1}, unknown="d")],
        (3, 3),
        (1, 2, 3, 3),
    ),
    "a mirror had it, and was forgotten before it had a newer one": (
        [version("v", 9, {"a": 1, "b": 2, "c": 3, "d": 1}), version("w", 5, {"d": 1}, unknown="d")],
        (4, 4),
        (2, 3, 4, 4),
    ),
}


@pytest.mark.parametrize(("versions", "mirrors", "had"), CASES.values(), ids=CASES)
def test_since_when_a_mirror_has_it(
    versions: list[KnownVersion], mirrors: tuple[int, int], had: tuple[int, ...]
) -> None:
    """A mirror has a version since it has that one or a newer one; it does not count where that is not
    known."""
    oldest = computed(*versions)[1][REPO].versions[-1]
    assert ((oldest.mirrors, oldest.have), oldest.had) == (mirrors, had)


def test_only_mirrors_that_are_meant_to_have_it_count() -> None:
    """One that is not meant to have the repo any more, or is not known any more, is not among them."""
    found = computed(version("v", 9, {"a": 1, "b": 2, "c": 3}), of=states(mirrors="ad"))[1][REPO]
    assert (delays(found), found.lacking) == ({"a": 1}, ("d",))


def test_a_mirror_that_was_not_seen_to_get_what_it_has() -> None:
    """By its verdict it has the newest version, so it does not lack it, but it does not count. A verdict on a
    mirror that is down now is an old one."""
    known = states()
    known["c"] = msgspec.structs.replace(known["c"], content={REPO: Content.CURRENT})
    known["d"] = msgspec.structs.replace(known["c"], mirror="d", status=Status.UNREACHABLE)
    found = computed(version("v", 9, {"a": 1}), of=known)[1][REPO]
    assert (found.lacking, found.versions[0].mirrors) == (("b", "d"), 3)


def test_a_repo_that_no_mirror_was_seen_to_get_is_left_out() -> None:
    """As where something else than the prober writes states, which does not say it."""
    service, repos = computed(version("v", 9, {}))
    assert (service.repos, service.mirrors, repos) == ((), (), {})


def test_repos_that_are_gone_are_left_out() -> None:
    """A repo that no mirror is meant to have any more is shown no more."""
    old = version("v", 9, {"a": 1}, repo="8.10/baseos/x86_64")
    service, repos = computed(old, version("v", 9, {"a": 1}))
    assert [one.repo for one in service.repos] == list(repos) == [REPO]


def test_repos_in_order() -> None:
    """The repo that changed last is the first, and of each repo the newest version."""
    other = "9.8/appstream/x86_64"
    service, repos = computed(
        version("x", 4, {"a": 1}, repo=other),
        version("v", 9, {"a": 1}),
        version("w", 2, {"a": 1}),
        of=states(REPO, other),
    )
    assert [(one.repo, one.version) for one in service.repos] == [(REPO, "w"), (other, "x")]
    assert [one.version for one in repos[REPO].versions] == ["w", "v"]


def test_all_versions_together() -> None:
    """The part of the mirrors after so many hours, of the versions that are so old."""
    service, _ = computed(
        version("v", 500, {"a": 0.5, "b": 0.5, "c": 3, "d": 3}), version("w", 3, {"a": 0.5})
    )
    assert service.had == (3 / 8, 3 / 8, *[1.0] * (len(AFTER_H) - 2))
    assert (service.since, service.compiled_at, service.interval_s) == (SINCE, NOW, 900.0)


def test_medians_of_mirrors() -> None:
    """Of the versions that a mirror had, and of those that it lacks for longer than its median; the fastest
    first. A mirror of which nothing is known is not there."""
    service, _ = computed(
        version("u", 300, {"a": 1, "b": 1, "c": 1}),
        version("v", 200, {"a": 3, "b": 5, "c": 1}),
        version("w", 100, {"a": 2, "b": 5}),
        version("x", 50, {"a": 4, "b": 5}),
        version("y", 1, {}),
        of=states(mirrors="abc"),
    )
    found = {
        one.mirror: (one.median_s and one.median_s / HOUR_S, one.versions, one.lacking)
        for one in service.mirrors
    }
    assert found == {
        "a": (2.5, 4, 1),
        "b": (5, 4, 1),
        "c": (25.5, 2, 3),  # 1, 1, 50 and 100 hours: that it lacks the last one says nothing yet
    }
    assert list(found) == ["a", "b", "c"]


def test_a_mirror_that_has_had_nothing() -> None:
    """It has no median, and comes last."""
    service, _ = computed(version("v", 9, {"a": 1}), of=states(mirrors="da"))
    assert [(one.mirror, one.median_s, one.lacking) for one in service.mirrors] == [
        ("a", HOUR_S, 0),
        ("d", None, 1),
    ]


def test_nothing_to_compute() -> None:
    """No versions, and no mirrors, are no trouble."""
    assert computed() == (
        Propagation(compiled_at=NOW, since=SINCE, interval_s=900.0, had=(), repos=(), mirrors=()),
        {},
    )
    assert computed(version("v", 9, {"a": 1}), of={})[1] == {}


@pytest.mark.slow
def test_a_month_of_a_large_network() -> None:
    """200 repos with a new version on each of 30 days, at 530 mirrors, take little time, and what is
    published of them is small."""
    chance = np.random.default_rng(1)
    names = [f"mirror-{number}.example.org" for number in range(530)]
    numbers = {name: number for number, name in enumerate(names, 1)}
    keys = [f"9.8/repo{number:03}/x86_64" for number in range(200)]
    known = meant(names, {name: states(*keys, mirrors=[name])[name] for name in names}, 900.0)
    versions = []
    for key in keys:
        for day in range(29, -1, -1):
            origin_s = NOW.timestamp() - day * 24 * HOUR_S - 60
            at_s = (origin_s + chance.exponential(8 * HOUR_S, 530)).astype(np.uint32)
            has = at_s < NOW.timestamp()
            versions.append(
                KnownVersion(
                    key,
                    f"{day:016x}",
                    origin_s,
                    np.flatnonzero(has).astype(np.uint32) + 1,
                    at_s[has],
                    np.ones(has.sum(), np.bool_),
                )
            )
    started = time.process_time()
    service, repos = propagation_of(versions, numbers, known, SINCE, NOW)
    assert time.process_time() - started <= 1.5
    assert (len(service.repos), len(service.mirrors)) == (200, 530)
    assert len(msgspec.msgpack.encode(document(service, repos))) <= 1_000_000

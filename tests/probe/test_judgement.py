"""From what was seen to what is believed: the rules, one by one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalogue.versions import acceptable
from app.model import Content, Endpoint, MirrorState, RepomdVersion, Status
from app.probe.judgement import DISABLED_AFTER, Expectations, is_disabled, judge
from app.probe.observation import EndpointKey, Observation
from app.probe.origin import with_version
from app.probe.records import Seen
from app.probe.verdict import Unsure, content_verdict

NOW = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
HTTP: EndpointKey = ("http", "ipv4")
KEYS = {"9/a/x86_64", "9/b/x86_64", "9/c/x86_64"}
EXPECTED = Expectations(
    now=NOW, carried=KEYS, telling=KEYS, isos=(), allowed_outdate_s=12 * 3600, origin_timestamp=NOW - HOUR
)
OK_STATE = MirrorState(
    mirror="a",
    probed_at=NOW - HOUR,
    status=Status.OK,
    since=NOW - 50 * HOUR,
    content=dict.fromkeys(KEYS, Content.CURRENT),
    timestamp=NOW - 2 * HOUR,
)


def success(**changes: object) -> Observation:
    seen = Observation(
        known=(HTTP,),
        endpoints={HTTP: Endpoint(ok=True)},
        proven=HTTP,
        answered=True,
        timestamp=NOW - HOUR,
        contents=dict.fromkeys(KEYS, Content.CURRENT),
        complete=True,
    )
    return replace(seen, **changes)  # type: ignore[arg-type] # fields are named by each case


def failure(tries: int, answered: bool = False) -> Observation:
    endpoint = Endpoint(ok=False, detail="no connection within 10 s")
    return Observation(known=(HTTP,), endpoints={HTTP: endpoint}, failed_tries=tries, answered=answered)


def judged(previous: MirrorState | None, seen: Observation, expected: Expectations = EXPECTED) -> MirrorState:
    state = judge("a", previous, seen, expected)
    assert state is not None
    return state


def test_one_failure_keeps_the_verdict_and_is_counted() -> None:
    """A mirror that was ok stays ok until it has failed twice."""
    state = judged(OK_STATE, failure(1))
    assert (state.status, state.failures, state.since) == (Status.OK, 1, OK_STATE.since)
    again = judged(state, failure(1))
    assert (again.status, again.failures, again.since) == (Status.UNREACHABLE, 2, NOW)


def test_a_new_mirror_that_failed_once_is_not_judged() -> None:
    """Nothing is known of it yet."""
    assert judge("a", None, failure(1), EXPECTED) is None


def test_what_could_not_be_asked_changes_nothing() -> None:
    """A spent budget or a missing route says nothing about the mirror."""
    assert judge("a", OK_STATE, Observation(not_asked="budget"), EXPECTED) is None


def test_reasons_name_endpoint_failure_and_number() -> None:
    """A sentence that a mirror's admin can act upon."""
    assert judged(OK_STATE, failure(2)).reason == (
        "http over IPv4: no connection within 10 s; failed 2 times in a row"
    )


def test_a_failed_mirror_keeps_what_was_known_of_its_contents() -> None:
    """An outage is no news about contents."""
    assert judged(OK_STATE, failure(2)).content == OK_STATE.content


def test_answers_without_use_are_broken_and_none_unreachable() -> None:
    """The difference that tells an admin where to look."""
    assert judged(OK_STATE, failure(2, answered=True)).status is Status.BROKEN
    assert judged(OK_STATE, failure(2)).status is Status.UNREACHABLE


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        pytest.param(success(), Status.OK, id="everything"),
        pytest.param(success(complete=False), Status.UNREACHABLE, id="not all of it"),
        pytest.param(
            success(contents={}, unread={"9/a/x86_64": "HTTP 500"}, complete=False),
            Status.UNREACHABLE,
            id="a repo that fails",
        ),
        pytest.param(
            success(contents={"9/a/x86_64": Content.CURRENT, "9/b/x86_64": Content.CORRUPT}),
            Status.DEGRADED,
            id="all of it, one damaged",
        ),
    ],
)
def test_one_full_success_brings_a_mirror_back(seen: Observation, status: Status) -> None:
    """Full: everything that was due came. Less leaves it down, from the same moment on."""
    down = judged(OK_STATE, failure(2))
    state = judged(down, seen)
    assert state.status is status
    assert (state.failures == 0) is (status is not Status.UNREACHABLE)


@pytest.mark.parametrize(
    ("contents", "unread", "status"),
    [
        pytest.param(dict.fromkeys(KEYS, Content.CORRUPT), {}, Status.BROKEN, id="all damaged"),
        pytest.param({}, dict.fromkeys(KEYS, "HTTP 500"), Status.BROKEN, id="all unreadable"),
        pytest.param(dict.fromkeys(KEYS, Content.MISSING), {}, Status.BROKEN, id="nothing there"),
        pytest.param({"9/a/x86_64": Content.CORRUPT}, {}, Status.DEGRADED, id="one damaged"),
        pytest.param({"9/a/x86_64": Content.MISSING}, {}, Status.DEGRADED, id="one missing"),
        pytest.param(dict.fromkeys(KEYS), {}, Status.OK, id="nothing to compare with"),
    ],
)
def test_a_mirror_whose_contents_are_of_no_use_is_broken(
    contents: dict[str, Content | None], unread: dict[str, str], status: Status
) -> None:
    """A fresh timestamp file does not make up for that."""
    assert judged(OK_STATE, success(contents=contents, unread=unread)).status is status


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, None, id="nothing is lacking"),
        pytest.param({"contents": {"9/a/x86_64": Content.PREVIOUS}}, None, id="an allowed version"),
        pytest.param(
            {"contents": {"9/a/x86_64": Content.MISSING}},
            "it lacks 1 of 4 directories: 9/a/x86_64 (missing)",
            id="a repo is missing",
        ),
        pytest.param(
            {"contents": {"9/a/x86_64": Content.STALE}, "unread": {"9/b/x86_64": "HTTP 500"}},
            "it lacks 2 of 4 directories: 9/a/x86_64 (stale), 9/b/x86_64 (corrupt)",
            id="one is stale, and one cannot be read",
        ),
        pytest.param(
            {"isos": {"9/x86_64": False}}, "it lacks 1 of 4 directories: 9/x86_64 (no ISOs)", id="no ISOs"
        ),
    ],
)
def test_a_mirror_that_lacks_something_is_degraded(changes: dict[str, object], reason: str | None) -> None:
    """It is up, and neither plainly ok nor out of all lists; since when, and what it lacks, is said."""
    expected = replace(EXPECTED, isos={"9/x86_64"})
    before = msgspec.structs.replace(OK_STATE, isos={"9/x86_64": True})
    state = judged(before, success(**{"contents": {}} | changes), expected)
    assert (state.status, state.reason) == (Status.DEGRADED if reason else Status.OK, reason)
    assert state.since == (NOW if reason else OK_STATE.since)
    assert state.failures == 0


def test_what_is_stale_as_a_whole_is_not_called_degraded() -> None:
    """The worse status counts, and it names many things by three of them."""
    behind = success(contents=dict.fromkeys(KEYS, Content.STALE), timestamp=NOW - 20 * HOUR)
    assert judged(OK_STATE, behind).status is Status.STALE
    many = {f"9/{name}/x86_64" for name in "abcdefg"}
    expected = replace(EXPECTED, carried=many, telling=many)
    found = dict.fromkeys(sorted(many)[1:], Content.MISSING) | {"9/a/x86_64": Content.CURRENT}
    reason = judged(OK_STATE, success(contents=found), expected).reason or ""
    assert reason.endswith("9/b/x86_64 (missing), 9/c/x86_64 (missing), 9/d/x86_64 (missing) and 3 more")


def test_a_repo_that_fails_twice_is_as_bad_as_a_damaged_one() -> None:
    """Clients would get the same error."""
    state = judged(
        OK_STATE, success(contents={"9/a/x86_64": Content.CURRENT}, unread={"9/b/x86_64": "HTTP 500"})
    )
    assert state.content == {
        "9/a/x86_64": Content.CURRENT,
        "9/b/x86_64": Content.CORRUPT,
        "9/c/x86_64": Content.CURRENT,
    }


def test_contents_that_nothing_is_known_to_compare_with_are_unknown() -> None:
    """The key is left out, which the contract calls unknown."""
    assert "9/a/x86_64" not in judged(OK_STATE, success(contents={"9/a/x86_64": None})).content


def test_repos_that_left_the_config_leave_the_state() -> None:
    """So do those that the mirror's file no longer declares."""
    expected = replace(EXPECTED, carried={"9/a/x86_64"}, telling={"9/a/x86_64"})
    assert set(judged(OK_STATE, success(contents={}), expected).content) == {"9/a/x86_64"}


@pytest.mark.parametrize(
    ("behind_h", "origin", "status"),
    [
        pytest.param(12.0, True, Status.OK, id="just allowed"),
        pytest.param(12.1, True, Status.STALE, id="just too old"),
        pytest.param(-3.0, True, Status.OK, id="ahead of the origin's"),
        pytest.param(12.5, False, Status.STALE, id="no origin: against the clock"),
    ],
)
def test_age_is_judged_against_the_origin(behind_h: float, origin: bool, status: Status) -> None:
    """Where the origin's timestamp is known."""
    against = NOW - 30 * HOUR if origin else NOW
    expected = replace(EXPECTED, origin_timestamp=against if origin else None)
    state = judged(OK_STATE, success(timestamp=against - behind_h * HOUR), expected)
    assert state.status is status
    assert (state.reason is None) is (status is Status.OK)


def test_endpoints_that_were_not_asked_stay_as_they_were() -> None:
    """And those that the mirror no longer has go."""
    before = msgspec.structs.replace(
        OK_STATE,
        endpoints={"http": {"ipv6": Endpoint(ok=False, detail="x")}, "https": {"ipv4": Endpoint(ok=True)}},
    )
    state = judged(before, success(known=(HTTP, ("http", "ipv6"))))
    assert state.endpoints == {"http": {"ipv4": Endpoint(ok=True), "ipv6": Endpoint(ok=False, detail="x")}}


def test_a_mirror_unreachable_for_fourteen_days_is_disabled() -> None:
    """Not before, and not one that is merely broken or stale."""
    down = msgspec.structs.replace(OK_STATE, status=Status.UNREACHABLE, since=NOW - DISABLED_AFTER)
    assert is_disabled(down, NOW)
    assert not is_disabled(down, NOW - HOUR)
    assert not is_disabled(msgspec.structs.replace(down, status=Status.BROKEN), NOW)


# --- contents against the origin's history --------------------------------------------------------


def version(number: int, hours_ago: float) -> RepomdVersion:
    return RepomdVersion(timestamp=number, size=1, seen_at=NOW - hours_ago * HOUR, sha256=f"{number:064x}")


HISTORY = (version(30, 2), version(20, 30), version(10, 60))


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        pytest.param(Seen(asked_at=0), Content.MISSING, id="not there"),
        pytest.param(Seen(asked_at=0, sha256=f"{30:064x}", timestamp=30), Content.CURRENT, id="the newest"),
        pytest.param(
            Seen(asked_at=0, sha256=f"{20:064x}", timestamp=20), Content.PREVIOUS, id="replaced two hours ago"
        ),
        pytest.param(
            Seen(asked_at=0, sha256=f"{10:064x}", timestamp=10), Content.STALE, id="replaced thirty hours ago"
        ),
        pytest.param(
            Seen(asked_at=0, sha256="f" * 64, timestamp=5), Content.STALE, id="older than the history"
        ),
        pytest.param(
            Seen(asked_at=0, sha256="f" * 64, timestamp=30), Content.CORRUPT, id="same date, other bytes"
        ),
        pytest.param(Seen(asked_at=0, sha256="f" * 64), Content.CORRUPT, id="not a repomd"),
        pytest.param(
            Seen(asked_at=0, sha256="f" * 64, timestamp=31), Unsure.AHEAD, id="newer than the newest"
        ),
    ],
)
def test_hashes_and_dates_decide(seen: Seen, verdict: Content | Unsure) -> None:
    """A known hash is that version; an unknown one is old, damaged, or for the origin to confirm."""
    assert content_verdict(seen, HISTORY, NOW, 24 * 3600) is verdict


def test_without_facts_a_well_formed_file_is_unknown() -> None:
    """And a damaged one is damaged all the same."""
    assert content_verdict(Seen(asked_at=0, sha256="f" * 64, timestamp=1), (), NOW, 0) is Unsure.UNKNOWN
    assert content_verdict(Seen(asked_at=0, sha256="f" * 64), (), NOW, 0) is Content.CORRUPT


def test_grace_counts_from_the_day_a_version_was_replaced() -> None:
    """A version that was the newest for months is acceptable for the whole grace period after."""
    history = (version(3, 23), version(2, 5000), version(1, 6000))
    assert acceptable(history, NOW, 24 * 3600) == history[:2]
    assert acceptable(history, NOW + 2 * HOUR, 24 * 3600) == history[:1]


@given(st.lists(st.integers(1, 5), max_size=12), st.integers(0, 48))
@settings(max_examples=60, deadline=None)
def test_the_newest_version_is_first_whatever_the_origin_does(numbers: list[int], grace_h: int) -> None:
    """Also when it rolls back: each version is in the history once, and the newest always stays."""
    history: tuple[RepomdVersion, ...] = ()
    for hour, number in enumerate(numbers):
        new = version(number, len(numbers) - hour)
        history = acceptable(with_version(history, new), NOW, grace_h * 3600)
        assert history[0] == new
        assert len({v.sha256 for v in history}) == len(history)

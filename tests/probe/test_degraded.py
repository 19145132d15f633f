"""Mirrors that lack some of what they are meant to have: how they are judged, asked again and spoken of."""

from __future__ import annotations

import datetime as dt
import logging
import signal

import pytest

from app.model import Content, Status
from app.sources.probe_state import read_round
from tests.conftest import wait_until
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Fleet
from tests.probe.test_service import start, states

QUARTER = dt.timedelta(minutes=15)
NFV = "9.8/nfv/x86_64"


@pytest.fixture
def larger(fleet: Fleet) -> Fleet:
    """An origin with so many repos that a round asks a mirror for a few of them alone."""
    fleet.repos = ("baseos", "appstream", "crb", "extras", "nfv", "plus", "rt")
    fleet.write_config()
    return fleet


def rounds_that_ask(fleet: Fleet, probing: Probing, name: str, part: str, rounds: int) -> list[int]:
    """The numbers of the next rounds in which a mirror is asked for such a path."""
    found = []
    for number in range(1, rounds + 1):
        fleet.now += QUARTER
        fleet.log.clear()
        assert probing() == 0
        if any(part in path for _, path in fleet.requests_to(name)):
            found.append(number)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "key"),
    [
        pytest.param("nfv/x86_64", NFV, id="a repo"),
        pytest.param("isos/x86_64", "9.8/x86_64", id="ISOs"),
    ],
)
def test_what_is_missing_is_asked_again_in_the_next_rounds(
    larger: Fleet, probing: Probing, part: str, key: str
) -> None:
    """With back-off, while the mirror is served for all else; when it has come, the mirror is ok at once, and
    asked for it as rarely as for anything."""
    name = larger.add("a.example.org", f.without(part))
    probing()
    state = probing.state(name)
    word = "missing" if key == NFV else "no ISOs"
    assert state.status is Status.DEGRADED
    assert state.reason == f"it lacks 1 of 16 directories: {key} ({word})"
    assert rounds_that_ask(larger, probing, name, part, 9) == [1, 2, 4, 8]
    assert probing.state(name).since == state.since
    larger.behaviours[name] = f.fresh
    assert rounds_that_ask(larger, probing, name, part, 7) == [7]
    assert (probing.state(name).status, probing.state(name).reason) == (Status.OK, None)
    assert rounds_that_ask(larger, probing, name, part, 6) == []


def test_one_that_has_come_lets_the_others_be_asked_at_once(larger: Fleet, probing: Probing) -> None:
    """An admin who has mended a mirror does not wait for one repo after the other."""
    name = larger.add("a.example.org", f.without("s390x"))
    probing()
    assert "it lacks 8 of 16 directories" in (probing.state(name).reason or "")
    larger.behaviours[name] = f.fresh
    larger.now += QUARTER
    probing()
    state = probing.state(name)
    assert state.status is Status.OK
    assert set(state.content.values()) == {Content.CURRENT} and all(state.isos.values())


@pytest.mark.slow
def test_quiet_rounds_stay_small(larger: Fleet, probing: Probing) -> None:
    """However much a mirror lacks."""
    name = larger.add("a.example.org", f.without("s390x"))
    probing()
    for _ in range(8):
        larger.now += QUARTER
        larger.log.clear()
        probing()
        assert len(larger.requests_to(name)) <= 4


def test_an_outage_is_no_news_of_what_is_lacking(larger: Fleet, probing: Probing) -> None:
    """A mirror that was away lacks the same afterwards, as far as is known, until it is asked for all."""
    name = larger.add("a.example.org", f.without("nfv/x86_64"))
    probing()
    larger.behaviours[name] = f.hangs_up
    larger.now += QUARTER
    probing()
    assert probing.state(name).status is Status.UNREACHABLE
    larger.behaviours[name] = f.without("nfv/x86_64")
    larger.now += QUARTER
    probing()
    assert probing.state(name).status is Status.DEGRADED


def test_each_change_of_status_leaves_a_line(
    fleet: Fleet, probing: Probing, caplog: pytest.LogCaptureFixture
) -> None:
    """From what to what, and why; a round in which nothing changes leaves none."""
    fleet.add("good.example.org")
    name = fleet.add("m2.example.org", f.without("s390x"))
    caplog.set_level(logging.INFO, "mirrorwise.probe")

    def lines() -> list[str]:
        caplog.clear()
        probing()
        fleet.now += QUARTER
        return sorted(line for line in caplog.messages if "→" in line)

    lacking = "9.8/appstream/s390x (missing), 9.8/baseos/s390x (missing), 9.8/s390x (no ISOs)"
    degraded = f"degraded: it lacks 3 of 6 directories: {lacking}"
    assert lines() == ["good.example.org: not probed → ok", f"{name}: not probed → {degraded}"]
    assert lines() == []
    fleet.behaviours[name] = f.hangs_up
    [line] = lines()
    assert line.startswith(f"{name}: degraded → unreachable: http over IPv4: ")
    assert line.endswith("; failed 2 times in a row")
    assert lines() == []
    fleet.behaviours[name] = f.fresh
    assert lines() == [f"{name}: unreachable → ok"]


@pytest.mark.slow
def test_rounds_are_recorded(fleet: Fleet, probing: Probing) -> None:
    """When each began and ended, how many mirrors it asked, and how much; a prober that goes on also says
    when rounds come, and when a mirror is asked again for what it lacks."""
    fleet.add("a.example.org")
    lacking = fleet.add("b.example.org", f.without("s390x"))
    probing()
    path = fleet.folder / "state" / "round.json"
    done = read_round(path)
    requests = sum(len(fleet.requests_to(name)) for name in ("a.example.org", lacking))
    assert (done.started_at, done.completed_at, done.interval_s) == (fleet.now, fleet.now, None)
    assert (done.mirrors, done.requests) == (2, requests)
    assert probing.state(lacking).asked_again == {}
    path.unlink()
    child = start(fleet, every_s=0.5)
    try:
        wait_until(path.exists, "a round of a prober that goes on")
    finally:
        child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 0
    assert read_round(path).interval_s == 0.5
    again = states(fleet.folder)[lacking].asked_again
    assert again.keys() == {"9.8/baseos/s390x", "9.8/appstream/s390x", "9.8/s390x"}
    assert all(fleet.now <= at <= fleet.now + QUARTER for at in again.values())

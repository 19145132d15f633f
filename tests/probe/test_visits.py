"""Slow mirrors delay no others and no round, and what they may take has an end."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from app.model import Content, Mirror, Status
from app.probe import visits as rules
from app.probe.addresses import Lookups, system_lookup
from app.probe.observation import Observation
from app.probe.visits import MIRRORS_AT_ONCE, Result, Visits
from tests.probe import fleet as f
from tests.probe.conftest import Probing
from tests.probe.fleet import Asked, Fleet


def mirrors(*names: str) -> list[Mirror]:
    return [Mirror(name=name, addresses={"http": f"http://{name}/"}) for name in names]


async def take(visits: Visits, number: int) -> list[str]:
    """The names of the next results."""
    names: list[str] = []
    async for result in visits.results():
        names.append(result.mirror)
        if len(names) == number:
            break
    return names


def test_slow_mirrors_give_their_slots_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many mirrors as there are slots never answer: the good ones behind them are asked all the
    same, and end before them."""
    monkeypatch.setattr(rules, "PATIENCE_S", 0.01)
    slow = [f"slow-{number}" for number in range(2 * MIRRORS_AT_ONCE)]
    good = [f"good-{number}" for number in range(30)]

    async def run() -> tuple[list[str], list[str]]:
        visits, end = Visits(), asyncio.Event()

        async def visit(mirror: Mirror) -> Result:
            async with visits.slot():
                if mirror.name.startswith("slow"):
                    await end.wait()
            return Result(mirror.name, None)

        visits.begin(mirrors(*slow, *good), visit)
        first = await take(visits, len(good))
        end.set()
        return first, await take(visits, len(slow))

    first, last = asyncio.run(run())
    assert (set(first), set(last)) == (set(good), set(slow))


def test_busy_mirrors_keep_their_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as requests come along, no more mirrors are asked at once than there are slots."""
    monkeypatch.setattr(rules, "PATIENCE_S", 0.01)
    running = most = 0

    async def run() -> None:
        visits = Visits()

        async def visit(mirror: Mirror) -> Result:
            nonlocal running, most
            requests = 0
            async with visits.slot() as slot:
                slot.requests = lambda: requests
                running += 1
                most = max(most, running)
                for _ in range(50):
                    requests += 1
                    await asyncio.sleep(0)
                running -= 1
            return Result(mirror.name, None)

        visits.begin(mirrors(*map(str, range(200))), visit)
        await take(visits, 200)

    asyncio.run(run())
    assert most == MIRRORS_AT_ONCE


def test_a_visit_that_outlasts_its_round_goes_on_into_the_next() -> None:
    """Its mirror is left out of the next round, which asks all others again, and its result counts there. The
    next time, it comes last."""

    async def run() -> list[list[str]]:
        visits, end, begun = Visits(), asyncio.Event(), list[str]()

        async def visit(mirror: Mirror) -> Result:
            begun.append(mirror.name)
            if mirror.name == "a":
                await end.wait()
            return Result(mirror.name, None, Observation(elapsed_s=9.0 if mirror.name == "a" else 1.0))

        rounds = []
        for wanted in (2, 3, 3):
            begun.clear()
            visits.begin(mirrors("a", "b", "c"), visit)
            await take(visits, 2)
            assert visits.have_ended(mirrors("a")) is end.is_set()
            end.set()
            if wanted == 3:
                await take(visits, 1)
            rounds.append(list(begun))
        return rounds

    assert asyncio.run(run()) == [["a", "b", "c"], ["b", "c"], ["b", "c", "a"]]


def test_a_mirror_has_a_budget_in_seconds(
    fleet: Fleet, probing: Probing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that drips is given up when its time is over, in the first try, and what it was is said."""
    monkeypatch.setattr("app.probe.service.MIRROR_S", 0.5)
    fleet.limits = replace(f.LIMITS, first_byte_s=20, total_s=20)
    fleet.add("good.example.org")
    drips = fleet.add("drips.example.org", f.slow_headers)
    started = time.monotonic()
    assert probing() == 0
    assert time.monotonic() - started < 10
    assert probing.state("good.example.org").status is Status.OK
    assert not probing.has_state(drips)


@pytest.mark.slow
def test_a_slow_mirror_comes_back_over_several_rounds(
    fleet: Fleet, probing: Probing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a mirror that was down gave since it last failed counts, so that one whose time is too short for
    all it has does not stay down for ever."""
    name = fleet.add("a.example.org", f.hangs_up)
    assert probing() == 0
    assert probing.state(name).status is Status.UNREACHABLE
    served = 0

    async def two_repos_a_round(fleet: Fleet, asked: Asked) -> None:
        nonlocal served
        served += asked.path.endswith("repomd.xml")
        if served > 2:
            await asyncio.sleep(60)
        await f.fresh(fleet, asked)

    fleet.behaviours[name] = two_repos_a_round
    fleet.limits = replace(f.LIMITS, first_byte_s=20, total_s=20)
    monkeypatch.setattr("app.probe.service.MIRROR_S", 1.0)
    found = []
    for _ in range(4):
        fleet.now += dt.timedelta(minutes=15)
        served = 0
        probing()
        found.append(probing.state(name).status)
        if found[-1] is Status.OK:
            break
    assert found[0] is Status.UNREACHABLE
    assert found[-1] is Status.OK
    assert set(probing.state(name).content.values()) == {Content.CURRENT}


def test_slow_names_do_not_spoil_the_others() -> None:
    """Names wait for a place without using up their time, and a name that is given up holds its place until
    its lookup ends."""

    async def run() -> Iterable[Sequence[str] | str]:
        running = most = 0

        async def lookup(host: str) -> Sequence[str]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(0.2 if host.startswith("slow") else 0)
            finally:
                running -= 1
            return [f"192.0.2.{number}" for number in range(100)]

        lookups = Lookups(lookup, timeout_s=0.1, at_once=2)
        hosts = [f"slow-{number}" for number in range(4)] + ["good"]
        found = await asyncio.gather(*map(lookups.ask, hosts))
        assert most == 2
        return found

    *slow, good = asyncio.run(run())
    assert slow == [f"the name slow-{number} did not resolve within 0.1 s" for number in range(4)]
    assert len(good) == 16


def test_a_lookup_that_hangs_does_not_keep_the_prober_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver cannot be told to stop: its thread is left alone."""
    end = threading.Event()
    threads: list[threading.Thread] = []

    def hang(*_: object, **__: object) -> None:
        threads.append(threading.current_thread())
        end.wait(60)

    monkeypatch.setattr("socket.getaddrinfo", hang)
    try:
        found = asyncio.run(Lookups(system_lookup, 0.05).ask("a.example.org"))
        assert found == "the name a.example.org did not resolve within 0.05 s"
        assert [(thread.is_alive(), thread.daemon) for thread in threads] == [(True, True)]
    finally:
        end.set()
        threads[0].join()

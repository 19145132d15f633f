"""GeoIP databases and the disk under the running service."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.service import FRANKFURT, LIST, Crowd, Service, reasons, says
from tests.conftest import wait_until
from tests.servers import GunicornServer
from tests.worker.network import CITY, replaced

RENAMED = CITY.read_bytes().replace(b"Frankfurt am Main", b"Frankfurt am Mein")
"""Another build of the same size, which tells clients the same place."""


def by_rename(path: Path) -> None:
    replaced(path, RENAMED)


def in_place(path: Path) -> None:
    """As cp does, slowly: everybody sees it empty, then half."""
    with path.open("wb") as file:
        for start in range(0, len(RENAMED), 4096):
            file.write(RENAMED[start : start + 4096])
            file.flush()


def city_of(server: GunicornServer) -> str:
    return server.ask("/whoami", headers={"X-Forwarded-For": FRANKFURT}).body.decode()


@pytest.mark.parametrize("replace", [pytest.param(by_rename, marks=pytest.mark.slow), in_place])
@pytest.mark.slow
def test_database_replaced(service: Service, replace: Callable[[Path], None]) -> None:
    """Under load, a new build is taken up by the processes that run; everybody is always answered by the
    right place, before, while and after. (One mapped file cut short would end a process.)"""
    service.start_worker()
    web = service.start_web()
    processes = set(web.descendants())
    crowd = Crowd(web)
    with crowd.asking():
        wait_until(lambda: crowd.asked > 50, "people ask")
        assert "Frankfurt am Main" in city_of(web)
        replace(service.city)
        wait_until(lambda: "Frankfurt am Mein" in city_of(web), "the new build is used")
        os.truncate(service.city, 1000)
        wait_until(says(web, "geoip: "), "the cut is noticed")
        asked = crowd.asked
        wait_until(lambda: crowd.asked > asked + 100, "people still ask")
        assert "Frankfurt am Mein" in city_of(web)
    assert crowd.bad == []
    assert set(web.descendants()) == processes
    assert service.worker.process.poll() is None
    assert web.ask(LIST, headers={"X-Forwarded-For": FRANKFURT}).headers["X-Client-Place"] == "DE/50/8"
    named = [line for line in web.said().splitlines() if "WARNING mirrorwise.web: geoip:" in line]
    assert len(named) <= (4 if replace is in_place else 1), named  # each state of the file at most once


@pytest.mark.slow
def test_web_starts_beside_a_broken_database(service: Service) -> None:
    """A web process that is started while the database is broken knows its clients' places all the same."""
    service.start_worker()
    service.start_web("former").stop()
    os.truncate(service.city, 1000)
    web = service.start_web()
    answer = web.ask(LIST, headers={"X-Forwarded-For": FRANKFURT})
    assert answer.headers["X-Client-Place"] == "DE/50/8"
    assert "geoip: " in reasons(web)


@pytest.mark.slow
def test_disk_full(service: Service) -> None:
    """With no room for another file of any size, the worker keeps what it has published and says so once;
    with room again it publishes, without a restart."""
    service.without_redis()
    service.start_worker()
    web, worker, before = service.start_web(), service.worker, service.there()
    # Above this size (of its log, so that it can say what is wrong; a snapshot is larger) writes fail.
    room = worker.log.stat().st_size + 8000
    limits = resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    edit = service.edit()
    wait_until(lambda: "WARNING mirrorwise.worker: store:" in worker.said(), "the worker notices")
    assert service.there() == before
    assert web.ask(LIST).status == 200
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, limits)
    wait_until(lambda: edit in web.ask(LIST).body.decode(), "the edit is served")
    wait_until(lambda: "store: well again" in worker.said(), "nothing is wrong with the store")
    said = worker.said()
    assert said.count("WARNING mirrorwise.worker: store:") == 1
    assert "File too large" in said
    assert not list((service.network.var / "store").rglob("*.tmp"))

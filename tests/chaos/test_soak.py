"""The soak: minutes of load while everything behind it is stopped, killed, emptied and edited.

MIRRORWISE_SOAK_SECONDS makes it longer than a minute.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from app.answer.lists import MirrorLists
from app.geo.networks import NetworkLookup
from app.geo.place_lookup import PlaceLookup
from app.model import StoreError
from app.request.address import TrustedProxies
from app.request.clients import Clients
from app.request.parameters import ParameterReader
from app.request.question import Parser
from app.settings import read_settings
from app.snapshot.loaded import LoadedSnapshot
from app.store.redis import LEASE
from app.web.answers import listed
from tests.chaos.service import ADDRESSES, LIST, Crowd, Service
from tests.conftest import need_program, wait_until
from tests.servers import GunicornServer
from tests.worker.network import CITY, replaced

SECONDS = float(os.environ.get("MIRRORWISE_SOAK_SECONDS", "60"))
SWAPS = 100
TROUBLES = 10
"""Of each kind, at least."""


class Witness:
    """Sees every generation that it can catch in Redis, and works out by itself what it has to answer: by
    the pure functions, from the whole snapshot, without a server."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.expected: dict[str, dict[str, bytes]] = {}
        self._service = service
        self._folder = folder
        self._clients = Clients(TrustedProxies(read_settings({}).trusted_proxies))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(0.02):
            with suppress(StoreError):
                there = self._service.there()
                if there is not None and there not in self.expected:
                    self._look_at(there)

    def _look_at(self, there: str) -> None:
        data = self._service.store.snapshot(there)
        if data is None:
            return
        snapshot = LoadedSnapshot(there, data)
        networks = NetworkLookup(self._file(snapshot.networks))
        places = PlaceLookup(self._file(snapshot.place_database))
        parser = Parser(snapshot.config, ParameterReader(snapshot.policy))
        question = parser.parse_list({"arch": "x86_64"}, "9", "baseos")
        self.expected[there] = {
            address: listed(
                MirrorLists(snapshot),
                self._clients.caller(
                    {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": address}, places, networks
                ).of,
                question,
            ).body
            for address in ADDRESSES
        }

    def _file(self, digest: str | None) -> Path:
        """A database that is published."""
        blob = self._service.store.blob(digest or "")
        if blob is None:
            raise StoreError("it has been replaced")
        return replaced(self._folder / f"{digest}.mmdb", blob)


class Wrk:
    """wrk as fast as it goes, until `stop`, which returns what it says."""

    def __init__(self, url: str) -> None:
        command = [need_program("wrk"), "-t1", "-c8", "-d3600s", "--timeout", "5s", url]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def stop(self) -> str:
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=20)
        return said


class Troublemaker:
    """All that can happen to the service, each thing by a method; `done` counts."""

    def __init__(self, service: Service, server: GunicornServer) -> None:
        self.done: Counter[str] = Counter()
        self._service = service
        self._server = server

    def swap(self) -> None:
        """An edit, served."""
        edit = self._service.edit()
        self._served(edit)
        self.done["swap"] += 1

    def burst(self) -> None:
        """Edits as fast as they are published."""
        for _ in range(10):
            before = self._service.there()
            self._service.edit()
            wait_until(partial(self._published_since, before), "published", 30)
            self.done["swap"] += 1

    def redis_stopped(self) -> None:
        """Hung, for longer than anybody waits for an answer."""
        process = self._service.redis.process
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        process.send_signal(signal.SIGCONT)

    def redis_killed(self) -> None:
        self._service.redis.stop()
        self._service.edit()
        self._service.redis.start()

    def redis_emptied(self) -> None:
        self._service.client.flushall()

    def redis_restarted(self) -> None:
        self._service.redis.process.terminate()
        self._service.redis.process.wait()
        self._service.redis.start()

    def worker_killed(self) -> None:
        """At a moment when it has something to do."""
        self._service.edit()
        self._service.worker.signal(signal.SIGKILL)
        self._service.client.delete(LEASE)  # as if the 15 seconds of its lease had passed
        self._service.worker.start()

    def files_spoiled(self) -> None:
        """A mirror file, the city database and the cloud ranges, for a moment."""
        mirror = self._service.network.mirrors / "m01.example.org.yml"
        good = mirror.read_bytes()
        mirror.write_bytes(good[:20])
        self._service.city.write_bytes(CITY.read_bytes()[:5000])
        self.swap()
        mirror.write_bytes(good)
        replaced(self._service.city, CITY.read_bytes())

    def make(self, trouble: Callable[[], None]) -> None:
        """And see to it that an edit is served afterwards."""
        trouble()
        self.done[trouble.__name__] += 1
        self.swap()

    def _published_since(self, before: str | None) -> bool:
        return self._service.there() not in (before, None)

    def _served(self, edit: str) -> None:
        wait_until(lambda: edit in self._server.ask(LIST).body.decode(), f"{edit} is served", 60)


def private_mb(server: GunicornServer) -> float:
    """Memory of its own, of all processes of a server."""
    total = 0
    for pid in server.descendants():
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))
    return total / 1024


@pytest.mark.slow
def test_soak(service: Service, tmp_path: Path) -> None:
    """Not one of all requests fails, over kept connections; every body is what its generation has to answer
    to that client, so none is of a snapshot read by half; memory stays as it was."""
    service.start_worker()
    server = service.start_web(processes=2)
    wait_until(lambda: server.said().count("serving generation") >= 2, "all processes serve")
    processes = set(server.descendants())
    witness, crowd, maker = Witness(service, tmp_path), Crowd(server, 0.01), Troublemaker(service, server)
    troubles = [
        maker.redis_stopped,
        maker.redis_killed,
        maker.redis_emptied,
        maker.redis_restarted,
        maker.worker_killed,
        maker.files_spoiled,
        maker.burst,
    ]
    memory_mb: list[float] = []
    with ExitStack() as stack:
        stack.enter_context(witness.watching())
        stack.enter_context(crowd.asking())
        wrk = Wrk(f"http://127.0.0.1:{server.port}{LIST}")
        started_s = time.monotonic()
        for trouble in itertools.cycle(troubles):
            maker.make(trouble)
            memory_mb.append(private_mb(server))
            done = all(maker.done[each.__name__] >= TROUBLES for each in troubles)
            if done and maker.done["swap"] >= SWAPS and time.monotonic() - started_s > SECONDS:
                break
        said = wrk.stop()
    sys.stdout.write(
        f"{said}{dict(maker.done)} in {time.monotonic() - started_s:.0f} s, {crowd.asked} answers and "
        f"{len(witness.expected)} generations checked, {memory_mb[0]:.1f} to {memory_mb[-1]:.1f} MB\n"
    )
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    assert int(re.search(r"(\d+) requests in", said)[1]) > 10_000  # type: ignore[index]  # wrk says it
    assert crowd.bad == []
    check_bodies(crowd, witness)
    assert set(server.descendants()) == processes, "a web process died and was replaced"
    early, late = statistics.median(memory_mb[7:21]), statistics.median(memory_mb[-14:])
    assert late < early * 1.1 + 4, memory_mb


def check_bodies(crowd: Crowd, witness: Witness) -> None:
    """Each generation has one body for each client, the right one."""
    mixed = {key: bodies for key, bodies in crowd.bodies.items() if len(bodies) > 1}
    assert mixed == {}
    known = {key: body for key, [body] in crowd.bodies.items() if key[0] in witness.expected}
    wrong = {key for key, body in known.items() if body != witness.expected[key[0]][key[1]]}
    assert wrong == set()
    assert len(known) > 0.8 * len(crowd.bodies), "too few generations were witnessed to say anything"
    assert len({found for found, _ in known}) > SWAPS / 2

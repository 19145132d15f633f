"""What ordinary clients notice of crowds, and what each client of a crowd gets."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from select import select
from statistics import fmean, median

import pytest

from tests.bystanders import CLIENTS, LIST, SCENES, Crowd, Scene, crowd, get, noticed
from tests.servers import GunicornServer, NginxServer
from tests.web.asking import variables

pytestmark = pytest.mark.slow

SECONDS = 1.2
WITHIN_S = 2.0
ANSWERS = 8
"""So many does each get of those that ask as fast as they can."""
TRIES = 20
AS_BUSY_AS_CAN_BE = {"2,000 busy with one list", "2,000 busy, no two questions alike"}
"""Here a client waits until as many others have their answers; on a busy machine that is longer."""


@pytest.fixture(scope="module")
def server(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    folder = tmp_path_factory.mktemp("crowded")
    (folder / "store").symlink_to(published / "store")
    server = GunicornServer(folder, variables(folder))
    server.wait_until_serving()
    processes = server.descendants()
    yield server
    after = server.descendants()
    server.stop()
    assert after == processes, "a process did not survive"
    assert "Traceback" not in server.said()


@pytest.mark.parametrize("scene", SCENES)
def test_bystanders(server: GunicornServer, scene: str) -> None:
    """Beside a hostile crowd, every ordinary client gets every answer, and none waits for long."""
    with crowd(scene, server.port):
        found = noticed(server.port, SECONDS)
    assert found.failed == []
    assert scene in AS_BUSY_AS_CAN_BE or found.worst_s < WITHIN_S
    assert len(found.took_s) >= CLIENTS


@pytest.mark.parametrize(
    "scene", ["300 busy, no two questions alike", "300 ask on new connections", "64 pipeline"]
)
def test_bystanders_through_nginx(published: Path, tmp_path: Path, scene: str) -> None:
    """The same behind nginx, which asks for each on a connection of its own if it has to."""
    (tmp_path / "store").symlink_to(published / "store")
    server = GunicornServer(tmp_path, variables(tmp_path), unix=True)
    try:
        server.wait_until_serving()
        (tmp_path / "nginx").mkdir()
        nginx = NginxServer(tmp_path / "nginx", server.address)
        try:
            with crowd(scene, nginx.port):
                found = noticed(nginx.port, SECONDS)
        finally:
            nginx.stop()
    finally:
        server.stop()
    assert found.failed == []
    assert found.worst_s < WITHIN_S


class Waiting(Crowd):
    """A crowd that notes how long each of its requests takes."""

    def __init__(self, scene: Scene, port: int) -> None:
        super().__init__(scene, port)
        self.asked_at: dict[int, float] = {}
        self.waits_s: list[float] = []
        self.answers: Counter[int] = Counter()

    def send(self, fd: int, more: bytes) -> None:
        if more or fd not in self.asked_at:
            self.asked_at[fd] = time.monotonic()
        super().send(fd, more)

    def read(self, fd: int) -> None:
        self.waits_s.append(time.monotonic() - self.asked_at[fd])
        self.answers[fd] += 1
        super().read(fd)
        assert fd in self.socks, "the connection has ended"


@pytest.mark.parametrize("question", [LIST, f"{LIST}&infra=%"], ids=["one list", "no two questions alike"])
@pytest.mark.parametrize("count", [16, 300, 2000])
def test_each_gets_its_share(server: GunicornServer, count: int, question: str) -> None:
    """However many ask as fast as they can: next to none waits for many times as long as they do on average,
    and none gets a small part of what others get."""
    asking = Waiting(Scene(count, get(question)), server.port)
    try:
        for _ in range(count):
            asking.join()
        ends_at = time.monotonic() + 60
        while sum(asking.answers.values()) < ANSWERS * count and time.monotonic() < ends_at:
            asking.look(1)
    finally:
        for fd in tuple(asking.socks):
            asking.leave(fd)
    assert sum(asking.answers.values()) >= ANSWERS * count
    assert len(asking.answers) == count
    assert sorted(asking.waits_s)[int(len(asking.waits_s) * 0.99)] < 10 * fmean(asking.waits_s)
    assert min(asking.answers.values()) >= ANSWERS / 4


def test_hasty_clients_wait_for_each_other(server: GunicornServer) -> None:
    """While a client asks over 300 connections as fast as it can, one that asks now and then waits for a part
    of them only."""
    asking = Waiting(Scene(300, get(LIST)), server.port)
    before_it = []
    with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.1.1", 0)) as ordinary:
        try:
            for _ in range(300):
                asking.join()
            while sum(asking.answers.values()) < ANSWERS * 300:
                asking.look(1)
            for _ in range(TRIES):
                answered = sum(asking.answers.values())
                ordinary.sendall(get(LIST).encode())
                while not select([ordinary], [], [], 0)[0]:
                    asking.look(1)
                before_it.append(sum(asking.answers.values()) - answered)
                assert ordinary.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
                while sum(asking.answers.values()) < answered + 600:
                    asking.look(1)
        finally:
            for fd in tuple(asking.socks):
                asking.leave(fd)
    assert median(before_it) < 150

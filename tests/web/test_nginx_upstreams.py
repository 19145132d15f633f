"""Several services behind one nginx: it goes on to the next where one fails."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from app.settings import read_settings
from tests.conftest import free_port, wait_until
from tests.servers import Answer, GunicornServer, NginxOptions, NginxServer, ask
from tests.web.asking import LIST, variables
from tests.web.deployed import CLIENT

Answerer = Callable[[socket.socket], None]


class Ill:
    """A service that is ill: each connection gets what `answer` does with it, and is closed."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, suppress(OSError):
                    connection.recv(1 << 16)
                    self._answer(connection)

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def has_nothing(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


ILLS: dict[str, Answerer] = {
    "closes": lambda connection: None,
    "resets": resets,
    "has nothing to serve yet": has_nothing,
    "sends an endless header": lambda connection: connection.sendall(
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 99_999
    ),
}


@pytest.fixture(scope="module")
def well(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    folder = tmp_path_factory.mktemp("well")
    (folder / "store").symlink_to(published / "store")
    server = GunicornServer(folder, variables(folder), processes=1, unix=True)
    server.wait_until_serving()
    yield server
    server.stop()


def check_all_answered(published: Path, folder: Path, well: GunicornServer, ill: str) -> None:
    """Asks for lists, each of which is new to the cache, and for pages."""
    options = NginxOptions(settings=read_settings(variables(published)), beside=(well.address,))
    nginx = NginxServer(folder, ill, options)
    try:
        for number in range(1, 9):
            for target in (f"{LIST}&limit={number}", f"/whoami?{number}"):
                answer = through(nginx, target)
                assert (answer.status, bool(answer.body)) == (200, True), (target, answer)
    finally:
        nginx.stop()


def through(nginx: NginxServer, target: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=30)
    with closing(connection):
        return ask(connection, target, headers={"X-Forwarded-For": CLIENT})


@pytest.mark.parametrize("answer", ILLS.values(), ids=ILLS)
def test_one_of_two_is_ill(published: Path, tmp_path: Path, well: GunicornServer, answer: Answerer) -> None:
    """Whatever it does instead of answering, the other one answers."""
    ill = Ill(answer)
    try:
        check_all_answered(published, tmp_path, well, ill.address)
    finally:
        ill.stop()


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "unix:/nowhere/web.sock"], ids=["port", "socket"])
def test_one_of_two_is_not_there(published: Path, tmp_path: Path, well: GunicornServer, address: str) -> None:
    """Nothing listens there."""
    check_all_answered(published, tmp_path, well, address.format(port=free_port()))


@pytest.mark.slow
def test_one_of_two_hangs(published: Path, tmp_path: Path, well: GunicornServer) -> None:
    """It takes connections and never answers: the first list waits for a second and the first page for
    five, and what is asked in the seconds after that does not wait."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        check_all_answered(published, tmp_path, well, address)
        assert 5 < time.monotonic() - started < 20


@pytest.mark.slow
def test_all_are_down(published: Path, tmp_path: Path) -> None:
    """What was asked is answered as it was, while each of the services is down, for whichever reason; the
    rest is a 503 at once."""
    (tmp_path / "nginx").mkdir()
    (tmp_path / "store").symlink_to(published / "store")
    environ = variables(tmp_path)
    with ExitStack() as stack:
        server = GunicornServer(tmp_path, environ, processes=1, unix=True)
        stack.callback(server.stop)
        options = NginxOptions(
            settings=read_settings(environ), beside=(f"127.0.0.1:{free_port()}", server.address), valid="1s"
        )
        nginx = NginxServer(tmp_path / "nginx", server.address, options)
        stack.callback(nginx.stop)
        before = through(nginx, LIST)
        assert before.status == 200
        server.stop()
        wait_until(lambda: '"STALE"' in log_of(nginx, LIST), "an expired answer")
        assert through(nginx, LIST).body == before.body
        started = time.monotonic()
        assert {through(nginx, target).status for target in (f"{LIST}&limit=2", "/whoami")} == {503}
        assert time.monotonic() - started < 2


def log_of(nginx: NginxServer, target: str) -> str:
    through(nginx, target)
    return (nginx.folder / "mirrorwise-access.log").read_text()

"""The committed nginx site, started for real in front of an upstream that notes what arrives."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.servers import NginxServer

# Linux has all of 127.0.0.0/8 on loopback, so a test can be a client with an address of its own.
CLIENT = "127.0.0.42"


@dataclass(frozen=True)
class Arrived:
    """One request as the upstream saw it; `connection` is the port that it came from."""

    request_line: str
    headers: Message
    connection: int


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


class Upstream:
    """A stand-in for gunicorn that keeps connections alive, and what it has seen."""

    def __init__(self, port: int = 0) -> None:
        self.arrived: list[Arrived] = []
        arrived = self.arrived

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # the name http.server looks for
                arrived.append(Arrived(self.requestline, self.headers, self.client_address[1]))
                body = b"https://mirror.example.org/examplelinux/\n"
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("X-Client-Place", "DE/50/8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_PURGE = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NginxServer, Upstream]]:
    upstream = Upstream()
    try:
        nginx = NginxServer(tmp_path_factory.mktemp("nginx"), upstream.address)
        yield nginx, upstream
        nginx.stop()
    finally:
        upstream.stop()


@pytest.fixture
def nginx(running: tuple[NginxServer, Upstream]) -> NginxServer:
    return running[0]


@pytest.fixture
def arrived(running: tuple[NginxServer, Upstream]) -> list[Arrived]:
    """What the upstream has seen since the test began."""
    running[1].arrived.clear()
    return running[1].arrived


def ask(nginx: NginxServer, target: str = "/", method: str = "GET", **headers: str) -> Answer:
    """One request from CLIENT on a connection of its own; `_` in a header's name stands for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10, source_address=(CLIENT, 0))
    try:
        connection.request(method, target, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def test_answer_comes_back_whole(nginx: NginxServer, arrived: list[Arrived]) -> None:
    """Status, our headers and the body reach the client as the service made them."""
    answer = ask(nginx, "/mirrorlist/9/baseos?arch=x86_64")
    assert answer.status == 200
    assert answer.body == b"https://mirror.example.org/examplelinux/\n"
    assert answer.headers["X-Client-Place"] == "DE/50/8"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Server"] == "nginx"
    assert answer.headers["Allow"] is None


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing sent"),
        pytest.param({"X_Forwarded_For": "192.0.2.1"}, id="one address"),
        pytest.param({"X_Forwarded_For": "192.0.2.1, 127.0.0.1"}, id="a chain that looks trusted"),
        pytest.param({"x_forwarded_for": "junk"}, id="not an address"),
    ],
)
def test_service_sees_the_clients_address(
    nginx: NginxServer, arrived: list[Arrived], headers: dict[str, str]
) -> None:
    """X-Forwarded-For is the address that nginx saw, once, whatever the client sent under that name."""
    ask(nginx, "/whoami", **headers)
    assert arrived[0].headers.get_all("X-Forwarded-For") == [CLIENT]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/mirrorlist/9/baseos?arch=x86_64&country=DE,FR", id="plain"),
        pytest.param("/mirrorlist/9/base%6Fs?arch=%2478&path=a%2Fb%20c", id="encoded"),
        pytest.param("/download/9.8/BaseOS/x86_64/os/Packages/gcc-c%2B%2B-12.rpm", id="encoded plus signs"),
        pytest.param(
            "/mirrorlist?repo=baseos-9&arch=x86_64&repo=again&&=", id="repeated and empty parameters"
        ),
        pytest.param("/mirrors/../mirrorlist/./9//baseos?x=../..", id="dots and slashes"),
        pytest.param("/mirrorlist/9/baseos?arch=%00%0d%0aX:%20y", id="encoded control characters"),
    ],
)
def test_path_and_query_arrive_as_sent(nginx: NginxServer, arrived: list[Arrived], target: str) -> None:
    """nginx neither decodes nor tidies what was asked: the service judges the bytes that the client sent."""
    assert ask(nginx, target).status == 200
    assert arrived[0].request_line == f"GET {target} HTTP/1.1"


def test_head_is_passed_on(nginx: NginxServer, arrived: list[Arrived]) -> None:
    """HEAD reaches the service as HEAD, and its answer has no body."""
    answer = ask(nginx, "/mirrorlist/9/baseos", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert arrived[0].request_line.startswith("HEAD ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"])
def test_other_methods_are_refused(nginx: NginxServer, arrived: list[Arrived], method: str) -> None:
    """Anything but GET and HEAD gets 405, is told what is allowed, and never reaches the service."""
    answer = ask(nginx, "/mirrorlist/9/baseos", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.body == b"405 Method Not Allowed\n"
    assert arrived == []


def test_bodies_are_refused(nginx: NginxServer, arrived: list[Arrived]) -> None:
    """A GET that announces a body is refused before the body is read."""
    answer = ask(nginx, "/mirrorlist/9/baseos", Content_Length="1000000")
    assert answer.status == 413
    assert arrived == []


def test_upstream_connections_are_reused(nginx: NginxServer, arrived: list[Arrived]) -> None:
    """Twenty clients one after the other cost the service one connection, over HTTP/1.1."""
    for _ in range(20):
        ask(nginx, "/healthz")
    assert len(arrived) == 20
    assert len({request.connection for request in arrived}) == 1


def test_service_down_is_a_quick_503(tmp_path: Path) -> None:
    """With nothing listening behind it nginx says so at once, in a sentence, and when to come back."""
    nginx = NginxServer(tmp_path, f"127.0.0.1:{free_port()}")
    try:
        started = time.monotonic()
        answer = ask(nginx, "/mirrorlist/9/baseos")
        assert time.monotonic() - started < 2
    finally:
        nginx.stop()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body == b"The mirror service is not available just now.\n"


def test_service_comes_up_behind_nginx(tmp_path: Path) -> None:
    """nginx may start first: the first request after the service has come up is answered."""
    port = free_port()
    nginx = NginxServer(tmp_path, f"127.0.0.1:{port}")
    try:
        assert ask(nginx).status == 503
        upstream = Upstream(port)
        try:
            assert ask(nginx).status == 200
        finally:
            upstream.stop()
    finally:
        nginx.stop()

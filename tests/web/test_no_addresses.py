"""No log holds a client's address, or one that was asked about, whatever goes wrong.

The logs are all that nginx, with levels as Debian has them, and the service write. One client is known by
the address that it connects from, others by what a trusted proxy says.
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from app.settings import read_settings
from app.web.application import Application
from app.web.server.connection import Connection
from app.web.server.replies import Replies
from app.web.server.run import RootLogger
from tests.conftest import wait_until
from tests.servers import GunicornServer, NginxOptions, NginxServer, make_certificate
from tests.servers import ask as ask_on
from tests.web.asking import LIST, variables

SOURCE, CLIENT, ASKED_ABOUT = "127.0.0.77", "203.0.113.88", "2001:db8:88::99"
EXPLAIN = f"/explain?ip={ASKED_ABOUT}&release=9"


class Site:
    """nginx with TLS, and the service behind it."""

    def __init__(self, published: Path, folder: Path) -> None:
        (folder / "nginx").mkdir()
        (folder / "store").symlink_to(published / "store")
        environ = variables(folder)
        certificate, key = make_certificate(folder)
        self.stack = ExitStack()
        self.service = GunicornServer(folder, environ, processes=1, unix=True)
        self.stack.callback(self.service.stop)
        options = NginxOptions(
            settings=read_settings(environ), certificate=certificate, certificate_key=key, valid="1s"
        )
        self.nginx = NginxServer(folder / "nginx", self.service.address, options)
        self.stack.callback(self.nginx.stop)

    def ask(self, target: str) -> set[int]:
        """Asks as a client of its own, and as one that a proxy speaks for. Returns the statuses, or 0."""
        with ThreadPoolExecutor() as both:
            own = both.submit(self._ask, target, SOURCE, {})
            proxied = both.submit(self._ask, target, "127.0.0.1", {"X-Forwarded-For": CLIENT})
            return {own.result(), proxied.result()}

    def _ask(self, target: str, source: str, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.nginx.port, timeout=30, source_address=(source, 0)
        )
        with closing(connection), suppress(OSError, http.client.HTTPException):
            return ask_on(connection, target, headers=headers).status
        return 0

    def send(self, data: bytes, port: int | None = None, reset: bool = False) -> None:
        """Sends bytes and waits for the end of the connection, or ends it itself."""
        with (
            socket.create_connection(
                ("127.0.0.1", port or self.nginx.port), timeout=10, source_address=(SOURCE, 0)
            ) as connection,
            suppress(OSError),
        ):
            connection.sendall(data)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass

    def logs(self) -> str:
        """All that has been written to all logs."""
        paths = [self.service.log, *self.nginx.folder.glob("*.log")]
        return "\n".join(path.read_text(errors="replace") for path in paths if path.exists())


@pytest.fixture(scope="module")
def shared(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(published, tmp_path_factory.mktemp("shared"))
    with site.stack:
        yield site


@pytest.fixture
def site(published: Path, tmp_path: Path) -> Iterator[Site]:
    """A site that a test may harm."""
    site = Site(published, tmp_path)
    with site.stack:
        yield site


REVEALING = re.compile(r"127\.0\.0\.77|203\.0\.113|2001:db8|client:")


def check(site: Site) -> None:
    assert [line for line in site.logs().splitlines() if REVEALING.search(line)] == []


HOST = b"Host: mirrors.example.org\r\n"
GOOD = f"GET {LIST} HTTP/1.1\r\n".encode() + HOST
NO_REQUESTS = {
    "junk": b"\x00\x01\x02\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "half a request": GOOD,
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a host that no host can have": b"GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n",
    "two hosts": GOOD + HOST + b"\r\n",
    "a long line": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long field": GOOD + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n",
    "many fields": GOOD + b"X-A: b\r\n" * 5_000 + b"\r\n",
    "a NUL": GOOD + b"X-A: \x00\r\n\r\n",
    "a body": GOOD + b"Content-Length: 4\r\n\r\nabcd",
    "bad chunks": GOOD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "another method": b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "PROXY protocol": f"PROXY TCP4 {CLIENT} 127.0.0.1 1 2\r\n".encode() + GOOD + b"\r\n",
    "outside the root": b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("sent", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_no_requests(shared: Site, sent: bytes) -> None:
    """What is no request, or none that is allowed, on either port, and with the connection reset as well;
    and what the service alone gets of it."""
    for port in (shared.nginx.port, shared.nginx.tls_port):
        shared.send(sent, port)
        shared.send(sent, port, reset=True)
    check(shared)


def handshake(site: Site, **settings: object) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    connection = socket.create_connection(
        ("127.0.0.1", site.nginx.tls_port), timeout=10, source_address=(SOURCE, 0)
    )
    with (
        connection,
        suppress(OSError),
        context.wrap_socket(connection, server_hostname="other.example") as tls,
    ):
        tls.sendall(GOOD[:20])
        tls.unwrap()


def test_tls_failures(shared: Site, tmp_path: Path) -> None:
    """A handshake that is cut short, that offers nothing the site takes, or for another name."""
    handshake(shared)
    with pytest.warns(DeprecationWarning):
        handshake(shared, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1)
    hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"
    for sent in (hello, hello[:3], b"\x15\x03\x01\x00\x02\x02\x28", b"\x80\x2e\x01\x00\x02"):
        shared.send(sent, shared.nginx.tls_port)
        shared.send(sent, shared.nginx.tls_port, reset=True)
    check(shared)


def test_limits(shared: Site) -> None:
    """More explanations than a client may have."""
    assert {429} in [shared.ask(EXPLAIN) for _ in range(30)]
    check(shared)


@pytest.mark.slow
def test_the_service_is_gone(site: Site) -> None:
    """Whether it was asked before or not."""
    assert site.ask(LIST) == {200}
    site.service.stop()
    assert [site.ask(target) for target in (f"{LIST}&limit=2", EXPLAIN, "/mirrors")] == [{503}] * 3
    check(site)


@pytest.mark.slow
def test_the_service_hangs(site: Site) -> None:
    """Until nginx gives up on it, and while clients do so before."""
    processes = [site.service.process.pid, *site.service.descendants()]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        for target in (f"{LIST}&limit=2", EXPLAIN):
            site.send(f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n", reset=True)
        assert site.ask(f"{LIST}&limit=3") == {503}
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    check(site)


@pytest.mark.slow
def test_the_service_dies_with_requests(site: Site) -> None:
    """In the middle of an answer, or before one."""
    for _ in range(5):
        [process] = site.service.descendants()
        os.kill(process, signal.SIGKILL)
        site.ask(EXPLAIN)
        wait_until(lambda dead=process: dead not in site.service.descendants(), "a new process", 30)  # type: ignore[misc]
    check(site)


@pytest.mark.slow
def test_the_disk_is_full(site: Site) -> None:
    """No file can grow: neither the cache nor a log, where there is just room to say what is wrong."""
    for pid in (site.nginx.process.pid, *site.nginx.workers()):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (900, resource.RLIM_INFINITY))
    for number in range(1, 20):
        site.ask(f"{LIST}&limit={number}")
    assert site.ask(EXPLAIN) == {200}
    check(site)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["no cache", "no place for requests"])
def test_files_are_missing(site: Site, harm: str) -> None:
    """The cache's folder, or that of large requests, has a file in its place."""
    path = site.nginx.folder / ("cache" if harm == "no cache" else "proxy")
    shutil.rmtree(path)
    path.write_text("in the way")
    for target in (LIST, "/mirrors", EXPLAIN):
        site.ask(target)
    check(site)


@pytest.mark.slow
def test_too_many_connections(site: Site) -> None:
    """More than nginx has room for."""
    text = site.nginx.conf.read_text()
    site.nginx.conf.write_text(text.replace("worker_connections 8192", "worker_connections 40"))
    site.nginx.reload()
    with ExitStack() as stack:
        for _ in range(60):
            connection = socket.create_connection(
                ("127.0.0.1", site.nginx.port), timeout=10, source_address=(SOURCE, 0)
            )
            stack.callback(connection.close)
            with suppress(OSError):
                connection.sendall(f"GET {LIST}&limit=2 HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    wait_until(lambda: site.ask(LIST) == {200}, "there is room again")
    check(site)


# --- what fails inside ----------------------------------------------------------------------------------


def in_a_view() -> None:
    """In Flask."""
    app = Application("app")

    @app.get("/mirrors/<name>")
    def fail(name: str) -> str:
        raise ValueError(name) from OSError(name)

    assert app.test_client().get(f"/mirrors/{ASKED_ABOUT}?ip={CLIENT}").status_code == 500


def in_our_worker() -> None:
    """Outside Flask."""

    def fail(environ: dict[str, object], start_response: object) -> list[bytes]:
        raise ValueError(environ["REQUEST_URI" if "REQUEST_URI" in environ else "RAW_URI"])

    here, there = socket.socketpair()
    with here, there:
        connection = Connection(here, (CLIENT, 1), ("127.0.0.1", 80))
        request = f"GET {EXPLAIN} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        reply = Replies(Config(), fail, RootLogger(Config())).to(connection, request, True)
    assert b" 500 " in reply.parts[0]


def in_gunicorns_own() -> None:
    """In gunicorn's own worker."""
    logger: Logger = RootLogger(Config())
    try:
        raise ValueError(EXPLAIN)
    except ValueError:
        logger.exception("Error handling request %s %s", "GET", EXPLAIN)


@pytest.mark.parametrize("failing", [in_a_view, in_our_worker, in_gunicorns_own])
def test_a_request_fails(failing: Callable[[], None], caplog: pytest.LogCaptureFixture) -> None:
    """The log says of what type the exception was and where it arose, and nothing of the request."""
    with caplog.at_level(logging.ERROR):
        failing()
    assert re.search(r"a request failed: ValueError\n.*test_no_addresses\.py", caplog.text, re.DOTALL)
    assert ASKED_ABOUT not in caplog.text and CLIENT not in caplog.text

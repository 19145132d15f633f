"""What is sent to the service's port and can become no request, or is more than a request may be."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.web.server.arrival import Arrived, judged
from app.web.server.worker import HEADER_WITHIN_S
from tests.conftest import ROOT
from tests.servers import GunicornServer, NginxServer
from tests.web.asking import variables

HOST = b"Host: mirrors.example.org\r\n"
LIST = b"GET /mirrorlist/9/baseos?arch=x86_64 HTTP/1.1\r\n"
WITHIN_S = 2.0
"""Generous: it takes milliseconds. Whatever waits for a deadline of ours takes longer."""
assert WITHIN_S < HEADER_WITHIN_S

NO_REQUESTS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(14, 255)),
    "the first byte of TLS": b"\x16",
    "TLS with a line feed": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\n",
    "SSL 2": b"\x80\x2e\x01\x03\x01\x00\x15",
    "SOCKS 4": b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00",
    "SOCKS 5": b"\x05\x01\x00",
    "RDP": b"\x03\x00\x00\x13\x0e\xe0",
    "MQTT": b"\x10\x0c\x00\x04MQTT\x04\x02",
    "PostgreSQL": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    "SSH": b"SSH-2.0-client\r\n",
    "SMTP": b"EHLO mail.example.org\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "rsync": b"@RSYNCD: 31.0\n",
    "JSON": b'{"method": "GET"}',
    "a byte order mark": b"\xef\xbb\xbfGET / HTTP/1.1\r\n",
    "a blank": b" GET / HTTP/1.1\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "another protocol's version": b"GET / RTSP/1.0\r\n",
    "a path with a blank": b"GET /a b HTTP/1.1\r\n",
    "one bare line feed": b"\n",
    "a bare line feed behind the line": b"GET /healthz HTTP/1.1\n",
    "bare line feeds throughout": b"GET /healthz HTTP/1.1\nHost: a\nAccept: */*\n\n",
    "a bare line feed behind a field": LIST + b"Host: a\n",
    "a bare line feed at the end": LIST + b"Host: a\r\n\n",
    "a bare line feed in a long header": LIST + b"X-A: b\r\n" * 5_000 + b"X-A: b\n",
    "bare line feeds, and a right end": LIST + b"Host: a\n\r\n",
}
no_requests = pytest.mark.parametrize("sent", NO_REQUESTS.values(), ids=NO_REQUESTS)


@pytest.fixture(scope="module", params=["TCP", "TCP, parsed in Python", "unix socket, parsed in Python"])
def server(
    request: pytest.FixtureRequest, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GunicornServer]:
    """One process, with gunicorn's parser in C where it is installed, or without: they wait for more
    where the other one does not."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "store").symlink_to(published / "store")
    environ = variables(folder)
    if "Python" in request.param:
        hidden = folder / "hidden"
        hidden.mkdir()
        (hidden / "gunicorn_h1c.py").write_text("raise ImportError")
        environ["PYTHONPATH"] = str(hidden)
    server = GunicornServer(folder, environ, processes=1, unix="unix" in request.param)
    server.wait_until_serving()
    yield server
    server.stop()


def connect(server: GunicornServer | NginxServer) -> socket.socket:
    """A connection on which nothing takes longer than that."""
    if server.port:
        return socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(WITHIN_S)
    assert isinstance(server, GunicornServer)
    connection.connect(str(server.socket))
    return connection


def until_closed(connection: socket.socket) -> bytes:
    """What comes until the server closes, while our end stays open."""
    answer = b""
    while received := connection.recv(1 << 16):
        answer += received
    return answer


def listed(connection: socket.socket) -> None:
    """Takes a whole list from the connection."""
    answer = b""
    while not answer.endswith(b"/\n"):
        received = connection.recv(1 << 16)
        assert received
        answer += received
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


@no_requests
def test_answered_at_once(server: GunicornServer, sent: bytes) -> None:
    """Another protocol, or bare line feeds: one line says so, and the connection ends, at once."""
    with connect(server) as connection:
        started = time.monotonic()
        connection.sendall(sent)
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and answer.endswith(b"400 Bad Request\n")
    assert time.monotonic() - started < WITHIN_S


@pytest.mark.parametrize("name", ["TLS", "SSH", "bare line feeds throughout", "a bare line feed at the end"])
@pytest.mark.parametrize("behind", [False, True], ids=["on a kept connection", "behind a request"])
def test_after_a_request(server: GunicornServer, name: str, behind: bool) -> None:
    """The same where a good request came before it, whose answer the client has."""
    with connect(server) as connection:
        connection.sendall(LIST + HOST + b"\r\n" + (NO_REQUESTS[name] if behind else b""))
        if not behind:
            listed(connection)
            connection.sendall(NO_REQUESTS[name])
        answer = until_closed(connection)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == behind
    assert answer.endswith(b"400 Bad Request\n")


def test_no_thread_waits_for_them(server: GunicornServer) -> None:
    """Two hundred of them at once, which stay open, leave the service as quick as before."""
    others = [connect(server) for _ in range(200)]
    try:
        started = time.monotonic()
        for number, connection in enumerate(others):
            connection.sendall([*NO_REQUESTS.values()][number % len(NO_REQUESTS)])
        assert server.ask("/healthz").status == 200
        assert time.monotonic() - started < WITHIN_S
    finally:
        for connection in others:
            connection.close()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(LIST + HOST + b"\r\n", id="list"),
        pytest.param(b"\r\n" + LIST + HOST + b"\r\n", id="an empty line before"),
        pytest.param(b"OPTIONS * HTTP/1.0\r\n" + HOST + b"\r\n", id="OPTIONS"),
        pytest.param(b"M-SEARCH http://a.example.org/?\xff\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", id="odd"),
    ],
)
def test_a_slow_request_has_its_time(request_: bytes) -> None:
    """No beginning of a request is taken for something else, however it is cut."""
    assert {judged(request_[:length]) for length in range(1, len(request_))} == {Arrived.PART}
    assert judged(request_) is Arrived.WHOLE


@no_requests
def test_judged_by_what_has_come(sent: bytes) -> None:
    """What can become no request stays so, whatever follows."""
    assert judged(sent) is judged(sent + b"\r") is judged(sent + b"GET / HTTP/1.1") is Arrived.JUNK


@pytest.mark.parametrize("sent", [*NO_REQUESTS.values(), LIST + HOST, LIST + HOST + b"\r\n"])
def test_judged_bit_by_bit(sent: bytes) -> None:
    """Bytes that were judged before need not be judged again: the result is the same, wherever what came
    in between was cut."""
    parts = [length for length in range(min(len(sent), 300)) if judged(sent[:length]) is Arrived.PART]
    assert {judged(sent, length) for length in parts} == {judged(sent)}


# --- limits -----------------------------------------------------------------------------------------------

LIMITS = re.search(
    r"A request line has at most ([0-9,]+) bytes \(longer ones are a ([0-9]+)\), and a request at most "
    r"([0-9]+) header fields of at most ([0-9,]+) bytes each \(more is a ([0-9]+)\);",
    " ".join((ROOT / "README.md").read_text().split()),
)
assert LIMITS, "the README says the limits in another way now"
LINE_BYTES, TOO_LONG, FIELDS, FIELD_BYTES, TOO_MUCH = (int(text.replace(",", "")) for text in LIMITS.groups())


def with_line(length: int) -> bytes:
    line = b"GET /healthz?%s HTTP/1.1"
    return line % (b"a" * (length - len(line % b""))) + b"\r\n" + HOST + b"\r\n"


def with_fields(count: int, length: int = 10) -> bytes:
    """So many header fields; all but one have this length, without their line ends."""
    fields = b"".join(b"X-%03d: " % number + b"a" * (length - 7) + b"\r\n" for number in range(count - 1))
    return LIST + HOST + fields + b"\r\n"


def status(server: GunicornServer | NginxServer, request: bytes) -> int:
    with connect(server) as connection:
        connection.sendall(request)
        return int(connection.recv(1 << 16).split(b" ")[1])


@pytest.fixture(scope="module")
def nginx(server: GunicornServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxServer]:
    nginx = NginxServer(tmp_path_factory.mktemp("nginx"), server.address)
    yield nginx
    nginx.stop()


@pytest.mark.parametrize(
    ("most", "more", "refusal"),
    [
        pytest.param(with_line(LINE_BYTES), with_line(LINE_BYTES + 1), TOO_LONG, id="line"),
        pytest.param(with_fields(FIELDS), with_fields(FIELDS + 1), TOO_MUCH, id="number of fields"),
        pytest.param(with_fields(2, FIELD_BYTES), with_fields(2, FIELD_BYTES + 1), TOO_MUCH, id="field"),
        pytest.param(
            with_fields(FIELDS, FIELD_BYTES), with_fields(FIELDS, FIELD_BYTES + 1), TOO_MUCH, id="all at once"
        ),
    ],
)
def test_limits(server: GunicornServer, most: bytes, more: bytes, refusal: int) -> None:
    """A request as large as the README allows is answered, and one that is larger by one is refused with
    the status that it names."""
    assert (status(server, most), status(server, more)) == (200, refusal)


def test_limits_through_nginx(nginx: NginxServer) -> None:
    """The line is as long as it may be without nginx; the fields, of which it passes on few, may be more
    and longer."""
    assert status(nginx, with_line(LINE_BYTES)) == 200
    assert status(nginx, with_line(LINE_BYTES + 1)) == TOO_LONG
    assert status(nginx, with_fields(2 * FIELDS)) == 200
    assert status(nginx, with_fields(2, FIELD_BYTES + 1)) == 200

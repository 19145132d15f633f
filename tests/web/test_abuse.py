"""Clients that mean no good, against gunicorn itself, without nginx in front."""

from __future__ import annotations

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.web.server.worker import HEADER_WITHIN_S, MAX_HELD_BYTES
from tests.servers import GunicornServer, NginxServer, ask
from tests.web.asking import variables

HOST = b"Host: mirrors.example.org\r\n"
END = b"Connection: close\r\n\r\n"
LIST = b"GET /mirrorlist/9/baseos?arch=x86_64 HTTP/1.1\r\n" + HOST
ALIVE = b"GET /healthz HTTP/1.1\r\n" + HOST
PLAIN = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


@pytest.fixture(scope="module")
def server(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """One process of it, so that whatever harms it is noticed."""
    folder = tmp_path_factory.mktemp("abused")
    (folder / "store").symlink_to(published / "store")
    server = GunicornServer(folder, {**variables(folder), "LOG_FORMAT": "json"}, processes=1)
    [process] = server.descendants()
    yield server
    assert server.descendants() == [process], "the process did not survive"
    server.stop()


def connect(server: GunicornServer | NginxServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def raw(server: GunicornServer | NginxServer, request: bytes) -> bytes:
    """All that comes back until the server closes."""
    answer = b""
    with connect(server) as connection:
        try:
            connection.sendall(request)
            while received := connection.recv(1 << 16):
                answer += received
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before all of it was sent
    return answer


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}, body


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        pytest.param(b"\x00\x01\x02\x03\r\n\r\n", {400}, id="junk"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}, id="TLS"),
        pytest.param(b"PROXY TCP4 10.20.0.1 127.0.0.1 1 2\r\n" + LIST + END, {400}, id="PROXY protocol"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}, id="HTTP/2"),
        pytest.param(b"GET / HTTP/3.0\r\n\r\n", {400}, id="HTTP/3"),
        pytest.param(b"GET /\r\n\r\n", {400}, id="no version"),
        pytest.param(b"F@O /healthz HTTP/1.1\r\n" + HOST + END, {400}, id="no method"),
        pytest.param(b"GET healthz HTTP/1.1\r\n" + HOST + END, {400}, id="no slash"),
        pytest.param(b"GET /canary\x00 HTTP/1.1\r\n" + HOST + END, {400, 404}, id="NUL in the path"),
        pytest.param(LIST + b"X-A: canary\x00\r\n" + END, {400}, id="NUL in a header"),
        pytest.param(LIST + b"X-A: a\rX-Canary: b\r\n" + END, {400}, id="CR in a header"),
        pytest.param(LIST + b"canary\r\n" + END, {400}, id="no colon"),
        pytest.param(LIST + b"X-Canary : a\r\n" + END, {400}, id="blank before the colon"),
        pytest.param(LIST + HOST + END, {400}, id="two hosts"),
        pytest.param(LIST + b"Expect: canary\r\n" + END, {400}, id="unknown expectation"),
        pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + END, {414}, id="long line"),
        pytest.param(b"GET /" + b"a" * 2_000_000, {414, 431}, id="endless line"),
        pytest.param(LIST + b"X-A: " + b"a" * 5000 + b"\r\n" + END, {431}, id="huge header"),
        pytest.param(LIST + b"X-A: b\r\n" * 100 + END, {431}, id="many headers"),
        pytest.param(LIST + b"X-A: b\r\n" * 200_000, {400, 431}, id="endless headers"),
        pytest.param(ALIVE + b"Content-Length: -5\r\n" + END, {400}, id="negative length"),
        pytest.param(ALIVE + b"Content-Length: 5\r\nContent-Length: 6\r\n" + END, {400}, id="two lengths"),
        pytest.param(
            ALIVE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\n",
            {400},
            id="length and chunks",
        ),
        pytest.param(ALIVE + b"Transfer-Encoding: canary\r\n" + END, {400}, id="unknown coding"),
    ],
)
def test_no_http(server: GunicornServer, request_: bytes, statuses: set[int]) -> None:
    """What is no HTTP, or too much of it, is refused in one line that repeats nothing of it. (gunicorn's
    parsers in C and in Python see some of it in another light.)"""
    status, headers, body = parsed(raw(server, request_))
    assert status in statuses
    assert headers.items() >= PLAIN.items()
    assert body.startswith(b"%d " % status) and body.count(b"\n") == 1
    assert b"canary" not in body.lower() and "canary" not in str(headers).lower()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(LIST + END, 200, id="good"),
        pytest.param(LIST.replace(HOST, b"") + END, 400, id="no host"),
        pytest.param(LIST.replace(HOST, b"").replace(b"HTTP/1.1", b"HTTP/1.0") + END, 200, id="HTTP/1.0"),
        pytest.param(b"POST /%00 HTTP/1.1\r\n" + HOST + END, 400, id="POST to an impossible path"),
        pytest.param(LIST + b"X-Forwarded-For: \xff\xfe\r\n" + END, 200, id="Latin-1 in a header"),
        pytest.param(LIST + b"X-Client-Class: \xff|a|b|c\r\n" + END, 200, id="Latin-1 in a class"),
        pytest.param(
            b"GET /mirrorlist/\xff\xfe/\xc3\xa9 HTTP/1.1\r\n" + HOST + END, 404, id="bytes in a path"
        ),
        pytest.param(b"GET http://evil.example.com/x HTTP/1.1\r\n" + HOST + END, 404, id="absolute URL"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\n" + HOST + END, 405, id="OPTIONS *"),
        pytest.param(b"CONNECT evil.example.com:443 HTTP/1.1\r\n" + HOST + END, 405, id="CONNECT"),
        pytest.param(b"TRACE /healthz HTTP/1.1\r\nX-A: canary\r\n" + HOST + END, 405, id="TRACE"),
        pytest.param(
            b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n\r\ncanary", 413, id="POST"
        ),
        pytest.param(
            b"GET /mirrors/a%0d%0aX-Canary:%20b HTTP/1.1\r\n" + HOST + END, 404, id="CR and LF in a path"
        ),
        pytest.param(LIST.replace(b"?", b"?ip=%0d%0aX-Canary:%20b&") + END, 400, id="in a parameter"),
        pytest.param(
            LIST.replace(b"x86_64", b"x86_64" + b"&a=b" * 900) + END, 200, id="as many parameters as fit"
        ),
    ],
)
def test_odd_http(server: GunicornServer, request_: bytes, status: int) -> None:
    """What is HTTP, however odd, is answered by the contract, and header lines stay ours."""
    found, headers, body = parsed(raw(server, request_))
    assert found == status, body
    assert headers.items() >= PLAIN.items()
    assert "canary" not in str(headers).lower() and b"Traceback" not in body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\nabc\r\n0\r\n\r\n", id="no number"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n", id="negative chunk"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nabc", id="endless chunk"),
        pytest.param(b"Content-Length: 99999999999999\r\n\r\nabc", id="endless body"),
    ],
)
def test_bodies_are_not_read(server: GunicornServer, body: bytes) -> None:
    """A request with a body is refused, and its connection closed: what stands in the body is never taken for
    a request."""
    started = time.monotonic()
    answer = raw(server, ALIVE + body + b"GET /mirrorlist/canary/baseos HTTP/1.1\r\n" + HOST + END)
    assert parsed(answer)[0] == 413
    assert answer.endswith(b"413 Request Entity Too Large\n") and answer.count(b"HTTP/1.1") == 1
    assert time.monotonic() - started < 3


def test_pipelining(server: GunicornServer) -> None:
    """Requests sent one behind the other are answered one behind the other."""
    answer = raw(server, (LIST + b"\r\n") * 20 + ALIVE + END)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 21
    assert answer.endswith(b"alive\n")


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        pytest.param(b"", False, id="says nothing"),
        pytest.param(b"Connection: keep-alive\r\n", True, id="asks to be kept"),
    ],
)
def test_http_1_0(server: GunicornServer, more: bytes, kept: bool) -> None:
    """An old client's connection ends with the answer, unless it asks for more."""
    request = LIST.replace(b"1.1", b"1.0") + more + b"\r\n"
    last = ALIVE + END
    answer = raw(server, request + last)
    _, headers, _ = parsed(answer)
    assert headers["connection"] == ("keep-alive" if kept else "close")
    assert answer.endswith(b"alive\n") is kept


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"", id="silent"),
        pytest.param(LIST, id="header without end"),
        pytest.param(LIST + b"X-A: b\r\n" * 300, id="long header without end"),
        pytest.param(LIST + b"X-A: b\r\n" * 9000, id="very long header without end"),
        pytest.param(ALIVE + b"\r\n", id="kept alive"),
        pytest.param(ALIVE + END, id="not closing"),
    ],
)
def test_slow_clients_hold_up_nobody(server: GunicornServer, request_: bytes) -> None:
    """Five times as many clients as there are threads that send half of a request, or never close,
    leave the service as quick as before for others."""
    slow = [connect(server) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(request_)
        started = time.monotonic()
        assert server.ask("/healthz").status == 200
        assert time.monotonic() - started < 3
    finally:
        for connection in slow:
            connection.close()


def test_who_never_closes_keeps_nobody_waiting(server: GunicornServer) -> None:
    """Two hundred clients that want their connection closed, and keep their own end open: each gets its
    answer and the end at once."""
    open_ended = [connect(server) for _ in range(200)]
    try:
        started = time.monotonic()
        for connection in open_ended:
            connection.sendall(LIST + END)
        for connection in open_ended:
            while connection.recv(1 << 16):
                continue
        assert time.monotonic() - started < 5  # a linger of 0.2 s in four threads would take 10
    finally:
        for connection in open_ended:
            connection.close()


@pytest.mark.slow
def test_who_never_reads_holds_up_nobody(server: GunicornServer) -> None:
    """A client that asks on and on and reads no answer fills its own buffers; others are answered."""
    with socket.socket() as deaf, closing(server.connection()) as other:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.settimeout(5)
        deaf.connect(("127.0.0.1", server.port))
        for _ in range(600):
            deaf.sendall(LIST.replace(b" HTTP", b"&limit=50&format=json HTTP") + b"\r\n")
            assert ask(other, "/mirrorlist/9/baseos?arch=x86_64").status == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "more", "within_s"),
    [
        pytest.param(b"", b"", HEADER_WITHIN_S, id="silent"),
        pytest.param(LIST, b"", HEADER_WITHIN_S, id="half of a header"),
        pytest.param(LIST, b"X-A: b\r\n", HEADER_WITHIN_S, id="a header without end"),
        pytest.param(LIST + b"\r\n" + LIST, b"", HEADER_WITHIN_S, id="half of the second header"),
        pytest.param(ALIVE.replace(b"GET", b"POST") + b"Content-Length: 9\r\n\r\n", b"", 1, id="no body"),
        pytest.param(
            ALIVE.replace(b"GET", b"POST") + b"Content-Length: 999\r\n\r\n", b"a", 1, id="a body in drops"
        ),
    ],
)
def test_late_clients_are_ended(server: GunicornServer, sent: bytes, more: bytes, within_s: float) -> None:
    """A header or a body that is not there in time ends its connection, whether more of it comes or not."""
    with connect(server) as connection:
        connection.settimeout(0.1)
        started = time.monotonic()
        connection.sendall(sent)
        while time.monotonic() < started + within_s + 5:
            with suppress(TimeoutError):
                if not connection.recv(1 << 16):
                    break
            if more:
                with suppress(ConnectionError):
                    connection.sendall(more)
        assert time.monotonic() < started + within_s + 3


@pytest.mark.slow
def test_few_open_files(published: Path, tmp_path: Path) -> None:
    """Where the process may open few files, as many silent clients as you like leave room for those that
    speak: the ones that have been silent for longest go."""
    (tmp_path / "store").symlink_to(published / "store")
    server = GunicornServer(tmp_path, variables(tmp_path), processes=1)
    silent = []
    try:
        server.wait_until_serving()
        [process] = server.descendants()
        resource.prlimit(process, resource.RLIMIT_NOFILE, (64, 64))
        for _ in range(3):
            silent += [connect(server) for _ in range(50)]
            assert server.ask("/mirrorlist/9/baseos?arch=x86_64").status == 200
        silent[0].settimeout(5)
        assert silent[0].recv(1) == b""
    finally:
        for connection in silent:
            connection.close()
        server.stop()
    assert "Traceback" not in server.said()


def test_letter_by_letter(server: GunicornServer) -> None:
    """A header that comes in pieces is a header."""
    with connect(server) as connection:
        for letter in (ALIVE + END).decode():
            connection.sendall(letter.encode())
        answer = b""
        while received := connection.recv(1 << 16):
            answer += received
    assert answer.endswith(b"alive\n")


@pytest.mark.slow
def test_memory_is_bounded(server: GunicornServer) -> None:
    """Thousands of odd requests, no two alike, leave the process as large as some hundreds did."""
    [process] = server.descendants()

    def ask(start: int, count: int) -> int:
        """Resident memory after that, in bytes."""
        with connect(server) as connection:
            for number in range(start, start + count, 10):
                lines = [
                    b"GET /mirrorlist/9/baseos?arch=x86_64&a=%s%d HTTP/1.1\r\n%s\r\n" % (b"x" * 3900, n, HOST)
                    for n in range(number, number + 10)
                ]
                connection.sendall(b"".join(lines))
                answer = b""
                while answer.count(b"HTTP/1.1 200 OK") < 10 or not answer.endswith(b"/\n"):
                    answer += connection.recv(1 << 16)
        return resident_bytes(process)

    before = ask(0, 200)
    assert ask(200, 800) < before + 2_000_000  # remembering the targets alone would take 3 MB


def resident_bytes(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
def test_slow_clients_share_a_limit(server: GunicornServer) -> None:
    """However much slow clients send of their headers, the process keeps only so much of it."""
    [process] = server.descendants()
    before, slow = resident_bytes(process), []
    try:
        for _ in range(2 * MAX_HELD_BYTES // 200_000):
            slow.append(connect(server))
            slow[-1].sendall(LIST + b"X-A: %s\r\n" % (b"b" * 4000) * 49)
        slow[len(slow) // 4].settimeout(30)
        with suppress(ConnectionResetError):  # the other way in which its connection may end
            assert slow[len(slow) // 4].recv(1) == b""
        assert resident_bytes(process) < before + 1.5 * MAX_HELD_BYTES
    finally:
        for connection in slow:
            connection.close()


def test_log_lines(server: GunicornServer) -> None:
    """Every line of the log is one JSON object, gunicorn's own too; nothing that clients sent is in it."""
    raw(server, b"GET /canary\x00 HTTP/1.1\r\n" + HOST + END)
    lines = [json.loads(line) for line in server.said().splitlines()]
    assert {"mirrorwise.server", "mirrorwise.web"} <= {line["logger"] for line in lines}
    for line in lines:
        assert line.keys() >= {"time", "level", "logger", "process", "message"}
        assert line["level"] == "info", line
        assert "canary" not in str(line) and "127.0.0.1:" not in str(line).replace(server.address, "")


# --- with nginx in front ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nginx(server: GunicornServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxServer]:
    nginx = NginxServer(tmp_path_factory.mktemp("nginx"), server.address)
    yield nginx
    nginx.stop()


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        pytest.param(LIST + END, {200}, id="good"),
        pytest.param(b"\x00\x01\x02\x03\r\n\r\n", {400}, id="junk"),
        pytest.param(b"GET /canary\x00 HTTP/1.1\r\n" + HOST + END, {400}, id="NUL in the path"),
        pytest.param(LIST + b"X-A: canary\x00\r\n" + END, {400}, id="NUL in a header"),
        pytest.param(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + END, {414}, id="long line"),
        pytest.param(LIST + b"X-A: " + b"a" * 100_000 + b"\r\n" + END, {400, 431}, id="huge header"),
        pytest.param(
            LIST + b"".join(b"X-%d: b\r\n" % n for n in range(100)) + END, {200, 431}, id="many headers"
        ),
        pytest.param(
            b"GET /mirrors/a%0d%0aX-Canary:%20b HTTP/1.1\r\n" + HOST + END, {404}, id="CR and LF in a path"
        ),
        pytest.param(LIST.replace(b"?", b"?ip=%0d%0aX-Canary:%20b&") + END, {400}, id="in a parameter"),
        pytest.param(LIST.replace(b"?", b"?limit=%00&") + END, {400}, id="NUL in a parameter"),
        pytest.param(
            LIST.replace(b"x86_64", b"x86_64" + b"&a=b" * 10_000) + END, {414}, id="10,000 parameters"
        ),
        pytest.param(ALIVE + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n", {400, 411, 413}, id="bad chunk"),
        pytest.param(ALIVE + b"Transfer-Encoding: canary\r\n" + END, {400, 501}, id="unknown coding"),
        pytest.param(b"TRACE / HTTP/1.1\r\nX-A: canary\r\n" + HOST + END, {405}, id="TRACE"),
        pytest.param(b"PURGE /healthz HTTP/1.1\r\n" + HOST + END, {405}, id="PURGE"),
    ],
)
def test_through_nginx(nginx: NginxServer, request_: bytes, statuses: set[int]) -> None:
    """The same through nginx: refused there or answered by us, and header lines stay ours."""
    status, headers, body = parsed(raw(nginx, request_))
    assert status in statuses, body
    assert "canary" not in str(headers).lower() and b"Traceback" not in body

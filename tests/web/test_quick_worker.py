"""Which requests gunicorn's main loop answers itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from app.web.server.worker import Arrived, arrived

END = b"\r\nHost: mirrors.example.org\r\n\r\n"
LIST = b"GET /mirrorlist/9/baseos?arch=x86_64 HTTP/1.1" + END

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client's end of a connection, and ours."""
    if request.param == "unix":
        client, ours = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
    with client, ours:
        yield client, ours


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(LIST, id="AlmaLinux"),
        pytest.param(b"GET /mirrorlist?repo=baseos-9&arch=x86_64 HTTP/1.1" + END, id="MirrorManager"),
        pytest.param(b"GET /?release=9&repo=baseos&arch=x86_64 HTTP/1.1" + END, id="CentOS"),
        pytest.param(b"GET /metalink/9/baseos?arch=x86_64 HTTP/1.1" + END, id="metalink"),
        pytest.param(b"GET /isolist/9/x86_64 HTTP/1.1" + END, id="ISOs"),
        pytest.param(b"GET /download/9.8/isos/x86_64/a.iso HTTP/1.1" + END, id="download"),
    ],
)
def test_quick(pair: Pair, request_: bytes) -> None:
    """A whole request for a list, alone."""
    client, ours = pair
    client.sendall(request_)
    assert arrived(ours) is Arrived.QUICK


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(LIST.replace(b" HTTP", b"&explain=1 HTTP"), id="explanation"),
        pytest.param(LIST.replace(b" HTTP", b"&%65xplain=1 HTTP"), id="encoded"),
        pytest.param(b"GET /explain HTTP/1.1" + END, id="explanation by path"),
        pytest.param(b"GET //mirrors HTTP/1.1" + END, id="mirrors, two slashes"),
        pytest.param(b"GET /metrics HTTP/1.1" + END, id="metrics"),
        pytest.param(LIST.replace(b"GET", b"POST"), id="another method"),
        pytest.param(LIST.replace(b"1.1", b"1.0"), id="HTTP/1.0"),
        pytest.param(LIST + LIST, id="two at once"),
        pytest.param(LIST + b"\r\n\r\n", id="something behind"),
        pytest.param(LIST[:-4] + b"\r\nX-A: " + b"a" * 3000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"\r\n\r\n", id="no request"),
    ],
)
def test_for_a_thread(pair: Pair, request_: bytes) -> None:
    """What may take longer, or is more than one request."""
    client, ours = pair
    client.sendall(request_)
    assert arrived(ours) is Arrived.WHOLE


def test_unsent_answers(pair: Pair) -> None:
    """Somebody who does not read what was sent before must not keep the main loop waiting."""
    client, ours = pair
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            ours.send(bytes(1 << 16))
    client.sendall(LIST)
    assert arrived(ours) is Arrived.WHOLE


def test_end(pair: Pair) -> None:
    """A connection that the client has closed."""
    client, ours = pair
    client.close()
    assert arrived(ours) is Arrived.WHOLE


def test_nothing_yet(pair: Pair) -> None:
    """A connection on which nothing has come."""
    assert arrived(pair[1]) is Arrived.PART


def test_part_of_a_header() -> None:
    """Half of a header, from a client; the rest makes it whole."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with client, ours:
        client.sendall(LIST[:-2])
        assert arrived(ours) is Arrived.PART
        client.sendall(LIST[-2:])
        assert arrived(ours) is Arrived.QUICK

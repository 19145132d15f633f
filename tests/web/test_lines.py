"""Who waits for whom in the server's lines."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from app.web.server.connection import Connection, Line, peer_of


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


@pytest.mark.parametrize(
    ("client", "other", "same"),
    [
        pytest.param(("192.0.2.1", 1), ("192.0.2.1", 2), True, id="one address"),
        pytest.param(("192.0.2.1", 1), ("192.0.2.2", 1), False, id="two addresses"),
        pytest.param(("2001:db8::1", 1, 0, 0), ("2001:db8::2:0:0:1", 2, 0, 0), True, id="one /64"),
        pytest.param(("2001:db8::1", 1, 0, 0), ("2001:db8:0:1::1", 1, 0, 0), False, id="two /64"),
        pytest.param(("::ffff:192.0.2.1", 1, 0, 0), ("::ffff:192.0.2.2", 1, 0, 0), False, id="mapped"),
        pytest.param(("fe80::1%lo", 1, 0, 1), ("fe80::2%lo", 1, 0, 1), True, id="with a zone"),
        pytest.param("", "", False, id="Unix socket"),
    ],
)
def test_peers(sock: socket.socket, client: object, other: object, same: bool) -> None:
    """Connections are of one peer if they come from one IPv4 address or one /64 of IPv6. On a Unix socket
    each is of its own, because all clients of a proxy come over it."""
    assert (Connection(sock, client, None).peer == Connection(sock, other, None).peer) is same


def test_a_unix_socket_has_no_peer() -> None:
    """There is no address that connections could share."""
    assert peer_of("") is None


def test_peers_take_turns(sock: socket.socket) -> None:
    """One with many connections in line keeps another waiting for one of them only; those of one peer are
    answered in order."""
    line = Line()
    busy = [Connection(sock, ("192.0.2.1", port), None) for port in range(4)]
    other = [Connection(sock, ("192.0.2.2", port), None) for port in range(2)]
    for connection in busy + other:
        line.join(connection)
    assert len(line) == 6
    found = [line.next() for _ in range(6)]
    assert found == [busy[0], other[0], busy[1], other[1], busy[2], busy[3]]
    assert not line

"""Holds a client's connection, and knows how long the server has been waiting for the client."""

from __future__ import annotations

import socket
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from typing import NamedTuple

JOINED_BYTES = 1 << 16
"""The size from which an answer is sent in several pieces; a smaller one is sent in one piece."""
SENT_AT_ONCE_BYTES = 1 << 15
"""The largest part of an answer that is sent before other connections get their turn. A large answer may be
taken as fast as it is sent."""


class Reply(NamedTuple):
    """An answer as the bytes that are sent. If it `ends`, the connection is closed behind it. If it
    `lingers`, the client may still be sending bytes that the server does not read."""

    parts: list[bytes]
    ends: bool
    lingers: bool = False


class Listener(NamedTuple):
    """A socket on which new connections come, with the address that it is bound to."""

    sock: socket.socket
    name: object


class Connection:
    """A client's connection. Its `stage` says what the server waits for the client to do. The `stage` is None
    while the client waits for the server."""

    __slots__ = (
        *("client", "discarded", "fd", "held", "judged", "mask", "peer"),
        *("received", "reply", "request_bytes", "server", "sock", "stage", "unsent"),
    )

    def __init__(self, sock: socket.socket, client: object, server: object) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.client = client
        #: Whose requests wait for each other: those of an address or, on a Unix socket, of this connection.
        self.peer: Hashable = peer_of(client) or self
        self.server = server
        self.received = b""
        #: The number of bytes in `received` that were judged to be a part of a header.
        self.judged = 0
        #: The length of the request that `received` begins with, once it has come as a whole.
        self.request_bytes = 0
        self.reply = Reply([], ends=False)
        self.unsent: list[bytes | memoryview] = []
        self.stage: Stage | None = None
        #: The events that epoll is to report for this connection; 0 if it is not registered there.
        self.mask = 0
        #: The number of bytes that this connection keeps in memory while its client is slow.
        self.held = 0
        #: The number of bytes that were read and dropped after the last answer on this connection.
        self.discarded = 0

    def take_request(self) -> bytes:
        """Removes the request from what has been received, and returns it."""
        end = self.request_bytes
        taken, self.received = self.received[:end], self.received[end:]
        self.judged = 0
        return taken

    def send(self) -> bool:
        """Sends as much of the answer as the client takes now and may have at once. Returns whether all of it
        is sent. Raises OSError."""
        left = SENT_AT_ONCE_BYTES
        while self.unsent and left > 0:
            first = self.unsent[0]
            try:
                sent = self.sock.send(first if len(first) <= left else memoryview(first)[:left])
            except BlockingIOError:
                return False
            left -= sent
            if sent == len(first):
                del self.unsent[0]
            else:
                self.unsent[0] = memoryview(first)[sent:]
        return not self.unsent


def peer_of(client: object) -> Hashable:
    """Returns whom the address of a socket stands for: an IPv4 address, or the /64 of an IPv6 address, all
    of which one client may have. Returns None for a Unix socket."""
    if not isinstance(client, tuple):
        return None
    host = str(client[0])
    if ":" not in host or "." in host:  # an IPv4 address may be written as an IPv6 address
        return host
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8]


class Line:
    """Connections whose requests wait to be answered. The peers take turns, however many connections each
    has."""

    def __init__(self) -> None:
        self._by_peer: OrderedDict[Hashable, deque[Connection]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def join(self, connection: Connection) -> None:
        self._length += 1
        waiting = self._by_peer.get(connection.peer)
        if waiting is None:
            waiting = self._by_peer[connection.peer] = deque()
        waiting.append(connection)

    def next(self) -> Connection:
        """Removes the connection whose turn it is, and returns it."""
        self._length -= 1
        peer, waiting = next(iter(self._by_peer.items()))
        connection = waiting.popleft()
        if waiting:
            self._by_peer.move_to_end(peer)
        else:
            del self._by_peer[peer]
        return connection


class Stage:
    """The connections that wait for their clients in the same way, such as for a header. Each client has
    `within_s` seconds for that."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._since: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def enter(self, connection: Connection, now: float) -> None:
        """Puts a connection into this stage. The time of its client begins now."""
        if connection.stage is self:
            self._since.move_to_end(connection)
        else:
            leave_stage(connection)
            connection.stage = self
        self._since[connection] = now

    def leave(self, connection: Connection) -> None:
        del self._since[connection]

    @property
    def longest(self) -> Connection:
        return next(iter(self._since))

    def share_used(self, now: float) -> float:
        """Returns the share of its time that the client of the longest waiting connection has used, or -1 if
        no connection waits."""
        return (now - self._since[self.longest]) / self.within_s if self._since else -1.0

    def late(self, now: float) -> Iterator[Connection]:
        """Yields the connections whose time is up. The caller ends each of them."""
        while self._since and self.share_used(now) >= 1:
            yield self.longest


def leave_stage(connection: Connection) -> None:
    """Stops the client's deadline by taking the connection out of its stage, if it is in one: the server is
    next to act."""
    if connection.stage is not None:
        connection.stage.leave(connection)
        connection.stage = None

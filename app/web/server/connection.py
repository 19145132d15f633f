"""A client's connection, and the ways in which it may wait for its client."""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

JOINED_BYTES = 1 << 16
"""Smaller answers are sent in one piece."""


class Reply(NamedTuple):
    """An answer as it is sent. `ends`: the connection ends behind it. `lingers`: not all that the client
    sends was read."""

    parts: list[bytes]
    ends: bool
    lingers: bool = False


class Listener(NamedTuple):
    sock: socket.socket
    name: object


class Connection:
    """`stage` is None while the client waits for us."""

    __slots__ = (
        *("client", "discarded", "fd", "held", "judged", "mask"),
        *("received", "reply", "server", "sock", "stage", "unsent"),
    )

    def __init__(self, sock: socket.socket, client: object, server: object) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.client = client
        self.server = server
        self.received = b""
        #: So much of it is a part of a request.
        self.judged = 0
        self.reply = Reply([], ends=False)
        self.unsent: list[bytes | memoryview] = []
        self.stage: Stage | None = None
        #: What the poller tells of it.
        self.mask = 0
        #: How many bytes it keeps in memory while its client is slow.
        self.held = 0
        #: How much was read and dropped after its last answer.
        self.discarded = 0

    def take(self, end: int) -> bytes:
        """The first bytes of what has been received, which are no longer there then."""
        taken, self.received = self.received[:end], self.received[end:]
        self.judged = 0
        return taken

    def send(self) -> bool:
        """Sends what the client takes now; whether that was all. Raises OSError."""
        while self.unsent:
            first = self.unsent[0]
            try:
                sent = self.sock.send(first)
            except BlockingIOError:
                return False
            if sent == len(first):
                del self.unsent[0]
            else:
                self.unsent[0] = memoryview(first)[sent:]
        return True


class Stage:
    """Connections that wait for their clients in one way. A client has `within_s` for it."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._since: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def enter(self, connection: Connection, now: float) -> None:
        """The client's time begins."""
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
        """The share of its time that the longest has used."""
        return (now - self._since[self.longest]) / self.within_s if self._since else -1.0

    def late(self, now: float) -> Iterator[Connection]:
        """Those whose time is up; the caller takes each of them out."""
        while self._since and self.share_used(now) >= 1:
            yield self.longest


def leave_stage(connection: Connection) -> None:
    """Whatever follows is for us to do."""
    if connection.stage is not None:
        connection.stage.leave(connection)
        connection.stage = None

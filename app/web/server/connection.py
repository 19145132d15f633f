"""Holds a client's connection, and knows for how long it has waited for its client."""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

JOINED_BYTES = 1 << 16
"""An answer that is smaller is sent in one piece."""


class Reply(NamedTuple):
    """An answer as it is sent. If it `ends`, the connection ends behind it. If it `lingers`, the client may
    still be sending what is not read."""

    parts: list[bytes]
    ends: bool
    lingers: bool = False


class Listener(NamedTuple):
    """A socket for new connections, with its address."""

    sock: socket.socket
    name: object


class Connection:
    """A client's connection. Its `stage` is None while the client waits for us, not we for the client."""

    __slots__ = (
        *("answered_s", "client", "discarded", "fd", "held", "judged", "mask"),
        *("received", "reply", "request_bytes", "server", "sock", "stage", "unsent"),
    )

    def __init__(self, sock: socket.socket, client: object, server: object) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.client = client
        self.server = server
        self.received = b""
        #: The number of bytes of it that were judged to be a part of a header.
        self.judged = 0
        #: The length of the request that `received` begins with, once it has come as a whole.
        self.request_bytes = 0
        #: When it took all of its last answer, in seconds of the monotonic clock.
        self.answered_s = float("-inf")
        self.reply = Reply([], ends=False)
        self.unsent: list[bytes | memoryview] = []
        self.stage: Stage | None = None
        #: The events of which the poller tells.
        self.mask = 0
        #: The number of bytes that it keeps in memory while its client is slow.
        self.held = 0
        #: The number of bytes that were read and dropped after its last answer.
        self.discarded = 0

    def take_request(self) -> bytes:
        """Removes the request from what has been received, and returns it."""
        end = self.request_bytes
        taken, self.received = self.received[:end], self.received[end:]
        self.judged = 0
        return taken

    def send(self) -> bool:
        """Sends what the client takes now, and returns whether that was all. Raises OSError."""
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
    """The connections that wait for their clients in one way, for which a client has `within_s`."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._since: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def enter(self, connection: Connection, now: float) -> None:
        """Lets the client's time begin now."""
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
        """Returns the share of its time that the longest has used, or -1 if no connection waits."""
        return (now - self._since[self.longest]) / self.within_s if self._since else -1.0

    def late(self, now: float) -> Iterator[Connection]:
        """Yields the connections whose time is up. The caller ends each of them."""
        while self._since and self.share_used(now) >= 1:
            yield self.longest


def leave_stage(connection: Connection) -> None:
    """Ends the client's time: what follows is for us to do."""
    if connection.stage is not None:
        connection.stage.leave(connection)
        connection.stage = None

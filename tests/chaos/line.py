"""A TCP line between a program and its server that can be made slow, or lead to another server."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

PIECE_BYTES = 1 << 16
TICK_S = 0.05


class SlowLine:
    """Passes on what comes, in both directions, to a loopback port. `delay_s`: before each piece;
    `bytes_per_s`: of each connection, in each direction; `target`: the port that new connections go
    to, as when a virtual IP moves; established ones stay. All may be changed at any time."""

    def __init__(self, target: int) -> None:
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.target = target
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.port: int = self._server.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self.delay_s, self.bytes_per_s = 0.0, None
        self._server.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._server.close()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                thread = threading.Thread(target=self._connect, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _connect(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as server:
            self._open |= {client, server}
            forth = threading.Thread(target=self._pass, args=(client, server))
            forth.start()
            self._pass(server, client)
            forth.join()
            self._open -= {client, server}

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                time.sleep(self.delay_s)
                while piece:
                    rate = self.bytes_per_s
                    size = len(piece) if rate is None else max(1, int(rate * TICK_S))
                    target.sendall(piece[:size])
                    piece = piece[size:]
                    if rate is not None:
                        time.sleep(TICK_S)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

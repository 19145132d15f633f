"""gunicorn's worker and logger, as a service that faces anybody wants them.

A thread is taken only by a client that has sent something, and for seconds at most: without that,
a handful of clients that connect and say nothing, or a letter a minute, would keep all threads. What
is no HTTP is answered in one plain line that repeats nothing of it, and is not logged, or anybody
could fill the log. gunicorn's own lines go where ours go.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.workers import gthread

REQUEST_WITHIN_S = 5.0
"""From a request's first byte to its answer's last; looked at once a second."""


class Gateway(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Connections are `gthread.TConn`."""

    def init_process(self) -> None:
        self._deadlines: dict[Any, float] = {}
        super().init_process()

    def handle(self, conn: Any) -> Any:
        if not conn.initialized and not conn.wait_for_data(0):
            return gthread._DEFER  # the main loop waits for it, with no thread
        self._deadlines[conn] = time.monotonic() + REQUEST_WITHIN_S
        try:
            return super().handle(conn)
        finally:
            del self._deadlines[conn]

    def murder_pending(self) -> None:
        """Called by the main loop. A socket that is shut down ends the thread's reading or writing."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in tuple(self._deadlines.items()):
            if deadline < now:
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        match exc:
            case errors.LimitRequestLine():
                status = HTTPStatus.REQUEST_URI_TOO_LONG
            case errors.LimitRequestHeaders():
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            case errors.ParseException():
                status = HTTPStatus.BAD_REQUEST
            case _:
                self.log.exception("a request failed")
                status = HTTPStatus.INTERNAL_SERVER_ERROR
        line = f"{status.value} {status.phrase}"
        answer = (
            f"HTTP/1.1 {line}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(line) + 1}\r\n\r\n{line}\n"
        )
        with suppress(OSError):
            client.sendall(answer.encode())


class RootLogger(Logger):  # type: ignore[misc]  # as above
    """To the root logger's handlers, instead of to its own."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

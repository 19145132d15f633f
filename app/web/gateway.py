"""gunicorn's worker and logger, as a service that anybody can reach wants them.

gunicorn counts on a proxy in front that takes slow and odd clients upon itself. Without one, a
handful of clients that connect and say nothing, send a letter a minute, or never read their answer,
would keep all threads. So a thread is taken only for a request whose header has arrived, and for
seconds at most. Bodies are not read: the connection is closed instead. What is no HTTP is answered
in one plain line that repeats nothing of it, and is not logged, or anybody could fill the log.
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

HEADER_WITHIN_S = 10.0
ANSWER_WITHIN_S = 5.0
"""Until it is written; looked at once a second."""
LINGER_S = 0.2
USUAL_HEADER_BYTES = 1 << 11
MAX_UNREAD_BYTES = 1 << 16
_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT


class Gateway(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Connections are `gthread.TConn`. `handle` and what it calls run in threads, the rest in the main
    loop."""

    def init_process(self) -> None:
        self._deadlines: dict[Any, float] = {}
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Whether the connection may be kept."""
        if not _has_header(conn.sock):
            conn.begun_at = getattr(conn, "begun_at", None) or time.monotonic()
            return time.monotonic() < conn.begun_at + HEADER_WITHIN_S and gthread._DEFER
        if getattr(conn, "begun_at", None):
            conn.begun_at = None
            _wake_at(conn.sock, 1)
        conn.data_ready = True
        self._deadlines[conn] = time.monotonic() + ANSWER_WITHIN_S
        try:
            kept = super().handle(conn)
            while kept is True and conn.parser.unreader.buf.getbuffer().nbytes:
                kept = super().handle(conn)  # sent behind the first: the main loop would not notice it
            if kept is False:
                _finish(conn.sock)
            return kept
        finally:
            del self._deadlines[conn]

    def handle_request(self, req: Any, conn: Any) -> bool:
        kept: bool = super().handle_request(req, conn)
        for name, value in req.headers:
            if name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and value != "0"):
                return False
        return kept

    def murder_pending(self) -> None:
        """Called by the main loop. A socket that is shut down ends the thread's writing."""
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


def _has_header(sock: socket.socket) -> bool:
    """Whether all of a header has arrived, or so much that it is too long, or the end. If not, the
    socket counts as readable again when there is more than now."""
    if sock.family == socket.AF_UNIX:
        return True  # a proxy, which sends it whole; and there is no such mark there
    try:
        waiting = sock.recv(USUAL_HEADER_BYTES, _PEEK)
        if len(waiting) == USUAL_HEADER_BYTES and b"\n\r\n" not in waiting:
            waiting = sock.recv(MAX_UNREAD_BYTES, _PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    if b"\n\r\n" in waiting or not waiting or b"\n\n" in waiting or len(waiting) == MAX_UNREAD_BYTES:
        return True
    _wake_at(sock, len(waiting) + 1)
    return False


def _wake_at(sock: socket.socket, waiting_bytes: int) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, waiting_bytes)


def _finish(sock: socket.socket) -> None:
    """End a connection. If not all that the client sent was read, closing would take the answer from
    it (RFC 9112, section 9.6). gunicorn would wait in the main loop, for longer; it finds it done."""
    deadline = time.monotonic() + LINGER_S
    unread = 0
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while unread < MAX_UNREAD_BYTES and (left_s := deadline - time.monotonic()) > 0:
            sock.settimeout(left_s)
            received = len(sock.recv(4096))
            if not received:
                break
            unread += received
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class RootLogger(Logger):  # type: ignore[misc]  # as above
    """To the root logger's handlers, instead of to its own."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

"""A gunicorn worker that answers lists in its main loop, and is hardened for a public service.

gunicorn hands every request to a thread, and every connection back to the main loop: these two changes of
threads cost three times what an answer of ours does. So the main loop itself answers a *quick* request.
That is a small request for a list, which arrived whole and alone on a connection that has nothing left to
send, so that nothing in it can wait. A thread answers every other request.

gunicorn also counts on a proxy in front of it that deals with slow and odd clients. Without one, a
handful of clients that connect and say nothing, send a letter a minute, or never read their answer,
would keep all threads busy. So a thread is taken only for a request whose header has arrived, and for
seconds at most. Bodies are not read: the connection is closed instead. What is not HTTP is answered with
one plain line that repeats nothing of it, and is not logged, or any client could fill the log. What
cannot become HTTP, whatever follows, gets that line at once: another protocol, or bare line feeds.
"""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from enum import Enum, auto
from fcntl import ioctl
from http import HTTPStatus
from termios import TIOCOUTQ
from typing import Any

from gunicorn.http import errors, wsgi
from gunicorn.workers import gthread

from app.render import text
from app.web.forms import quick_path_pattern
from app.web.server.response import Response

HEADER_WITHIN_S = 10.0
ANSWER_WITHIN_S = 5.0
"""How long an answer may take until it is written; this is looked at once a second."""
LINGER_S = 0.2
USUAL_HEADER_BYTES = 1 << 11
MAX_UNREAD_BYTES = 1 << 16
_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT

_QUICK = re.compile(rb"GET " + quick_path_pattern() + rb"(?!\S*(?:%|explain))\S* HTTP/1\.1\r\n")
"""The line of a quick request. It asks for no explanation, which takes a hundred times as long, nor for
anything percent-encoded, which might be one."""
_BEGINNING = re.compile(
    rb"(?:\r\n?)?(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+(?: [^ \r\n]*(?: [HTP/0-9.]*(?:\r(?:\n.*)?)?)?)?)?", re.DOTALL
)
"""The beginning of a request, cut anywhere: an empty line, which some clients send, then method, target,
version, line end and header lines."""
_NONE_UNSENT = bytes(4)


class Arrived(Enum):
    """How much of a request has arrived on a connection."""

    PART = auto()
    #: All of its header; or something else that is for a thread.
    WHOLE = auto()
    #: All of a quick request, and nothing else.
    QUICK = auto()
    #: Something of which nothing that may follow makes a request.
    JUNK = auto()


class QuickWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`conn` is a `gthread.TConn` throughout. `handle` and what it calls run in a thread or, for a quick
    request, in the main loop, where all the rest runs."""

    def init_process(self) -> None:
        self._deadlines: dict[Any, float] = {}
        super().init_process()

    # --- in the main loop ------------------------------------------------------------------------

    def enqueue_req(self, conn: Any) -> None:
        """Deals with a new connection, or with one that has something to read."""
        match arrived(conn.sock):
            case Arrived.PART:
                conn.begun_at = getattr(conn, "begun_at", None) or time.monotonic()
                if time.monotonic() < conn.begun_at + HEADER_WITHIN_S:
                    self.finish_request(conn, _done(gthread._DEFER))
                else:
                    conn.is_done = False
                    self._end(conn)
            case Arrived.QUICK:
                if self._answer(conn):
                    self.finish_request(conn, _done(True))
                else:
                    self._end(conn)
            case Arrived.JUNK:
                conn.sock.setblocking(False)
                self._refuse(conn)
                with suppress(OSError):  # what is left unread would take the answer from the client
                    conn.sock.recv(MAX_UNREAD_BYTES)
                conn.is_done = True
                self._end(conn)
            case Arrived.WHOLE:
                super().enqueue_req(conn)

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Does what gunicorn does, but leaves a connection that gets a quick answer where it is."""
        if arrived(client) is not Arrived.QUICK:
            super().on_client_socket_readable(conn, client)
            return
        self.keepalived_conns.remove(conn)
        if self._answer(conn):
            conn.set_timeout()
            self.keepalived_conns.append(conn)  # in the order of their timeouts
        else:
            self.poller.unregister(client)
            self._end(conn)

    def _answer(self, conn: Any) -> bool:
        """Answers a quick request; whether the connection may be kept."""
        self._begin(conn)
        conn.is_done = False
        kept: bool = super().handle(conn)
        return kept

    def _end(self, conn: Any) -> None:
        """Ends a connection: at once where the client has nothing more to say, and otherwise in a thread,
        since that may take a moment."""
        if conn.is_done:
            _shut(conn.sock)
            self.finish_request(conn, _done(False))
            return
        end = self.tpool.submit(_finish, conn.sock)
        end.add_done_callback(lambda _: self.method_queue.defer(self.finish_request, conn, _done(False)))

    def murder_pending(self) -> None:
        """Also shuts down the sockets of answers that take too long, which ends the thread's writing."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in tuple(self._deadlines.items()):
            if deadline < now:
                _shut(conn.sock)

    # --- in a thread -------------------------------------------------------------------------------

    def handle(self, conn: Any) -> Any:
        """Answers what has arrived; whether the connection may be kept."""
        self._begin(conn)
        self._deadlines[conn] = time.monotonic() + ANSWER_WITHIN_S
        try:
            kept = super().handle(conn)
            # The main loop would not notice what was sent behind the first request.
            while kept is True and (behind := conn.parser.unreader.buf.getvalue()):
                kept = self._refuse(conn) if judged(behind) is Arrived.JUNK else super().handle(conn)
            if kept is False:
                _finish(conn.sock)
            return kept
        finally:
            del self._deadlines[conn]

    # --- in either ---------------------------------------------------------------------------------

    @staticmethod
    def _begin(conn: Any) -> None:
        """Notes that all of a header has arrived."""
        if getattr(conn, "begun_at", None):
            conn.begun_at = None
            _wake_at(conn.sock, 1)
        conn.data_ready = True

    def _refuse(self, conn: Any) -> bool:
        """Answers that this was no request. The connection may not be kept."""
        self.handle_error(None, conn.sock, conn.client, errors.ParseException())
        return False

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Answers one request; whether the connection may be kept."""
        response, environ = wsgi.create(
            req, conn.sock, conn.client, conn.server, self.cfg, response_class=Response
        )
        environ["wsgi.multithread"] = True
        conn.is_done = not _has_body(req)
        if not self.alive or not conn.is_done or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        body = self.wsgi(environ, response.start_response)
        try:
            for part in body:
                response.write(part)
            response.close()
        finally:
            getattr(body, "close", lambda: None)()
        return not response.should_close()

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
            f"HTTP/1.1 {line}\r\nConnection: close\r\nContent-Type: {text.CONTENT_TYPE}\r\n"
            f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(line) + 1}\r\n\r\n{line}\n"
        )
        with suppress(OSError):
            client.sendall(answer.encode())


def _has_body(req: Any) -> bool:
    return any(
        name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and value != "0")
        for name, value in req.headers
    )


def _done(kept: Any) -> Future[Any]:
    """The future of a thread that has answered."""
    future: Future[Any] = Future()
    future.set_result(kept)
    return future


def arrived(sock: socket.socket) -> Arrived:
    """What waits to be read from a connection. A header that is too long, and the connection's end, count
    as WHOLE: they are for a thread. After PART the socket counts as readable again only when there is more
    than now."""
    try:
        waiting = sock.recv(USUAL_HEADER_BYTES, _PEEK)
        if _QUICK.match(waiting) and waiting.find(b"\r\n\r\n") == len(waiting) - 4:
            # With nothing left to send, what a list takes fits into the socket's buffer.
            return Arrived.QUICK if ioctl(sock, TIOCOUTQ, _NONE_UNSENT) == _NONE_UNSENT else Arrived.WHOLE
        if len(waiting) == USUAL_HEADER_BYTES and b"\r\n\r\n" not in waiting:
            waiting = sock.recv(MAX_UNREAD_BYTES, _PEEK)
    except BlockingIOError:
        return Arrived.PART
    except OSError:
        return Arrived.WHOLE
    found = judged(waiting)
    if found is Arrived.PART:
        if sock.family == socket.AF_UNIX:
            return Arrived.WHOLE  # a proxy, which sends the rest at once; and there is no such mark there
        _wake_at(sock, len(waiting) + 1)
    return found


def judged(waiting: bytes) -> Arrived:
    """Whether these bytes are PART, WHOLE or JUNK. A whole header is for gunicorn's parser, whatever is
    in it."""
    if b"\r\n\r\n" in waiting or not waiting:
        return Arrived.WHOLE
    if _BEGINNING.fullmatch(waiting) is None or waiting.count(b"\n") > waiting.count(b"\r\n"):
        return Arrived.JUNK
    return Arrived.PART if len(waiting) < MAX_UNREAD_BYTES else Arrived.WHOLE


def _wake_at(sock: socket.socket, waiting_bytes: int) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, waiting_bytes)


def _finish(sock: socket.socket) -> None:
    """Ends a connection. If not all that the client sent was read, closing would take the answer from
    it (RFC 9112, section 9.6). gunicorn would wait for that in the main loop, and longer; it finds nothing
    left to do."""
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
    _shut(sock)


def _shut(sock: socket.socket) -> None:
    """Shuts a socket down, so that gunicorn closes it without waiting."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)

"""A gunicorn worker whose main loop has all the sockets and waits for no client.

The main loop reads from each connection the bytes that have come, and sends as many as the client takes. A
client that is slow, or never reads, thus costs a buffer and a place in line, and no other thread ever has
anything to do with a socket. Each client has a limited time. When there are too many connections, or slow
clients keep too much memory in use, the connection is closed whose client has used most of its time.

A request that takes little time is answered in the main loop itself: handing it to a thread and back would
cost three times as much as making the answer. There are two lines of such requests. A client that asks again
as soon as it has an answer, on whatever connection, is hasty, and waits in the second line. All other clients
are in the first line, which a client passes at once if its question was asked before. In each turn of the
loop each line gets a share of the time, so that neither keeps the other waiting for long, and within a line
clients take turns: those that ask as fast as they can wait for each other, and ordinary clients hardly notice
them. A client is an address here. A proxy is one client, too, unless it comes over a Unix socket, where each
connection is one. As many new connections are accepted in a turn as there were connections with something to
do.

Requests that take longer, for explanations above all, are answered by a second thread. There is only one: of
two threads that compute, Python would still run one at a time, and the main loop would have to wait for both.

Bodies are not read: the connection is closed instead. Bytes that are not HTTP are answered with one plain
line that repeats nothing of them, and are not logged, or any client could fill the log.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus

from gunicorn.workers import base

from app.web.server.arrival import END, Arrived, judged, quick_target
from app.web.server.connection import Connection, Line, Listener, Reply, Stage, leave_stage
from app.web.server.replies import Replies, refusal

HEADER_WITHIN_S = 10.0
SENT_WITHIN_S = 20.0
LINGER_S = 0.2
MAX_CONNECTIONS = 4000
OTHER_FILES = 100
"""The largest number of files that a process has open besides its connections."""
MAX_HELD_BYTES = 1 << 26
"""The memory, in bytes, that all slow clients together may take."""
MAX_FOR_THREAD = 200
"""The largest number of requests that may wait for the thread; they are some seconds' work."""
HASTE_S = 0.01
"""A client is hasty if it asks again within this time of its last answer."""
SHARE_S = 0.001
"""The time that each line gets in each turn, at least. It is a multiple of what a turn costs itself."""
RECEIVED_BYTES = 1 << 14
MAX_DISCARDED_BYTES = 1 << 22
TICK_S = 0.1
IDLE_S = 1.0
SWITCH_S = 0.0002
"""The time after which the thread hands Python's interpreter to the main loop, which asks for it several
times for each answer."""

_NEVER = float("-inf")
_REFUSALS = {
    Arrived.JUNK: HTTPStatus.BAD_REQUEST,
    Arrived.LONG_LINE: HTTPStatus.REQUEST_URI_TOO_LONG,
    Arrived.LONG_HEADER: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}


class QuickWorker(base.Worker):  # type: ignore[misc]  # gunicorn has no types
    """The main loop of a web process. Only `_answer_in_thread` runs in another thread."""

    def run(self) -> None:
        """Runs until the worker is told to stop, and then until all connections have ended, but not longer
        than gunicorn's `graceful_timeout`."""
        self._begin()
        while self.alive and self.ppid == os.getppid():
            self._turn(IDLE_S)
        self._stop_listening()
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while self._connections and (left_s := deadline - time.monotonic()) > 0:
            self._turn(left_s)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        sys.setswitchinterval(SWITCH_S)
        self._replies = Replies(self.cfg, self.wsgi, self.log)
        self._connections: dict[int, Connection] = {}
        #: Connections on which a part of a header has arrived, or nothing yet.
        self._beginning = Stage(HEADER_WITHIN_S)
        #: Connections that have not taken all of their answer.
        self._sending = Stage(SENT_WITHIN_S)
        #: Connections that have their answer and are kept open for the next request.
        self._idle = Stage(self.cfg.keepalive)
        #: Connections that are being closed, whose clients may still be sending.
        self._leaving = Stage(LINGER_S)
        self._stages = (self._beginning, self._sending, self._idle, self._leaving)
        self._in_line = Line()
        self._hasty = Line()
        #: When each peer got its last answer, in seconds of the monotonic clock; older answers are forgotten.
        self._answered_s: dict[Hashable, float] = {}
        self._thread = ThreadPoolExecutor(1)
        self._for_thread = 0
        self._from_thread: deque[tuple[Connection, Reply]] = deque()
        self._held_bytes = 0
        self._now = self._next_tick = self._hasty_since_s = time.monotonic()
        allow_files(MAX_CONNECTIONS + OTHER_FILES)
        self._poller = select.epoll()
        self._poller.register(self.PIPE[0], select.EPOLLIN)
        self._listeners = {sock.fileno(): Listener(sock, sock.getsockname()) for sock in self.sockets}
        self._is_listening = False
        self._listen(True)

    def _turn(self, patience_s: float) -> None:
        """Runs one turn of the main loop: goes on with each connection that has an event, and then answers
        requests of each line for as much time again."""
        if self._in_line or self._hasty:
            patience_s = 0
        elif self._leaving:
            patience_s = min(patience_s, LINGER_S)
        events = self._poller.poll(patience_s)
        started = time.monotonic()
        # It may have asked again at any moment since its answer, if that was in the turn before.
        self._hasty_since_s = min(started - HASTE_S, self._now)
        self._now = started
        for fd, _ in events:
            if connection := self._connections.get(fd):
                self._go_on(connection)
            elif fd in self._listeners:
                self._accept(self._listeners[fd], len(events) + len(self._in_line) + len(self._hasty))
            elif fd == self.PIPE[0]:
                os.read(fd, 4096)
        while self._from_thread:
            self._for_thread -= 1
            self._give(*self._from_thread.popleft())
        self._serve(self._in_line, started)
        self._serve(self._hasty, started)
        if self._now >= self._next_tick:
            self._tick()

    def _serve(self, line: Line, started: float) -> None:
        """Answers the requests that are first in a line, for as long as the turn that began at `started` has
        taken so far."""
        if not line:
            return
        now = time.monotonic()
        until = now + max(now - started, SHARE_S)
        while line:
            self._answer(line.next())
            if time.monotonic() >= until:
                break

    def _tick(self) -> None:
        """Does what is due because time has passed: tells the master that the worker lives, closes
        connections whose time is up, and accepts connections again if there is room."""
        self._next_tick = self._now + TICK_S
        self.notify()
        for stage in self._stages:
            for connection in stage.late(self._now):
                self._close(connection)
        if not self._is_full():
            self._listen(True)
        since_s = self._hasty_since_s
        self._answered_s = {peer: at_s for peer, at_s in self._answered_s.items() if at_s >= since_s}

    # --- new connections -----------------------------------------------------------------------------

    def _listen(self, wanted: bool) -> None:
        if wanted == self._is_listening:
            return
        self._is_listening = wanted
        for fd in self._listeners:
            if wanted:
                self._poller.register(fd, select.EPOLLIN)
            else:
                self._poller.unregister(fd)

    def _stop_listening(self) -> None:
        """Accepts the connections that have been made already, and closes the sockets for new ones."""
        for listener in self._listeners.values():
            self._accept(listener, MAX_CONNECTIONS)
        self._listen(False)
        for listener in self._listeners.values():
            listener.sock.close()
        self._listeners = {}

    def _accept(self, listener: Listener, most: int) -> None:
        for _ in range(most):
            if self._is_full():
                self._listen(False)
                return
            try:
                sock, client = listener.sock.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE) and self._make_room(self._stages):
                    continue
                return  # there is none, or it has gone
            if len(self._connections) >= MAX_CONNECTIONS:
                self._make_room(self._stages)
            sock.setblocking(False)
            connection = Connection(sock, client, listener.name)
            self._connections[connection.fd] = connection
            self._beginning.enter(connection, self._now)
            self._receive(connection)

    def _is_full(self) -> bool:
        """Returns whether no new connection may come: there are too many already, and none of them waits for
        its client, so none could be closed to make room."""
        return len(self._connections) >= MAX_CONNECTIONS and not any(self._stages)

    def _make_room(self, stages: tuple[Stage, ...]) -> bool:
        """Closes the connection, of those in these stages, that has used the largest share of its client's
        time. Returns False if there is none."""
        stage = max(stages, key=lambda stage: stage.share_used(self._now))
        if not stage:
            return False
        self._close(stage.longest)
        return True

    # --- what is read --------------------------------------------------------------------------------

    def _go_on(self, connection: Connection) -> None:
        """Goes on with a connection for which epoll has reported an event. Its stage says how."""
        if connection.stage is None:
            self._watch(connection, 0)  # until it is answered
        elif connection.stage is self._sending:
            self._send(connection)
        elif connection.stage is self._leaving:
            self._discard(connection)
        else:
            self._receive(connection)

    def _watch(self, connection: Connection, mask: int) -> None:
        if mask == connection.mask:
            return
        if not connection.mask:
            self._poller.register(connection.fd, mask)
        elif not mask:
            self._poller.unregister(connection.fd)
        else:
            self._poller.modify(connection.fd, mask)
        connection.mask = mask

    def _receive(self, connection: Connection) -> None:
        try:
            received = connection.sock.recv(RECEIVED_BYTES)
        except BlockingIOError:
            self._watch(connection, select.EPOLLIN)
            return
        except OSError:
            received = b""
        if received:
            connection.received += received
            self._consider(connection)
        else:
            self._close(connection)

    def _discard(self, connection: Connection) -> None:
        """Reads and drops what a client still sends on a connection that ends. Closes the connection when the
        client has ended too, or has sent more than a limit."""
        try:
            received = len(connection.sock.recv(RECEIVED_BYTES))
        except BlockingIOError:
            return
        except OSError:
            received = 0
        connection.discarded += received
        if not received or connection.discarded > MAX_DISCARDED_BYTES:
            self._close(connection)

    def _consider(self, connection: Connection) -> None:
        """Decides what to do with the bytes that a connection has received: wait for more, answer the request
        now, or leave it to a line or to the thread."""
        received = connection.received
        end = received.find(END, max(0, connection.judged - len(END)))
        if end < 0:
            self._wait_for_more(connection)
            return
        if connection.held:
            self._hold(connection, 0)
        connection.request_bytes = end + len(END)
        target = quick_target(received)
        if target is not None:
            if self._answered_s.get(connection.peer, _NEVER) >= self._hasty_since_s:
                leave_stage(connection)
                self._hasty.join(connection)
            elif self.app.remembers(target):
                self._answer(connection)
            else:
                leave_stage(connection)
                self._in_line.join(connection)
            return
        leave_stage(connection)
        if self._for_thread < MAX_FOR_THREAD:
            self._for_thread += 1
            self._thread.submit(self._answer_in_thread, connection, connection.take_request())
        else:
            self._give(connection, refusal(HTTPStatus.SERVICE_UNAVAILABLE))

    def _wait_for_more(self, connection: Connection) -> None:
        arrived = judged(connection.received, connection.judged)
        connection.judged = len(connection.received)
        if arrived is not Arrived.PART:
            self._give(connection, refusal(_REFUSALS[arrived]))
            return
        if connection.stage is not self._beginning:
            self._beginning.enter(connection, self._now)
        self._watch(connection, select.EPOLLIN)
        self._hold(connection, len(connection.received))

    # --- what is sent ----------------------------------------------------------------------------------

    def _answer(self, connection: Connection) -> None:
        self._give(connection, self._replies.to(connection, connection.take_request(), self.alive))

    def _answer_in_thread(self, connection: Connection, request: bytes) -> None:
        self._from_thread.append((connection, self._replies.to(connection, request, self.alive)))
        with suppress(BlockingIOError):  # what is in the pipe wakes the main loop as well
            os.write(self.PIPE[1], b"\0")

    def _give(self, connection: Connection, reply: Reply) -> None:
        connection.reply = reply
        connection.unsent = [*reply.parts]
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        try:
            is_sent = connection.send()
        except OSError:
            self._close(connection)
            return
        if not is_sent:
            if connection.stage is not self._sending:
                self._sending.enter(connection, self._now)
            self._watch(connection, select.EPOLLOUT)
            self._hold(connection, sum(map(len, connection.unsent)))
            return
        if connection.held:
            self._hold(connection, 0)
        self._answered_s[connection.peer] = self._now
        if connection.reply.ends:
            self._end(connection)
        elif connection.received:
            self._consider(connection)
        else:
            self._idle.enter(connection, self._now)
            self._watch(connection, select.EPOLLIN)

    # --- the end -----------------------------------------------------------------------------------------

    def _end(self, connection: Connection) -> None:
        """Ends a connection behind its reply. If the client has sent bytes that were not read, the socket is
        not closed at once, because that would take the reply from the client (RFC 9112, section 9.6)."""
        if not (connection.reply.lingers or connection.received):
            self._close(connection)
            return
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.received = b""
        self._leaving.enter(connection, self._now)
        self._watch(connection, select.EPOLLIN)

    def _close(self, connection: Connection) -> None:
        self._held_bytes -= connection.held
        leave_stage(connection)
        del self._connections[connection.fd]
        connection.sock.close()

    def _hold(self, connection: Connection, count: int) -> None:
        """Notes how many bytes the connection keeps in memory. While all connections together keep too many,
        closes those whose clients have used most of their time."""
        self._held_bytes += count - connection.held
        connection.held = count
        while self._held_bytes > MAX_HELD_BYTES and self._make_room((self._beginning, self._sending)):
            pass


def allow_files(wanted: int) -> None:
    """Raises the process's limit of open files to `wanted`, as far as the system allows."""
    with suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

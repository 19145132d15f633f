"""Writes the records of requests that a web process answers itself, without nginx: a line of JSON for each.

Answering comes first, so a request only leaves what is known of it in a list. A thread makes the lines twice
a second and appends them to the file, whole lines at a time, so that all processes of a server share one
file. When the file has `LIMIT_BYTES`, the process that sees it renames it (`requests.log.1`), which replaces
the one before: a collector that follows the file loses nothing unless it is behind by all of that. A program
that rotates logs may rename the file at any time as well. If the disk takes no more, records are lost, never
requests.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from app.files import said
from app.history.software import software_of
from app.logs import Faults
from app.model.network import parse_network

log = logging.getLogger("mirrorwise.requests")

LIMIT_BYTES = 64 << 20
EVERY_S = 0.5
MAX_WAITING = 200_000
"""How many records may wait while the disk hangs; the oldest are dropped then."""

_AGES = frozenset("1234")


class Answered(NamedTuple):
    """What is known of a request once it is answered."""

    at_s: float
    status: int
    headers: Iterable[tuple[str, str]]
    family: int
    query: str
    user_agent: str


class RequestLog:
    """The file with the records of requests, and the records of this process that are not yet in it."""

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._waiting: deque[Answered] = deque(maxlen=MAX_WAITING)
        #: Notes a request. It may be called by any thread.
        self.add = self._waiting.append
        self._file: int | None = None
        self._faults = Faults(log)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Starts the thread that writes, until the process ends."""
        atexit.register(self.flush)
        threading.Thread(target=self._write_on, name="mirrorwise-requests", daemon=True).start()

    def _write_on(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(EVERY_S)
            self.flush()

    def flush(self) -> None:
        """Writes all records that wait."""
        with self._lock:
            lines = [line_of(self._waiting.popleft()) for _ in range(len(self._waiting))]
            if not lines:
                return
            try:
                self._append("".join(lines).encode())
                self._faults.clear(self._path.name)
            except OSError as error:
                self._close()
                self._faults.set(self._path.name, f"requests are not recorded: {said(error)}")

    def _append(self, content: bytes) -> None:
        """Appends whole lines to the file. Raises OSError."""
        file = self._opened()
        written = os.write(file, content)
        if written < len(content):  # the disk is full: the half of a line gets an end
            with suppress(OSError):
                os.write(file, b"\n")
            os.write(file, content[content.index(b"\n", written) + 1 :])

    def _opened(self) -> int:
        """Returns the file that is at the path now, or a new one there if that is full. Raises OSError."""
        with suppress(FileNotFoundError):
            if self._path.stat().st_size >= self._limit_bytes:
                self._rotate()
        if self._file is not None and not _is_at(self._file, self._path):
            self._close()
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o640)
        return self._file

    def _rotate(self) -> None:
        """Renames the file, unless another process has just done so. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), flags, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if self._path.stat().st_size >= self._limit_bytes:
                    self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        finally:
            os.close(lock)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def line_of(answered: Answered) -> str:
    """Returns the record of a request as a line. Each text in it is one that needs no escapes in JSON."""
    found = dict(answered.headers).get
    return (
        f'{{"time":"{_time(int(answered.at_s))}","question":"{found("X-Mirrorlist-Question", "")}",'
        f'"place":"{found("X-Client-Place", "")}","region":"{_region(found("X-Client-Network", ""))}",'
        f'"family":{answered.family},"mirror":"{found("X-Mirrorlist-Mirror", "")}",'
        f'"reason":"{found("X-Mirrorlist-Reason", "")}","status":{answered.status},"cache":"",'
        f'"countme":{countme_in(answered.query)},"software":"{_software(answered.user_agent)}"}}\n'
    )


@lru_cache(1024)
def countme_in(query: str) -> str:
    """Returns the age bucket of countme that a query has, "1" to "4", and "0" for none."""
    values = (pair[8:] for pair in query.split("&") if pair.startswith("countme="))
    value = next(values, "")
    return value if value in _AGES else "0"


@lru_cache(1024)
def _software(user_agent: str) -> str:
    return str(software_of(user_agent))


@lru_cache(64)
def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")


@lru_cache(4096)
def _region(network: str) -> str:
    """Returns the cloud provider and region in a network's name; empty for a network outside of clouds."""
    cloud = parse_network(network).cloud
    return str(cloud._replace(border_group=None)) if cloud else ""


def _is_at(file: int, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(file)
    return (found.st_ino, found.st_dev) == (mine.st_ino, mine.st_dev)

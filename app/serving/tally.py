"""Counts requests in each process of a server, and adds up the counts of all of them.

A request adds to plain numbers of its own process, which costs some 3 µs. The refresh thread writes
them to a small file of the process when they have changed. The process that is asked for metrics writes
its own file, and adds its counts to those in the files of its server's other processes. So no total ever
goes down, whichever process is asked next. The counts of a process that has ended stay until the server
ends. Files of former servers are removed after an hour.

Threads of one process share a tally without locks: CPython switches threads at calls and at the
ends of loops, never within `counts[key] += 1`.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import msgspec

from app.files import ABANDONED_S, remove_abandoned, replace
from app.model import Count, Record

BUCKETS_S = (25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0)
"""Upper bounds of the latency histogram in seconds. An answer from memory takes some 30 µs, a new one 300
µs."""

Key = tuple[str, int, str]  # form, status, reason


class Tally:
    """The counts of the requests that this process has answered since its start."""

    def __init__(self) -> None:
        self.requests: defaultdict[Key, int] = defaultdict(int)
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.seconds = 0.0
        self.memo_hits = 0

    def add(self, key: Key, seconds: float) -> None:
        """Counts one request that took `seconds`."""
        self.requests[key] += 1
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class Counted(Record, frozen=True, kw_only=True):
    """The counts of one process, as its file holds them."""

    pid: Annotated[int, msgspec.Meta(gt=0)]
    #: Numbers of requests, each as (form, status, reason, number).
    requests: list[tuple[str, Count, str, Count]] = []
    #: Numbers of requests by latency, not cumulative. The last one counts all slower requests.
    buckets: Annotated[list[Count], msgspec.Meta(max_length=len(BUCKETS_S) + 1)] = []
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    #: How many requests were for a question that was parsed before, and so were answered without Flask.
    memo_hits: Count = 0
    #: The generation that the process serves.
    generation: str | None = None
    #: How many subjects (such as a file or the store) are at fault now, by source.
    faults: dict[str, Count] = {}
    #: How often a subject was found at fault, by source.
    failures: dict[str, Count] = {}
    #: How many lookups in GeoIP databases failed.
    lookup_failures: Count = 0

    @property
    def is_alive(self) -> bool:
        return _is_alive(self.pid)


_COUNTED = msgspec.json.Decoder(Counted)
"""The decoder of `Counted`. It is made at import, because threads that make one for the same type at the same
time crash the process."""


class TallyFiles:
    """The files with the counts of all processes of a server. `server` is the name that the processes share;
    without it, this process is a server of its own."""

    def __init__(self, folder: Path, server: str | None = None) -> None:
        self._folder = folder
        self._server = server or server_name()
        self._written: Counted | None = None
        self._lock = threading.Lock()

    def write(self, counted: Counted) -> None:
        """Replaces the file of this process, if anything has changed. Raises OSError."""
        with self._lock:
            if counted == self._written:
                return
            if self._written is None:
                self._delete_abandoned()
            replace(self._file_of(counted.pid), msgspec.json.encode(counted))
            self._written = counted

    def others(self) -> list[Counted]:
        """Reads the counts of all other processes of this server, also of those that have ended. Raises
        OSError."""
        own, found = self._file_of(os.getpid()), []
        for path in sorted(self._folder.iterdir()):
            if path == own or not path.match(f"{self._server}-*.json"):
                continue
            try:
                found.append(_COUNTED.decode(path.read_bytes()))
            except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue  # the file is not one of ours
        return found

    def _file_of(self, pid: int) -> Path:
        return self._folder / f"{self._server}-{pid}.json"

    def _delete_abandoned(self) -> None:
        remove_abandoned(self._folder)
        before = time.time() - ABANDONED_S
        for path in self._folder.glob("*.json"):
            try:
                server = path.name.partition("-")[0]
                if not (server.isdigit() and _is_alive(int(server))) and path.stat().st_mtime < before:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process was faster


def server_name() -> str:
    """Makes a new name for a server, by which its processes find each other's counts. The process that starts
    the others calls this function once, and they all use the name."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True

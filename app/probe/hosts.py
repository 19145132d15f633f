"""Limits how often each host is asked: two requests at a time, and a budget per clock hour, for all mirrors
on that host together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from yarl import URL

from app.model import Record

CONCURRENCY = 2
_DEFAULT_PORTS = {80, 443, 873}


class Spent(Record, frozen=True, kw_only=True):
    """The requests sent to a host within one clock hour."""

    #: The clock hour, as a number of hours since the epoch.
    hour: int
    requests: int


def host_key(url: URL) -> str:
    """Returns the name under which requests to a host are counted: the host name, with the port unless it is
    a default port. So http, https and rsync on one host count together."""
    host = (url.host or "").lower()
    return host if url.port is None or url.port in _DEFAULT_PORTS else f"{host}:{url.port}"


def clock_hour(now: datetime) -> int:
    return int(now.timestamp()) // 3600


class Hosts:
    """The limits of all hosts: for each a gate, which lets two requests through at a time, and the requests
    of this hour. If there is no budget, requests are counted but not limited."""

    def __init__(self, budget: int | None) -> None:
        self.budget = budget
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._spent: dict[str, Spent] = {}

    def gate(self, host: str) -> asyncio.Semaphore:
        return self._gates.setdefault(host, asyncio.Semaphore(CONCURRENCY))

    def exhausted(self, host: str, now: datetime) -> bool:
        """Returns whether this hour's budget of a host is used up."""
        return self.budget is not None and self._in_hour(host, now) >= self.budget

    def spend(self, host: str, now: datetime) -> None:
        """Counts one request to a host."""
        requests = self._in_hour(host, now) + 1
        self._spent[host] = Spent(hour=clock_hour(now), requests=requests)

    def remember(self, spent: Mapping[str, Spent]) -> None:
        """Takes over the counts that an earlier run has written, where they are of a later hour than those
        known here, or have more requests in the same hour."""
        for host, record in spent.items():
            known = self._spent.get(host)
            if known is None or (record.hour, record.requests) > (known.hour, known.requests):
                self._spent[host] = record

    def spent_at(self, hosts: set[str]) -> dict[str, Spent]:
        return {host: self._spent[host] for host in sorted(hosts) if host in self._spent}

    def _in_hour(self, host: str, now: datetime) -> int:
        record = self._spent.get(host)
        return record.requests if record and record.hour == clock_hour(now) else 0

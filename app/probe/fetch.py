"""Sends HTTP requests (and reads rsync greetings) within limits, because hosts are not trusted.

Whatever the other side does, an answer or a failure in words comes back within `Limits.total_s`, redirects
included. There are limits for the connection, the first byte and the whole answer, and at most `answer_bytes`
bytes of any kind are read. The prober asks for uncompressed bodies, and does not unpack a compressed one.
Redirects are followed only on the same host, also from http to https. The addresses of each redirect are
checked anew.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from types import SimpleNamespace, TracebackType

import aiohttp
import msgspec
from yarl import URL

from app.model import Family, Record
from app.model.words import printable
from app.probe.addresses import (
    SOCKET_FAMILY,
    CheckedAddresses,
    Lookup,
    Lookups,
    Resolver,
    has_route,
    system_lookup,
)
from app.probe.connections import BoundedConnector, TooLongError
from app.probe.errors import is_our_own, reason_of
from app.probe.hosts import CONCURRENCY, Hosts, host_key

_RSYNC_PORT = 873
_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Limits:
    """The limits of one request."""

    lookup_s: float = 10.0
    connect_s: float = 10.0
    first_byte_s: float = 10.0
    total_s: float = 15.0
    #: The greatest number of bytes in one answer: headers, body, and whatever else. A real repomd.xml has
    #: some ten thousand.
    answer_bytes: int = 300_000
    redirects: int = 5


@dataclass(frozen=True)
class Network:
    """The means by which the prober reaches the internet, which are the same for all requests."""

    #: Looks up the addresses of a host name.
    lookup: Lookup = system_lookup
    #: Decides which certificates are trusted.
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    limits: Limits = Limits()
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    #: Returns whether this machine has a route to the internet over an address family.
    routed: Callable[[Family], bool] = has_route

    def resolver(self) -> Resolver:
        """Makes a new resolver, which has looked up no name yet."""
        return Resolver(self._lookups)

    @cached_property
    def _lookups(self) -> Lookups:
        return Lookups(self.lookup, self.limits.lookup_s)


class Fault(Enum):
    """The kinds of failure that a request may have."""

    #: No HTTP answer came.
    SILENT = "silent"
    #: An answer came, but it is of no use.
    ANSWERED = "answered"
    #: An answer began, and did not end in time.
    SLOW = "slow"
    #: The prober did not ask, which says nothing about the mirror.
    NOT_ASKED = "not asked"


class Failure(Record, frozen=True, kw_only=True):
    """The failure of a request. `reason` is the end of a sentence, short and printable, because it may hold
    words of the host, and goes into state files, logs and terminals."""

    fault: Fault
    reason: str

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "reason", printable(self.reason[:_REASON_CHARACTERS]))


class Fetched(Record, frozen=True, kw_only=True):
    """An HTTP answer of any status. An rsync greeting counts as an answer with status 200."""

    status: int
    #: The URL at which redirects ended.
    url: str
    latency_ms: float
    body: bytes = b""
    #: The validators (the headers ETag and Last-Modified), to be sent with the next request; None if absent.
    etag: str | None = None
    modified: str | None = None
    #: The length of the body in bytes, as the header Content-Length has it; None if absent.
    length: int | None = None


class Request(Record, frozen=True, kw_only=True):
    url: str
    family: Family
    method: str = "GET"
    etag: str | None = None
    modified: str | None = None


class MirrorClient:
    """Sends all requests to one mirror (or the origin) in one round, over connections that are kept open."""

    def __init__(
        self, network: Network, resolver: Resolver, hosts: Hosts, allow_private: bool, agent: str
    ) -> None:
        self.network = network
        self.hosts_asked: set[str] = set()
        self.requests = 0
        self._resolver = resolver
        self._hosts = hosts
        self._allow_private = allow_private
        self._agent = agent
        self._addresses = CheckedAddresses()
        self._sessions: dict[Family, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> MirrorClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    async def fetch(self, request: Request) -> Fetched | Failure:
        try:
            start = url = URL(request.url)
        except ValueError as error:
            return Failure(fault=Fault.NOT_ASKED, reason=f"its address is not a URL ({error})")
        left_s = self.network.limits.total_s
        for _ in range(self.network.limits.redirects + 1):
            answer, took_s = await self._hop(url, request, left_s)
            left_s -= took_s
            if not isinstance(answer, _Redirect):
                return answer
            why = redirect_refusal(url, answer.location)
            if why is not None:
                return Failure(fault=Fault.ANSWERED, reason=why)
            url = answer.location
        return Failure(
            fault=Fault.ANSWERED,
            reason=f"more than {self.network.limits.redirects} redirects, the last from {start} to {url}",
        )

    async def greet(self, url: str, family: Family) -> Fetched | Failure:
        """Opens a connection to an rsync server and reads its greeting. Nothing more is asked of the
        server."""
        target = URL(url)
        limits = self.network.limits
        refused = await self._check(target, family)
        if refused is not None:
            return refused
        address = str(self._addresses.checked[target.raw_host or ""].of(family)[0])
        started = time.monotonic()
        async with self._hosts.gate(host_key(target)):
            over_budget = self._spend(target)
            if over_budget is not None:
                return over_budget
            try:
                async with asyncio.timeout(limits.connect_s):
                    reader, writer = await asyncio.open_connection(
                        address, target.port or _RSYNC_PORT, limit=256
                    )
            except TimeoutError:
                return Failure(fault=Fault.SILENT, reason=f"no connection within {limits.connect_s:g} s")
            except OSError as error:
                return Failure(fault=_fault(error), reason=reason_of(error))
            try:
                async with asyncio.timeout(limits.first_byte_s):
                    line = await reader.readline()
            except TimeoutError:
                return Failure(fault=Fault.SILENT, reason=f"no greeting within {limits.first_byte_s:g} s")
            except (OSError, ValueError):
                line = b""
            finally:
                writer.close()
        if not line.startswith(b"@RSYNCD:"):
            return Failure(fault=Fault.ANSWERED, reason="what answers is not an rsync server")
        return Fetched(status=200, url=url, latency_ms=_ms_since(started))

    async def _hop(
        self, url: URL, request: Request, left_s: float
    ) -> tuple[Fetched | Failure | _Redirect, float]:
        """Sends a request to one URL, and follows no redirect. Returns what came, and how long it took in
        seconds, without the wait for other requests to the same host."""
        refused = await self._check(url, request.family)
        if refused is not None:
            return refused, 0.0
        async with self._hosts.gate(host_key(url)):
            started = time.monotonic()
            answer = self._spend(url) or await self._exchange(url, request, left_s)
            return answer, time.monotonic() - started

    async def _exchange(self, url: URL, request: Request, left_s: float) -> Fetched | Failure | _Redirect:
        """Sends one request and reads its answer, within the limits. `left_s` is the time left for the whole
        request."""
        total_s = self.network.limits.total_s
        started = time.monotonic()
        deadline = asyncio.get_running_loop().time() + left_s
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._session(request.family).request(
                    request.method, url, headers=_headers(request), allow_redirects=False
                )
        except TimeoutError as error:
            return Failure(fault=Fault.SILENT, reason=self._timeout_reason(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failure(fault=_fault(error), reason=reason_of(error))
        latency_ms = _ms_since(started)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._take(response, request, latency_ms)
        except TimeoutError:
            return Failure(fault=Fault.SLOW, reason=f"its answer was not complete within {total_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failure(fault=Fault.ANSWERED, reason=reason_of(error))
        finally:
            response.release()

    async def _take(
        self, response: aiohttp.ClientResponse, request: Request, latency_ms: float
    ) -> Fetched | Failure | _Redirect:
        wanted = response.status == 200 and request.method != "HEAD"
        try:
            body = await response.read()
        except TooLongError:
            if wanted:
                raise
            body = b""  # a long page that says what went wrong
        location = response.headers.get("Location")
        if response.status in (301, 302, 303, 307, 308) and location is not None:
            return _Redirect(response.url.join(URL(location)))
        if wanted:
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding not in ("", "identity"):
                reason = f"its answer is compressed ({encoding}), which nobody asked for"
                return Failure(fault=Fault.ANSWERED, reason=reason)
        return Fetched(
            status=response.status,
            url=str(response.url),
            latency_ms=latency_ms,
            body=body,
            etag=_validator(response, "ETag"),
            modified=_validator(response, "Last-Modified"),
            length=response.content_length,
        )

    async def _check(self, url: URL, family: Family) -> Failure | None:
        """Resolves the host of a URL. If the host has addresses that may be asked, hands them to the
        connector and returns None. Otherwise returns a failure."""
        host = url.raw_host
        if not host:
            return Failure(fault=Fault.NOT_ASKED, reason=f"{url} names no host")
        resolved = await self._resolver.resolve(host, self._allow_private)
        if not resolved.of(family):
            reason = resolved.refusal_of(family) or resolved.fault or f"{host} has no {family} address"
            return Failure(fault=Fault.SILENT, reason=reason)
        self._addresses.checked[host] = resolved
        return None

    def _spend(self, url: URL) -> Failure | None:
        """Counts a request before it is sent. Returns a failure instead if the host's budget is used up."""
        key = host_key(url)
        if self._hosts.exhausted(key, self.network.clock()):
            reason = f"this hour's {self._hosts.budget} requests to {key} are used up"
            return Failure(fault=Fault.NOT_ASKED, reason=reason)
        self._count(key)
        return None

    def _count(self, key: str) -> None:
        self.hosts_asked.add(key)
        self.requests += 1
        self._hosts.spend(key, self.network.clock())

    def _counting(self) -> aiohttp.TraceConfig:
        """Makes the aiohttp trace that counts the requests which aiohttp repeats by itself because a
        connection broke."""

        async def sent(
            _: object, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
        ) -> None:
            if hasattr(context, "sent"):
                self._count(host_key(params.url))
            context.sent = True

        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(sent)
        return tracing

    def _timeout_reason(self, error: TimeoutError) -> str:
        limits = self.network.limits
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"no connection within {limits.connect_s:g} s"
        if isinstance(error, aiohttp.SocketTimeoutError):
            return f"no answer within {limits.first_byte_s:g} s"
        return f"no answer within {limits.total_s:g} s"

    def _session(self, family: Family) -> aiohttp.ClientSession:
        if family not in self._sessions:
            limits = self.network.limits
            connector = BoundedConnector(
                limits.answer_bytes,
                family=SOCKET_FAMILY[family],
                resolver=self._addresses,
                use_dns_cache=False,
                ssl=self.network.tls,
                limit_per_host=CONCURRENCY,
            )
            self._sessions[family] = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[self._counting()],
                headers={"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=limits.connect_s, sock_read=limits.first_byte_s
                ),
            )
        return self._sessions[family]


@dataclass(frozen=True)
class _Redirect:
    location: URL


def redirect_refusal(url: URL, location: URL) -> str | None:
    """Returns the reason why a redirect is not followed, as the end of a sentence. Returns None if it is
    followed, because it stays on the mirror's own host and port, or goes to https on the same host."""
    upgrade = url.scheme == "http" and location.scheme == "https"
    if location.scheme not in ("http", "https") or (location.scheme != url.scheme and not upgrade):
        return f"it redirects from {url.scheme} to {location.scheme or 'nothing'} ({location})"
    if location.raw_host != url.raw_host:
        return f"it redirects to another host ({location})"
    if location.port != url.port and not upgrade:
        return f"it redirects to another port ({location})"
    return None


def _headers(request: Request) -> dict[str, str]:
    headers = {}
    if request.etag is not None:
        headers["If-None-Match"] = request.etag
    if request.modified is not None:
        headers["If-Modified-Since"] = request.modified
    return headers


def _validator(response: aiohttp.ClientResponse, header: str) -> str | None:
    """Returns a header of an answer that is to be sent back with the next request, or None if it is missing
    or cannot be sent."""
    text = response.headers.get(header)
    return text if text and len(text) <= 200 and text.isascii() and text.isprintable() else None


def _fault(error: Exception) -> Fault:
    """Returns the kind of a failure that happened before the head of an answer had come."""
    if isinstance(error, TooLongError):
        return Fault.ANSWERED
    return Fault.NOT_ASKED if is_our_own(error) else Fault.SILENT


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)

"""Asks one mirror for its timestamp file over its endpoints, and for its contents over the best one.

An endpoint is a protocol and an address family. Contents are asked for over one endpoint, which is https over
IPv4 if that works. The other endpoints are asked for the timestamp file only, as many of them as the number
of requests in a round allows. A mirror without a usable timestamp file is judged by its contents, and its
other endpoints by one repomd.xml that the mirror is known to have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from yarl import URL

from app.catalogue.catalogue import Directory, bases
from app.model import Endpoint, Family, Mirror, MirrorState
from app.probe.addresses import Resolved
from app.probe.contents import Contents
from app.probe.fetch import Failure, Fault, Fetched, MirrorClient, Request
from app.probe.judgement import is_down
from app.probe.observation import EndpointKey, Observation
from app.probe.records import ProbeNotes
from app.probe.repomd import repomd_timestamp
from app.probe.schedule import REQUESTS_PER_ROUND, still_lacking
from app.probe.surroundings import Surroundings
from app.probe.timestamp import TIMESTAMP_FILE, read_timestamp

_TOO_MANY_REQUESTS = 429


class MirrorVisit:
    """The visit to one mirror in a round. The caller runs `first_try` and, if `needs_second_try` says so,
    `second_try` a while later. Then `observation` has what was seen, and `notes` returns what is to be
    remembered for the next round."""

    def __init__(
        self, mirror: Mirror, previous: MirrorState | None, notes: ProbeNotes, around: Surroundings
    ) -> None:
        self.mirror = mirror
        self.observation = Observation()
        self._around = around
        self._previous = previous
        self._notes = notes
        self._contents = Contents(mirror, previous, notes, around, self.observation)
        self._bases = bases(mirror, self._contents.module)
        self._endpoints = dict(notes.endpoints)
        self._timestamps: dict[EndpointKey, tuple[datetime, str]] = {}
        #: Endpoints that gave a prompt answer in this try, but no usable timestamp file.
        self._timeless: set[EndpointKey] = set()
        #: Endpoints without a usable timestamp file over which no contents came either.
        self._empty: set[EndpointKey] = set()
        self._left_s = around.mirror_s
        self._client: MirrorClient | None = None
        self._hosts_asked: set[str] = set()

    def notes(self, state: MirrorState | None) -> ProbeNotes:
        """Returns the notes for the next round. `state` is how the mirror was judged in this round; None if
        nothing was learnt."""
        failed = self._failed() or (is_down(state) and not is_down(self._previous))
        asked = self._contents.asked() if self.observation.proven else ()
        lacking = self._notes.lacking
        if state is not None:
            lacking = still_lacking(lacking, state, asked, self._around.now_s())
        return ProbeNotes(
            contents=self._contents.seen,
            isos=self._contents.isos,
            vault=self._contents.vault,
            lacking=lacking,
            endpoints=self._endpoints,
            spent=self._around.hosts.spent_at(self._hosts_asked),
            failed_at=self._around.now_s() if failed else self._notes.failed_at,
        )

    def requests(self) -> int:
        """Returns the number of requests that this visit has sent so far."""
        return self.observation.requests + (self._client.requests if self._client else 0)

    async def first_try(self) -> None:
        self._around.hosts.remember(self._notes.spent)
        await self._timed(self._ask_all)

    def needs_second_try(self) -> bool:
        """Returns whether something failed that did not fail the last time, and time is left for a second
        try. One failure alone decides nothing."""
        seen = self.observation
        if self._left_s <= 0:
            return False
        if seen.proven is None:
            return bool(seen.failed_tries) and not is_down(self._previous)
        return bool(self._newly_failed() or self._contents.newly_bad())

    async def second_try(self) -> None:
        for base in self._bases.values():
            self._around.resolver.forget(_host(base))
        await self._timed(self._ask_all if self.observation.proven is None else self._ask_again)

    def _failed(self) -> bool:
        seen = self.observation
        return bool(seen.unread) or (seen.proven is None and seen.failed_tries > 0)

    async def _timed(self, ask: Callable[[MirrorClient], Awaitable[None]]) -> None:
        """Runs `ask` with a client for the mirror, but no longer than the time that the mirror has left in
        this round, and notes how long it took."""
        seen = self.observation
        started = time.monotonic()
        async with self._around.client(self.mirror) as client:
            self._client = client
            try:
                async with asyncio.timeout(self._left_s):
                    await ask(client)
            except TimeoutError:
                seen.complete = False
                seen.not_asked = f"the {self._around.mirror_s:g} s that a mirror may take were over"
            finally:
                self._client = None
                seen.requests += client.requests
                self._hosts_asked |= client.hosts_asked
        if seen.proven is None and seen.endpoints:
            seen.failed_tries += 1
        took_s = time.monotonic() - started
        seen.elapsed_s += took_s
        self._left_s -= took_s

    async def _ask_all(self, client: MirrorClient) -> None:
        seen = self.observation
        seen.endpoints.clear()
        self._timeless.clear()
        seen.known = await self._find_endpoints()
        key = await self._choose_endpoint(client)
        if key is None:
            return
        if key in self._timestamps:
            seen.proven, seen.timestamp = key, self._timestamps[key][0]
        await self._contents.ask(client, key, self._base(key))
        if seen.proven is None:
            self._judge_timeless(key)
        if seen.proven is not None:
            await self._ask_others(client, key)

    def _judge_timeless(self, key: EndpointKey) -> None:
        """Judges an endpoint that has no usable timestamp file by the contents that came over it."""
        seen = self.observation
        if self._contents.there():
            seen.proven = key
            seen.endpoints[key] = Endpoint(ok=True, latency_ms=seen.endpoints[key].latency_ms)
        elif self._contents.held_back:
            # The file alone says nothing, and contents could not be asked for.
            seen.endpoints.clear()
        else:
            self._empty.add(key)

    async def _ask_again(self, client: MirrorClient) -> None:
        """Asks a mirror that works as a whole a second time for the contents and endpoints that failed."""
        key = self.observation.proven
        if key is None:
            return
        await self._contents.ask_again(client, key, self._base(key))
        proof, failed = self._proof(key), self._newly_failed()
        await asyncio.gather(*(self._ask_endpoint(client, other, proof) for other in failed))

    def _base(self, key: EndpointKey) -> str | None:
        """Returns the base URL at which an endpoint's timestamp file was found, after redirects, or None if
        it was not found. Contents are asked for directly at this URL."""
        return self._timestamps[key][1] if key in self._timestamps else None

    def _proof(self, asked: EndpointKey) -> Directory | None:
        """Returns the repo whose repomd.xml the other endpoints are asked for. Returns None if they are asked
        for the timestamp file, because the endpoint `asked` has a usable one."""
        return None if asked in self._timestamps else self._contents.a_usable_one()

    def _newly_failed(self) -> list[EndpointKey]:
        endpoints = self.observation.endpoints.items()
        return [key for key, endpoint in endpoints if not endpoint.ok and self._was_ok(key)]

    def _was_ok(self, key: EndpointKey) -> bool:
        protocol, family = key
        before = self._previous.endpoints.get(protocol, {}).get(family) if self._previous else None
        return before is None or before.ok

    async def _find_endpoints(self) -> tuple[EndpointKey, ...]:
        """Returns all endpoints that the mirror has and this machine can reach, the best for contents first.
        A host name without addresses is noted as a failed endpoint."""
        seen = self.observation
        found: list[EndpointKey] = []
        addresses: dict[str, None] = {}
        for protocol, base in self._bases.items():
            resolved = await self._resolve(base)
            addresses |= dict.fromkeys(map(str, resolved.usable))
            if not resolved.families():
                seen.endpoints[protocol, "ipv4"] = Endpoint(ok=False, detail=resolved.fault)
            for family in resolved.families():
                if self._unroutable(resolved, family):
                    seen.not_asked = f"this machine has no route to {family.replace('ip', 'IP')}"
                else:
                    found.append((protocol, family))
        seen.addresses = tuple(addresses)
        order = {"https": 0, "http": 1, "ipv4": 0, "ipv6": 2, "rsync": 9}

        def promise(key: EndpointKey) -> tuple[bool, bool, int]:
            return key in self._empty, not self._was_ok(key), order[key[0]] + order[key[1]]

        return tuple(sorted(found, key=promise))

    async def _resolve(self, base: str) -> Resolved:
        host = _host(base)
        if not host:
            return Resolved(fault=f"{base} names no host")
        return await self._around.resolver.resolve(host, self._around.may_be_private(self.mirror))

    def _unroutable(self, resolved: Resolved, family: Family) -> bool:
        """Returns whether a host is on the internet over an address family to which this machine has no
        route, although it has a route over the other family."""
        routed = self._around.network.routed
        other: Family = "ipv4" if family == "ipv6" else "ipv6"
        outside = any(address.is_global for address in resolved.of(family))
        return outside and not routed(family) and routed(other)

    async def _choose_endpoint(self, client: MirrorClient) -> EndpointKey | None:
        """Chooses the endpoint for contents: the first over HTTP with a usable timestamp file, or else the
        first that answers, or else None. If the best endpoint has no usable timestamp file, all others are
        asked too, unless the mirror had no such file the last time either. For a mirror with rsync alone,
        notes whether it greets, and returns None."""
        seen = self.observation
        over_http = [key for key in seen.known if key[0] != "rsync"]
        for best in over_http[:1]:
            if await self._ask_endpoint(client, best) or (best in self._timeless and self._was_timeless()):
                return best
        rest = [key for key in seen.known if key not in over_http[:1]]
        await asyncio.gather(*(self._ask_endpoint(client, key) for key in rest))
        asked = {key: seen.endpoints[key] for key in seen.known if key in seen.endpoints}
        if not over_http:
            # There is only rsync, of which nothing but the greeting can be known.
            seen.proven = next((key for key, endpoint in asked.items() if endpoint.ok), None)
            seen.complete = seen.proven is not None
            return None
        usable = [key for key in over_http if key in asked and asked[key].ok]
        answering = [key for key in over_http if key in self._timeless]
        return next(iter(usable + answering), None)

    def _was_timeless(self) -> bool:
        before = self._previous
        return before is not None and before.timestamp is None and not is_down(before)

    async def _ask_endpoint(
        self, client: MirrorClient, key: EndpointKey, proof: Directory | None = None
    ) -> bool:
        """Asks one endpoint for the timestamp file, or for the repomd.xml of `proof` if that is given, and
        notes the answer. Over rsync, only the greeting is read. Returns whether the endpoint works."""
        protocol, family = key
        seen = self.observation
        if protocol == "rsync":
            answer = await client.greet(self._bases[protocol], family)
        else:
            path = proof.file if proof else TIMESTAMP_FILE
            answer = await client.fetch(Request(url=self._bases[protocol] + path, family=family))
        if isinstance(answer, Failure):
            if answer.fault is Fault.NOT_ASKED:
                seen.not_asked = answer.reason
                return False
            prompt = answer.fault is Fault.ANSWERED
            seen.answered = seen.answered or answer.fault is not Fault.SILENT
            endpoint = Endpoint(ok=False, detail=answer.reason)
        else:
            prompt = answer.status != _TOO_MANY_REQUESTS
            seen.answered = True
            why = self._read(key, answer, proof)
            endpoint = Endpoint(ok=why is None, detail=why, latency_ms=answer.latency_ms)
        if prompt and not endpoint.ok and proof is None:
            self._timeless.add(key)
        seen.endpoints[key] = endpoint
        self._endpoints["/".join(key)] = self._around.now_s()
        return endpoint.ok

    def _read(self, key: EndpointKey, answer: Fetched, proof: Directory | None) -> str | None:
        """Reads the answer of an endpoint, and notes the time if it is a timestamp file. Returns the reason
        why the answer does not show that the endpoint works, or None if it does."""
        if answer.status != 200:
            return f"HTTP {answer.status} for {proof.file if proof else 'the timestamp file'}"
        if key[0] == "rsync":
            return None
        if proof is not None:
            whole = repomd_timestamp(answer.body) is not None
            return None if whole else f"what it sends for {proof.file} is no repomd.xml"
        moment = read_timestamp(answer.body, self._around.now())
        if not isinstance(moment, datetime):
            return moment
        self._timestamps[key] = (moment, answer.url.removesuffix(TIMESTAMP_FILE))
        return None

    async def _ask_others(self, client: MirrorClient, asked: EndpointKey) -> None:
        """Asks the endpoints other than `asked`, the longest unasked first. Endpoints that are new, or whose
        timestamp file failed before `proof` was found, are always asked. All are asked if more repos are due
        than a round usually has requests. Otherwise the usual number of requests limits them."""
        seen = self.observation
        proof = self._proof(asked)
        again = (self._timeless | self._empty) - {asked} if proof else set()
        rest = [key for key in seen.known if key not in seen.endpoints or key in again]
        rest.sort(key=lambda key: self._endpoints.get("/".join(key), 0))
        everything = len(self._contents.turn.repos) > REQUESTS_PER_ROUND
        chosen = []
        expected = client.requests
        for key in rest:
            # Many mirrors redirect http to https, which makes two requests.
            cost = 2 if key[0] == "http" and "https" in self._bases else 1
            new = key in again or "/".join(key) not in self._endpoints
            if everything or new or expected + cost <= REQUESTS_PER_ROUND:
                chosen.append(key)
                expected += cost
        await asyncio.gather(*(self._ask_endpoint(client, key, proof) for key in chosen))


def _host(base: str) -> str:
    """Returns the host of a base URL, for a lookup, or "" if the URL names none."""
    try:
        return URL(base).raw_host or ""
    except ValueError:
        return ""

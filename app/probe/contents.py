"""Asks one mirror for the repos and ISO directories that are due in a round, two at a time.

A mirror that was down, or that has no usable timestamp file, first has to show that it has something. It is
asked for the repos that it most likely has, due or not, until one of them comes, and only then for what is
due. A request that fails stays pending for a second try. After three failures in a row at a base URL, nothing
more is asked for there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence

import msgspec
from yarl import URL

from app.catalogue.catalogue import Directory, bases_of, carries, own_module, tells
from app.model import Content, Family, Mirror, MirrorState, digest_of
from app.probe.addresses import Resolved
from app.probe.fetch import Failure, Fault, Fetched, MirrorClient, Request
from app.probe.hosts import CONCURRENCY
from app.probe.judgement import USABLE, is_down
from app.probe.observation import EndpointKey, Observation
from app.probe.records import ProbeNotes, Seen
from app.probe.repomd import repomd_timestamp
from app.probe.schedule import Situation, Turn, next_turn
from app.probe.surroundings import Surroundings
from app.probe.verdict import Unsure, content_verdict

_FAILURES_IN_A_ROW = 3
_FIRST_OF_DOWN = 5
_GONE = (403, 404, 410)
_NOT_USABLE = (Content.MISSING, Content.CORRUPT)
_OLDER = (Content.PREVIOUS, Content.STALE)
_TOO_MANY_REQUESTS = 429

Place = tuple[str | None, bool]
"""The base URLs of a mirror that a directory is at: the module, and whether they are those of the vault."""


class Contents:
    """Asks one mirror for its contents, which are repos and ISO directories, in one round. The results go
    into `observation`. `seen` (the last answer for each repo), `isos` and `vault` (when each ISO directory
    and each release of the vault was asked for) are to be remembered for the next round. `module` is the
    module at whose base URLs the mirror is asked, or None for ordinary releases."""

    def __init__(
        self,
        mirror: Mirror,
        previous: MirrorState | None,
        notes: ProbeNotes,
        around: Surroundings,
        observation: Observation,
    ) -> None:
        self.module = own_module(mirror)
        self.seen = dict(notes.contents)
        self.isos = dict(notes.isos)
        self.vault = dict(notes.vault)
        self.turn = Turn()
        #: Whether the prober was kept from asking, for example by its own budget, which says nothing about
        #: the mirror.
        self.held_back = False
        self._mirror = mirror
        vault = [target for target in around.vault if {"http", "https"} & bases_of(mirror, target).keys()]
        self._meant = Turn(
            *(
                tuple(target for target in targets if carries(mirror, target))
                for targets in (around.repos, around.isos, vault)
            )
        )
        self._telling = [target for target in self._meant.repos if tells(mirror, target)]
        self._previous = previous
        self._was_down = is_down(previous)
        self._before: dict[str, Content] = dict(previous.content) if previous else {}
        self._notes = notes
        self._around = around
        self._observation = observation
        self._pending: dict[str, Directory] = {}
        self._failures: dict[Place, int] = {}

    async def ask(self, client: MirrorClient, key: EndpointKey, base: str | None) -> None:
        """Asks the mirror for all repos and ISO directories whose turn it is in this round. `key` is the
        protocol and IP version to ask over. `base` is the base URL where the timestamp file was found; None
        if it was not found. What is found goes into the observation."""
        self.turn = self._next_turn()
        self._pending = {target.key: target for target in self.turn.all}
        self.held_back = False
        looks_well = base is not None and not self._was_down
        if not looks_well:
            await self._ask_each(client, key, base, self._first(), enough=self.there)
        seen = self._observation
        if looks_well or (not seen.unread and (self.there() or not self._telling)):
            await self._ask_each(client, key, base, list(self._pending.values()))
            if self._is_mended():
                await self._ask_each(client, key, base, self._others_to_come())
        seen.complete = not self._pending

    async def ask_again(self, client: MirrorClient, key: EndpointKey, base: str | None) -> None:
        """Asks a second time for the directories that failed, that were not asked for, or that turned out to
        be bad."""
        bad = self.newly_bad()
        self._pending |= {target.key: target for target in self._meant.repos if target.key in bad}
        self._failures.clear()
        await self._ask_each(client, key, base, list(self._pending.values()))
        self._observation.complete = not self._pending

    def there(self) -> bool:
        """Returns whether this round found a repo that is usable, or that cannot be compared with the
        origin's and so may be usable, among those that tell whether the mirror is any good."""
        return next(self._usable(), None) is not None

    def newly_bad(self) -> set[str]:
        """Returns the keys of the repos that failed, are damaged or are gone, but were not so when they were
        last asked for."""
        found = self._observation.contents.items()
        bad = {key for key, content in found if content is Content.CORRUPT} | set(self._observation.unread)
        gone = {
            key for key, content in found if content is Content.MISSING and self._before.get(key) in USABLE
        }
        return {key for key in bad if self._before.get(key) is not Content.CORRUPT} | gone

    def a_usable_one(self) -> Directory | None:
        """Returns a repo at the base URLs where the mirror is asked that is usable, or may be (as `there`
        says), or None if none was found."""
        return next((target for target in self._usable() if target.module == self.module), None)

    def _usable(self) -> Iterator[Directory]:
        found = self._observation.contents
        asked = (target for target in self._telling if target.key in found)
        return (target for target in asked if found[target.key] in (None, *USABLE))

    def asked(self) -> set[str]:
        """Returns the keys of all directories that were asked for."""
        seen = self._observation
        return {*seen.contents, *seen.unread, *seen.isos}

    def _is_mended(self) -> bool:
        """Returns whether the mirror now has something that it lacked, or of which it had an older version
        than the origin."""
        seen = self._observation
        return any(
            seen.isos.get(key) or ((found := seen.contents.get(key)) is not None and found.is_good)
            for key in self._notes.lacking
        ) or any(seen.contents.get(key) is Content.CURRENT for key in self._older())

    def _older(self) -> set[str]:
        """Returns the keys of the repos of which the mirror had an older version than the origin."""
        return {key for key, content in self._before.items() if content in _OLDER}

    def _others_to_come(self) -> list[Directory]:
        """Returns the directories that the mirror lacked, or had in an older version, and for which it was
        not asked in this visit."""
        to_come = (self._notes.lacking.keys() | self._older()) - self.asked()
        return [target for target in self._meant.all if target.key in to_come]

    def _next_turn(self) -> Turn:
        around, previous = self._around, self._previous
        now, policy = around.now(), around.config.probe
        since_last = (now - previous.probed_at).total_seconds() if previous else 0.0
        situation = Situation(
            now=now,
            interval_s=around.interval_s or min(max(since_last, 1.0), policy.full_every_s),
            full_every_s=policy.full_every_s,
            grace_s=policy.grace_s,
            versions=around.versions(),
            content=self._before,
            synced=previous is not None and self._observation.timestamp != previous.timestamp,
            anew_until_s=math.inf if around.full else self._notes.failed_at if self._was_down else 0.0,
        )
        return next_turn(self._meant, self._notes, situation)

    def _first(self) -> list[Directory]:
        """Returns the repos that show whether the mirror has anything: one of each release and arch that
        tells, those first that it most likely has. If the mirror was down, these are at most five, of the
        repos that are due if there are any."""
        due = [target for target in self._telling if target.key in self._pending] if self._was_down else []
        kinds: dict[tuple[str, str], Directory] = {}
        for target in sorted(due or self._telling, key=self._promise):
            kinds.setdefault((target.release, target.arch), target)
        return list(kinds.values())[: _FIRST_OF_DOWN if self._was_down else None]

    def _promise(self, target: Directory) -> tuple[bool, float]:
        """Returns the sort key that puts first the repos that the mirror most likely has. Those that the
        mirror had come first, the latest seen before the others; after them come those that it did not have,
        the longest unasked first."""
        seen = self.seen.get(target.key)
        if seen is None or seen.sha256 is None or self._before.get(target.key) in _NOT_USABLE:
            return True, seen.asked_at if seen else 0.0
        return False, -seen.asked_at

    async def _ask_each(
        self,
        client: MirrorClient,
        key: EndpointKey,
        base: str | None,
        targets: Sequence[Directory],
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        waiting = iter(targets)

        async def worker(targets: Iterator[Directory]) -> None:
            for target in targets:
                if enough():
                    return
                if self._failures.get(_place(target), 0) < _FAILURES_IN_A_ROW:
                    await self._ask_one(client, key, base, target)

        await asyncio.gather(*(worker(waiting) for _ in range(CONCURRENCY)))

    async def _ask_one(
        self, client: MirrorClient, key: EndpointKey, base: str | None, target: Directory
    ) -> None:
        self._pending[target.key] = target
        before = self.seen.get(target.key) if target.repo else None
        if self._around.full or (before and before.timestamp is None):
            before = None
        request = await self._request(key, base, target, before)
        answer = await client.fetch(request)
        if isinstance(answer, Failure):
            self._note_failure(target, answer.reason, asked=answer.fault is not Fault.NOT_ASKED)
        elif answer.status not in (200, *_GONE) and not (answer.status == 304 and before):
            self._note_failure(target, f"HTTP {answer.status}", asked=answer.status != _TOO_MANY_REQUESTS)
        else:
            await self._note_answer(target, answer, before)

    def _note_failure(self, target: Directory, reason: str, asked: bool) -> None:
        """Notes that a directory could not be read. `asked` is False if the prober did not get to ask,
        because its budget is spent or the mirror wants fewer requests. Then nothing more is asked for at that
        base URL, and nothing is learnt about the directory."""
        if not asked:
            self.held_back = True
            self._observation.not_asked = reason
            self._failures[_place(target)] = _FAILURES_IN_A_ROW
            return
        self._failures[_place(target)] = self._failures.get(_place(target), 0) + 1
        if target.repo:
            self._observation.unread[target.key] = reason
        else:
            # What is only looked for, and gives no answer, stays as it is known.
            self._pending.pop(target.key, None)

    async def _note_answer(self, target: Directory, answer: Fetched, before: Seen | None) -> None:
        self._failures[_place(target)] = 0
        self._pending.pop(target.key, None)
        observation, now_s = self._observation, self._around.now_s()
        if target.vault:
            observation.vault[target.key] = answer.status == 200
            self.vault[target.key] = now_s
            return
        if not target.repo:
            observation.isos[target.key] = answer.status == 200
            self.isos[target.key] = now_s
            return
        observation.unread.pop(target.key, None)
        seen = _seen(answer, before, now_s).after(self._notes.contents.get(target.key))
        self.seen[target.key] = seen
        observation.contents[target.key] = await self._verdict(target, seen)

    async def _request(
        self, key: EndpointKey, base: str | None, target: Directory, before: Seen | None
    ) -> Request:
        """Makes the request for a directory. A module and the vault have base URLs of their own, which may
        lack the protocol or the address family over which the mirror itself is asked."""
        protocol, family = key
        own = bases_of(self._mirror, target)
        if target.module == self.module and not target.vault:
            base = base or own[protocol]
        else:
            base = own.get(protocol) or own.get("https") or own.get("http") or ""
            family = await self._family(base, family)
        return Request(
            url=base + target.file,
            family=family,
            method="GET" if target.repo else "HEAD",
            etag=before.etag if before else None,
            modified=before.modified if before else None,
        )

    async def _family(self, base: str, wanted: Family) -> Family:
        host = URL(base).raw_host
        allow = self._around.may_be_private(self._mirror)
        resolved = await self._around.resolver.resolve(host, allow) if host else Resolved()
        other: Family = "ipv6" if wanted == "ipv4" else "ipv4"
        return other if resolved.of(other) and not resolved.of(wanted) else wanted

    async def _verdict(self, target: Directory, seen: Seen) -> Content | None:
        around = self._around
        versions = around.versions().get(target.key, ())
        verdict = content_verdict(seen, versions, around.now(), around.config.probe.grace_s)
        if verdict is Unsure.AHEAD and seen.sha256 is not None:
            confirmed = await around.confirms(target, seen.sha256)
            return None if confirmed is None else Content.CURRENT if confirmed else Content.CORRUPT
        return verdict if isinstance(verdict, Content) else None


def _place(target: Directory) -> Place:
    return target.module, target.vault


def _seen(answer: Fetched, before: Seen | None, now_s: float) -> Seen:
    if answer.status == 304 and before is not None:
        return msgspec.structs.replace(before, asked_at=now_s)
    if answer.status != 200:
        return Seen(asked_at=now_s)
    return Seen(
        asked_at=now_s,
        sha256=digest_of(answer.body),
        timestamp=repomd_timestamp(answer.body),
        etag=answer.etag,
        modified=answer.modified,
    )

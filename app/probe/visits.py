"""Schedules the visits to mirrors over all rounds: how many at once, in which order, and until when.

As many mirrors are asked at once as this machine's processor can serve. A mirror that keeps the prober
waiting needs no processor time, so its slot goes to the next mirror, and its visit goes on beside the others.
Where slots are short, mirrors that were quick last time come first. A visit that outlasts its round goes on
into the next one, which leaves that mirror out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.model import Mirror, MirrorState
from app.probe.observation import Observation

MIRRORS_AT_ONCE = 64
SLOW_ONES_BESIDE = 256
PATIENCE_S = 3.0
"""A mirror counts as slow when no further request was sent to it for this many seconds."""


@dataclass(frozen=True)
class Result:
    """The result of a visit."""

    mirror: str
    #: The state that counts now; None if nothing is known.
    state: MirrorState | None
    observation: Observation = field(default_factory=Observation)
    #: Whether the mirror has been unreachable for so long that it is only asked once a day.
    disabled: bool = False
    #: Why the prober itself failed at the mirror; None if it did not.
    error: str | None = None


@dataclass
class Slot:
    """The right of one mirror to be among those that are asked at once."""

    #: Returns the number of requests that were sent to the mirror so far.
    requests: Callable[[], int] = lambda: 0

    async def until_slow(self) -> None:
        """Waits until no further request was sent to the mirror for `PATIENCE_S`."""
        before = -1
        while self.requests() > before:
            before = self.requests()
            await asyncio.sleep(PATIENCE_S)


class Visits:
    """The visits that are under way, and their results in the order in which they end."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(MIRRORS_AT_ONCE + SLOW_ONES_BESIDE)
        self._quick = asyncio.Semaphore(MIRRORS_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._results: asyncio.Queue[Result] = asyncio.Queue()
        self._took_s: dict[str, float] = {}

    def begin(
        self, mirrors: Iterable[Mirror], visit: Callable[[Mirror], Coroutine[Any, Any, Result]]
    ) -> None:
        """Begins to visit all mirrors that are not being visited already. `visit` must raise nothing."""

        async def note(mirror: Mirror) -> None:
            self._results.put_nowait(await visit(mirror))

        for mirror in sorted(mirrors, key=lambda mirror: self._took_s.get(mirror.name, 0.0)):
            if mirror.name not in self._under_way:
                self._under_way[mirror.name] = asyncio.create_task(note(mirror))

    async def results(self) -> AsyncIterator[Result]:
        """Yields the results of all visits that are under way, in the order in which the visits end."""
        while self._under_way:
            result = await self._results.get()
            del self._under_way[result.mirror]
            self._took_s[result.mirror] = result.observation.elapsed_s
            yield result

    def left(self) -> int:
        """Returns the number of visits that have not ended."""
        return len(self._under_way)

    def have_ended(self, mirrors: Iterable[Mirror]) -> bool:
        """Returns whether each of these mirrors has been visited at least once."""
        return all(mirror.name in self._took_s for mirror in mirrors)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Waits for a slot and yields it. The slot is free again when the block ends, or earlier if the
        mirror is slow."""
        slot = Slot()
        async with self._all:
            await self._quick.acquire()
            watch = asyncio.create_task(slot.until_slow())
            watch.add_done_callback(lambda _: self._quick.release())
            try:
                yield slot
            finally:
                watch.cancel()

"""Runs a round over many mirrors. Each is asked, asked again after a while if something has newly failed,
and judged, and its state is written. Mirrors do not wait for each other, and none can stop the round."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.catalogue.catalogue import carries, needs_probe, own_module
from app.model import Mirror, MirrorState, SourceError
from app.probe.judgement import Expectations, is_disabled, judge
from app.probe.mirror import MirrorVisit
from app.probe.observation import Observation
from app.probe.records import Records
from app.probe.surroundings import Surroundings
from app.sources.probe_state import read_mirror_state

log = logging.getLogger("mirrorwise.probe")

MIRRORS_AT_ONCE = 64
_DISABLED_EVERY = timedelta(days=1)


@dataclass(frozen=True)
class Result:
    """The result of a round for one mirror."""

    mirror: str
    #: The state that counts now; None if nothing is known.
    state: MirrorState | None
    observation: Observation = field(default_factory=Observation)
    #: Whether it has been unreachable for so long that it is only asked once a day.
    disabled: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Round:
    """A round over some mirrors."""

    around: Surroundings
    records: Records
    origin_timestamp: Callable[[], datetime | None]
    retry_after_s: float
    #: Whether these mirrors were asked for by name. Then all of them are asked, private ones too.
    named: bool = False
    #: Is called with the result of each mirror as soon as it is known.
    on_result: Callable[[Result], None] = lambda result: None

    async def run(self, mirrors: Iterable[Mirror]) -> list[Result]:
        slots = asyncio.Semaphore(MIRRORS_AT_ONCE)
        return await asyncio.gather(*(self._safely(mirror, slots) for mirror in mirrors))

    async def _safely(self, mirror: Mirror, slots: asyncio.Semaphore) -> Result:
        try:
            result = await self._probe(mirror, slots)
        except Exception as error:
            log.exception("%s could not be probed", mirror.name)
            result = Result(mirror.name, None, error=f"the prober failed: {error}")
        self.on_result(result)
        return result

    async def _probe(self, mirror: Mirror, slots: asyncio.Semaphore) -> Result:
        async with slots:
            previous = self._previous(mirror)
            if not self.named and self._rests(previous):
                return Result(mirror.name, previous, disabled=True)
            visit = MirrorVisit(mirror, previous, self.records.load_notes(mirror.name), self.around)
            await visit.first_try()
        if visit.needs_second_try():
            await asyncio.sleep(self.retry_after_s)
            async with slots:
                await visit.second_try()
        state = judge(mirror.name, previous, visit.observation, self._expectations(mirror))
        self.records.save_mirror(state, mirror.name, visit.notes)
        stands = state or previous
        return Result(
            mirror.name, stands, visit.observation, disabled=is_disabled(stands, self.around.network.clock())
        )

    def _previous(self, mirror: Mirror) -> MirrorState | None:
        path = self.records.state(mirror.name)
        try:
            return read_mirror_state(path) if path.exists() else None
        except SourceError as error:
            log.warning("the last state of %s cannot be read and is made anew: %s", mirror.name, error)
            return None

    def _rests(self, previous: MirrorState | None) -> bool:
        now = self.around.network.clock()
        return (
            previous is not None and is_disabled(previous, now) and now - previous.probed_at < _DISABLED_EVERY
        )

    def _expectations(self, mirror: Mirror) -> Expectations:
        around = self.around
        carried = [target for target in around.repos if carries(mirror, target)]
        return Expectations(
            now=around.now(),
            carried={target.key for target in carried},
            own={target.key for target in carried if target.module == own_module(mirror)},
            isos={target.key for target in around.isos if carries(mirror, target)},
            allowed_outdate_s=around.config.allowed_outdate_s,
            origin_timestamp=self.origin_timestamp(),
        )


def chosen(mirrors: Iterable[Mirror], names: Sequence[str]) -> list[Mirror]:
    """The mirrors of a round: those with these names, or without names all that need a state."""
    if names:
        return [mirror for mirror in mirrors if mirror.name in names]
    return [mirror for mirror in mirrors if needs_probe(mirror) and not mirror.disabled]

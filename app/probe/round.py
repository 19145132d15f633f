"""Runs a round over many mirrors. Each mirror is asked, asked again after a while if something has newly
failed, and judged, and its state is written at once. No mirror can stop the round, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from app.catalogue.catalogue import carries, is_asked, own_module, tells
from app.files import guarded, is_gone
from app.model import Mirror, MirrorState, SourceError
from app.probe.judgement import Expectations, is_disabled, judge
from app.probe.mirror import MirrorVisit
from app.probe.records import ProbeNotes, Records, RecordsError
from app.probe.report import transition
from app.probe.schedule import asked_again
from app.probe.surroundings import Surroundings
from app.probe.visits import Result, Visits
from app.sources.probe_state import read_mirror_state

log = logging.getLogger("mirrorwise.probe")

_DISABLED_EVERY = timedelta(days=1)


@dataclass(frozen=True)
class Round:
    """One round of the prober over some mirrors, with everything that it needs."""

    around: Surroundings
    records: Records
    origin_timestamp: Callable[[str | None], datetime | None]
    retry_after_s: float
    #: Whether the operator named these mirrors. Then all of them are asked, also private ones and those that
    #: have been unreachable for a long time.
    named: bool = False
    #: The function to call with the result of each mirror as soon as it is known.
    on_result: Callable[[Result], None] = lambda result: None
    #: The visits that are under way, among them those that earlier rounds began.
    visits: Visits = field(default_factory=Visits)

    async def run(self, mirrors: Iterable[Mirror], within_s: float | None = None) -> list[Result]:
        """Visits the mirrors. Returns the results that are there when all visits have ended, or after
        `within_s` seconds."""
        self.visits.begin(mirrors, self._safely)
        results = []
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                async for result in self.visits.results():
                    self.on_result(result)
                    results.append(result)
        return results

    async def _safely(self, mirror: Mirror) -> Result:
        try:
            return await self._probe(mirror)
        except RecordsError as error:
            log.error("%s could not be probed: %s", mirror.name, error)
            return Result(mirror.name, None, error=str(error))
        except Exception as error:
            log.exception("%s could not be probed", mirror.name)
            return Result(mirror.name, None, error=f"the prober failed: {error}")

    async def _probe(self, mirror: Mirror) -> Result:
        async with self.visits.slot() as slot:
            previous = self._previous(mirror)
            if not self.named and self._rests(previous):
                return Result(mirror.name, previous, disabled=True)
            visit = MirrorVisit(mirror, previous, self.records.load_notes(mirror.name), self.around)
            slot.requests = visit.requests
            await visit.first_try()
        if visit.needs_second_try():
            await asyncio.sleep(self.retry_after_s)
            async with self.visits.slot() as slot:
                slot.requests = visit.requests
                await visit.second_try()
        state = judge(mirror.name, previous, visit.observation, self._expectations(mirror))
        notes = visit.notes(state)
        if state is not None:
            state = self._with_plan(state, notes)
        self.records.save_mirror(state, mirror.name, notes)
        if state is not None and (news := transition(previous, state)):
            log.info("%s", news)
        stands = state or previous
        return Result(
            mirror.name, stands, visit.observation, disabled=is_disabled(stands, self.around.network.clock())
        )

    def _with_plan(self, state: MirrorState, notes: ProbeNotes) -> MirrorState:
        """Returns the state with the times when the mirror is asked again for what it lacks. Where rounds are
        started by hand, these are not known."""
        around = self.around
        if around.interval_s is None:
            return state
        again = asked_again(notes.lacking, around.now_s(), around.interval_s)
        return msgspec.structs.replace(state, asked_again=again)

    def _previous(self, mirror: Mirror) -> MirrorState | None:
        path = self.records.state(mirror.name)
        try:
            return None if is_gone(path) else guarded(read_mirror_state, path)
        except SourceError as error:
            log.warning("the last state of %s cannot be read and is made anew: %s", mirror.name, error)
            return None

    def _rests(self, previous: MirrorState | None) -> bool:
        now = self.around.network.clock()
        return (
            previous is not None and is_disabled(previous, now) and now - previous.probed_at < _DISABLED_EVERY
        )

    def _expectations(self, mirror: Mirror) -> Expectations:
        around, module = self.around, own_module(mirror)
        carried = [target for target in around.repos if carries(mirror, target)]
        return Expectations(
            now=around.now(),
            carried={target.key for target in carried},
            telling={target.key for target in carried if tells(mirror, target)},
            isos={target.key for target in around.isos if carries(mirror, target)},
            vault={target.key for target in around.vault if carries(mirror, target)},
            allowed_outdate_s=around.config.allowed_outdate_s,
            origin_timestamp=self.origin_timestamp(module),
        )


def chosen(mirrors: Iterable[Mirror], names: Sequence[str]) -> list[Mirror]:
    """Returns the mirrors of a round: those with these names or, without names, all that need a state."""
    if names:
        return [mirror for mirror in mirrors if mirror.name in names]
    return [mirror for mirror in mirrors if is_asked(mirror)]

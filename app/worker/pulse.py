"""Counts the worker's own work, for its heartbeat."""

from __future__ import annotations

from app.logs import Faults
from app.model import ProbeRound
from app.snapshot.status import Heartbeat, WorkerAnswer


class Pulse:
    """The worker's counts since its first step. Durations are sums, in seconds."""

    def __init__(self) -> None:
        self.started_at_s: float | None = None
        self.steps = 0
        self.step_seconds = 0.0
        self.compiles = 0
        self.compile_seconds = 0.0
        self.publications = 0
        #: What the worker answered last.
        self.answer: WorkerAnswer | None = None

    def stepped(self, now: float, seconds: float) -> None:
        """Counts a step that began at `now` (in epoch seconds) and took `seconds`."""
        self.started_at_s = now if self.started_at_s is None else self.started_at_s
        self.steps += 1
        self.step_seconds += seconds

    def compiled(self, seconds: float) -> None:
        """Counts a compilation that took `seconds`."""
        self.compiles += 1
        self.compile_seconds += seconds

    def beat(self, worker: str, now: float, faults: Faults, last_round: ProbeRound | None) -> Heartbeat:
        """Makes the heartbeat of this moment. `worker` is the worker's name, `now` is in epoch seconds."""
        return Heartbeat(
            worker=worker,
            at_s=now,
            started_at_s=now if self.started_at_s is None else self.started_at_s,
            steps=self.steps,
            step_seconds=self.step_seconds,
            compiles=self.compiles,
            compile_seconds=self.compile_seconds,
            publications=self.publications,
            faults=faults.by_source,
            failures=dict(faults.failures),
            guard="; ".join(t for s, t in sorted(faults.current.items()) if s.startswith("guard/")) or None,
            last_round=last_round,
            takeover=faults.current.get("takeover"),
            answer=self.answer,
        )

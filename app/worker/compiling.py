"""Compiles what the guard admits: people's files and the prober's verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.snapshot import schema, soundness
from app.snapshot.compile import compile_snapshot
from app.sources.people_files import Written
from app.worker.comparison import Measured
from app.worker.edits import Leeway
from app.worker.guard import Guard
from app.worker.reader import InputReader


@dataclass(frozen=True)
class Ready:
    """A compiled snapshot, ready to be published, with the guard to use after that."""

    #: What it was compiled from: of people's files, what the guard has admitted.
    written: Written
    snapshot: schema.Snapshot
    data: bytes
    generation: str
    guard: Guard

    def account(self, took_s: float) -> str:
        """Says what was compiled in how many seconds."""
        mirrors, places = len(self.snapshot.mirrors), self.snapshot.places.count
        what = f"{mirrors} mirrors for {places} places in {took_s:.1f} s"
        return f"{what}: {len(self.data) / 1e6:.1f} MB, generation {self.generation}"


def compile_admitted(
    reader: InputReader, guard: Guard, written: Written, load_km: Mapping[str, float], leeway: Leeway
) -> Ready:
    """Compiles what was read last, as far as the guard admits it. Raises SnapshotError if web would refuse
    the snapshot."""
    measured = Measured(reader.probe.states, reader.probe.last_round)
    admission = guard.admit(written, measured, leeway)
    inputs = reader.inputs(admission.written, load_km)
    ruling = guard.judge(inputs, admission, leeway)
    snapshot = compile_snapshot(inputs, ruling.judgement.decision)
    data = schema.encode(snapshot)
    soundness.verified(data)
    return Ready(
        admission.written,
        snapshot,
        data,
        schema.generation_of(data),
        guard.after(snapshot, ruling, leeway.now),
    )

"""Measures what two weeks of generations take that are kept for questions about the past. It only prints.

MIRRORWISE_DBIP=… python -m tests.benchmarks.past [HOURS]

It keeps two weeks (HOURS: 336) of AlmaLinux's mirrors: a generation an hour, and one every quarter of an hour
in the last 48 hours. Each hour, 40 % of the prices move by 20 km, and for each generation, the prober finds
something else of every hundredth mirror. At the end, it asks for moments at random.
"""

from __future__ import annotations

import logging
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from app.catalogue.catalogue import directories
from app.logs import Faults
from app.model import Content, MirrorState, Status
from app.past.archive import Archive
from app.past.keeper import Keeper, Sighting
from app.past.thinning import DAY_S, HOUR_S
from app.serving.past import PastGenerations
from app.settings import read_settings
from app.simulation.run import Steps, quiet_reader, waited_for_places
from app.snapshot.compile import Inputs, compile_snapshot
from app.snapshot.schema import databases_of, decode, encode, generation_of
from app.snapshot.status import StatusDocument, contents_of
from app.snapshot.status import encode as encode_status
from app.store import FileStore, Publication
from app.worker.recorder import Recorder
from tests.benchmarks.worlds import world

QUARTER_S = 900
MOVED, TROUBLED = 0.4, 0.01
STEP_KM = 20.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


class Network:
    """A network whose prices and mirrors change."""

    def __init__(self, inputs: Inputs, begin_s: float) -> None:
        self._draw = random.Random(1)
        self._inputs = inputs
        self._names = [mirror.name for mirror in inputs.mirrors]
        self._keys = [directory.key for directory in directories(inputs.config) if directory.expected]
        self.load_km = {name: self._draw.choice((0.0, 0.0, 40.0, 300.0)) for name in self._names}
        self.states: dict[str, MirrorState] = {}
        for name in self._names:
            self.probe(name, begin_s)

    def probe(self, name: str, now_s: float) -> None:
        status = self._draw.choices((Status.OK, Status.UNREACHABLE, Status.STALE), (90, 5, 5))[0]
        at = datetime.fromtimestamp(now_s + self._draw.random() * 600, UTC)
        content = {
            key: Content.MISSING if self._draw.random() < 0.02 else Content.CURRENT for key in self._keys
        }
        self.states[name] = MirrorState(
            mirror=name,
            probed_at=at,
            status=status,
            since=at,
            timestamp=at - timedelta(hours=1),
            origin_timestamp=at,
            addresses=(f"192.0.2.{self._draw.randrange(256)}",),
            content=content,
        )

    def change(self, now_s: float) -> None:
        for name in self._names:
            if self._draw.random() < TROUBLED:
                self.probe(name, now_s)
            else:  # probed again, and as before
                at = datetime.fromtimestamp(now_s + self._draw.random() * 600, UTC)
                self.states[name] = msgspec.structs.replace(
                    self.states[name], probed_at=at, timestamp=at - timedelta(hours=1), origin_timestamp=at
                )
            if now_s % HOUR_S == 0 and self._draw.random() < MOVED:
                step = self._draw.choice((-STEP_KM, STEP_KM))
                self.load_km[name] = max(0.0, self.load_km[name] + step)

    def snapshot(self) -> bytes:
        inputs = replace(self._inputs, load_km=self.load_km, states=self.states)
        return encode(compile_snapshot(inputs))

    def status(self, now_s: float) -> bytes:
        read_s = dict.fromkeys(("config", "mirrors", "state", "cloud", "geoip"), now_s)
        contents = contents_of(self.states.values())
        return encode_status(StatusDocument(states=self.states, inputs_read_s=read_s, contents=contents))


def size_of(folder: Path, pattern: str = "*") -> float:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file()) / 1e6


def measure(folder: Path, hours: int) -> None:
    name, variables = world(folder)
    reader = quiet_reader(read_settings(variables))
    reader.refresh(time.time())
    waited_for_places(reader, Steps())
    inputs = reader.read(time.time(), {})
    reader.geo.close()
    blobs = {blob.digest: blob.load() for blob in reader.blobs}
    say(f"{name}: {len(inputs.mirrors)} mirrors")
    archive = Archive(folder / "past")
    keeper = Keeper(archive, 10**12)
    now_s = time.time() // DAY_S * DAY_S - hours * HOUR_S
    network, former = Network(inputs, now_s), None
    data, status = b"", b""
    took, wholes, statuses = [], [], []
    end_s = now_s + hours * HOUR_S
    while now_s < end_s:
        network.change(now_s)
        data, status = network.snapshot(), network.status(now_s)
        generation = generation_of(data)
        seen = Sighting(generation, data, databases_of(data), now_s, now_s, former)
        started = time.perf_counter()
        keeper.keep(seen, blobs.get)
        keeper.keep_status(generation, status, now_s)
        took.append(time.perf_counter() - started)
        wholes.append(len(data))
        statuses.append(len(status))
        former = generation
        now_s += HOUR_S if now_s < end_s - 48 * HOUR_S else QUARTER_S
    say(
        f"{len(took)} generations of {statistics.mean(wholes) / 1e6:.2f} MB and documents of "
        f"{statistics.mean(statuses) / 1e6:.2f} MB: stored in {statistics.median(took) * 1e3:.0f} ms in the "
        f"median, {max(took[1:]) * 1e3:.0f} at most; the first one, with databases, in {took[0] * 1e3:.0f}"
    )
    tell(archive, folder / "past")
    ask(archive, now_s, hours)
    look(folder, data, status, blobs)


def tell(archive: Archive, folder: Path) -> None:
    kinds = ", ".join(
        f"{kind} {size_of(folder, pattern):.1f}"
        for kind, pattern in (("snapshots", "*.snapshot"), ("documents", "*.status"))
    )
    databases = size_of(archive.databases)
    say(f"all {len(archive.kept())} take {size_of(folder):.1f} MB ({kinds}, databases {databases:.1f})")


def look(folder: Path, data: bytes, status: bytes, blobs: Mapping[str, bytes]) -> None:
    """Measures what a new generation takes of the worker's loop, which waits for nothing that is written."""
    store, took = FileStore(folder / "store"), []
    for blob in blobs.values():
        store.put_blob(blob)
    for number in range(9):
        changed = msgspec.structs.replace(decode(data), repomd={f"9/baseos/{number}": ()})
        snapshot = encode(changed)
        published = Publication(
            generation=generation_of(snapshot),
            snapshot=snapshot,
            memory=b"",
            blobs=databases_of(snapshot),
            published_at_s=float(number),
        )
        store.publish(published, None)
        store.publish_status(status)
        archive = Archive(folder / f"past-{number}")
        recorder = Recorder(Keeper(archive, 10**12), folder.joinpath, Faults(logging.getLogger()))
        started = time.perf_counter()
        recorder.look(store, float(number))
        took.append(time.perf_counter() - started)
        recorder.close()
    say(f"of the worker's loop, a new generation takes {statistics.median(took) * 1e3:.0f} ms in the median")


def ask(archive: Archive, now_s: float, hours: int) -> None:
    draw, past, took = random.Random(2), PastGenerations(archive), []
    for _ in range(50):
        at_s = now_s - draw.random() * hours * HOUR_S
        started = time.perf_counter()
        past.at(at_s)
        took.append(time.perf_counter() - started)
    say(f"a moment is found in {statistics.median(took) * 1e3:.0f} ms, {max(took) * 1e3:.0f} at most")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        measure(Path(temporary), int(sys.argv[1]) if len(sys.argv) > 1 else 14 * 24)

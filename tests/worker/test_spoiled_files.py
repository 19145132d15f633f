"""Thousands of spoiled files, of every kind that the data folder has: each costs itself at most.

They are generated from good files by a seeded generator, so that a failure names the number that makes it
again. The worker, `mirrorwise check` and the prober's readers meet each of them.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import msgspec
import pytest

from app.model import Severity
from app.probe.records import Records
from app.sources.check import check
from app.sources.folder import DataFolder
from app.store import FileStore
from app.worker.loop import Worker
from app.worker.losses import Force
from tests.conftest import ROOT
from tests.spoiling import ODD_NAMES, spoiled
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, generation, loaded

MIRROR = """\
name: mirror.lux.example.org
address:
  https: https://mirror.lux.example.org/examplelinux/
  http: http://mirror.lux.example.org/examplelinux/
  rsync: rsync://mirror.lux.example.org/examplelinux/
address_optional:
  testing: {https: "https://mirror.lux.example.org/testing/"}
geolocation: {country: LU, state_province: Luxembourg, city: Luxembourg}
latitude: 49.61
longitude: 6.13
asn: [64500, AS64501]
subnets: [192.0.2.0/25, "2001:db8:77::/48"]
update_frequency: 3h
weight: 2.5
exclude_countries: [FR]
repos: [baseos, appstream]
sponsor: Example
sponsor_url: https://example.org/
email: admin@example.org
"""

MIRMON = "".join(
    f"https://{name}/examplelinux/ 1795738000 ok 1795738000 sssfs 1795000000-ssf 1795738100\n"
    for name in ("mirror.lux.example.org", "mirror.vie.example.org")
)

GEOFEED = """\
# Example's offices
192.0.2.0/25,LU,,Luxembourg,L-1111
192.0.2.128/25,DE,DE-BE,Berlin,
2001:db8:77::/48,FR,,,
198.51.100.0/24,,,,
"""

KEPT = "mirror.zrh.example.org"
"""A mirror whose own files are never spoiled."""

SAMPLED = (KEPT, "mirror.vie.example.org", "eu-central-1.aws.example.com", "mirror.corp.example.com")
"""The mirrors that are taken from the sample."""

KINDS = {
    "config.yml": "config",
    "mirrors.d/mirror.lux.example.org.yml": "mirrors",
    "mirrors.d/new.yml": "mirrors",
    "state/mirrors/mirror.lux.example.org.json": "state",
    "state/repos.json": "state",
    "state/round.json": "state",
    "state/mirmon.state": "state",
    "state/origin.json": None,  # the prober's own
    "state/probe/mirror.lux.example.org.json": None,
    "cloud/aws.json": "cloud",
    "cloud/azure.json": "cloud",
    "cloud/gcp.json": "cloud",
    "cloud/oci.json": "cloud",
    "geofeeds/office.csv": "geofeeds",
    "places.csv": "places.csv",
}
"""Every kind of file, and the source of its faults."""

VARIANTS = 150
"""Of each kind."""


@pytest.fixture
def good(network: Network) -> dict[str, bytes]:
    """The contents of the sample's files, and of those that it lacks."""
    shutil.copytree(ROOT / "data", network.data, dirs_exist_ok=True, ignore=shutil.ignore_patterns("geoip"))
    for path in network.mirrors.iterdir():
        if path.stem not in SAMPLED:
            path.unlink()
    (network.mirrors / "mirror.lux.example.org.yml").write_text(MIRROR)
    (network.mirrors / "new.yml").write_text(MIRROR.replace(".lux.", ".new."))
    (network.data / "places.csv").write_text("place,clients\nDE/50/8,1200\nDE,310\n~EU,12\n,40\n")
    (network.data / "geofeeds").mkdir()
    (network.data / "geofeeds" / "office.csv").write_text(GEOFEED)
    (network.data / "state" / "mirmon.state").write_text(MIRMON)
    seen = {"9.8/baseos/x86_64": {"asked_at": 1795738000.0, "sha256": "ab" * 32, "timestamp": 1795146300}}
    notes = {"contents": seen, "isos": {"9.8/x86_64": 1795738000.0}, "endpoints": {"https/ipv4": 1.0}}
    (network.data / "state" / "probe").mkdir()
    (network.data / "state" / "probe" / "mirror.lux.example.org.json").write_bytes(msgspec.json.encode(notes))
    origin = {"timestamp": "2026-11-20T10:15:00Z", "contents": seen}
    (network.data / "state" / "origin.json").write_bytes(msgspec.json.encode(origin))
    return {name: (network.data / name).read_bytes() for name in KINDS}


class Trial:
    """A worker that meets one spoiled file after the other."""

    def __init__(self, network: Network, store: FileStore, worker: Worker) -> None:
        self.network = network
        self.store = store
        self.worker = worker
        self.steps = 0

    def meet(self, source: str | None, case: str) -> None:
        """The worker reads the folder as it is. The only faults are of this source, and an edit goes out."""
        self.steps += 1
        sources = {source, "mirrors"} if source == "config" else {source}  # it decides what mirror files mean
        self.network.mirror(KEPT, more=f"weight: {1 + self.steps / 1000}\nprobe: false\n")
        self.worker.step(NOON + self.steps * 61, force=Force.PAST_GUARD)
        faulty = set(self.worker.faults.by_source)
        assert faulty <= {*sources, "netblocks"}, (case, self.worker.faults.current)
        assert generation(self.store) == self.worker.generation, case
        published = loaded(self.store)
        weight = published.mirrors[published.number[KEPT]].weight
        assert weight == 1 + self.steps / 1000 or source == "config", case
        if self.steps % 3 == 0:
            self.check(case, faulty)

    def check(self, case: str, faulty: set[str]) -> None:
        """The other readers meet it, too."""
        findings = check(self.network.data)
        "\n".join(map(str, findings)).encode()
        named = any(finding.severity is Severity.FAULT for finding in findings)
        assert named or not faulty, (case, self.worker.faults.current)
        records = Records(DataFolder(self.network.data))
        records.load_origin()
        records.load_notes("mirror.lux.example.org")


@pytest.fixture
def trial(network: Network, store: FileStore, start: StartWorker, good: dict[str, bytes]) -> Trial:
    worker = start()
    worker.step(NOON)
    assert worker.faults.current == {}
    return Trial(network, store, worker)


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS])
def test_spoiled_contents(trial: Trial, good: dict[str, bytes], kind: str) -> None:
    """Whatever a file holds, no step fails, no other input suffers, and the file is named."""
    path = trial.network.data / kind
    for number in range(VARIANTS):
        content = spoiled(good[kind], random.Random(f"{kind} {number}"))
        path.write_bytes(content)
        trial.meet(KINDS[kind], f"{kind}, number {number}: {content[:300]!r}")
    path.write_bytes(good[kind])
    trial.meet(None, f"{kind} is good again")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind, source in KINDS.items() if kind.count("/") and source])
def test_odd_names(trial: Trial, good: dict[str, bytes], kind: str) -> None:
    """The same holds for every kind of file under every name. A file whose name cannot be said is named all
    the same, in escapes."""
    folder, ending = (trial.network.data / kind).parent, Path(kind).suffix.encode()
    for name in ODD_NAMES:
        path = Path(os.fsdecode(os.path.join(os.fsencode(folder), name + ending)))  # noqa: PTH118 - bytes
        path.write_bytes(good[kind])
        trial.meet(KINDS[kind], f"{kind} as {name!r}")
        named = [subject for subject in trial.worker.faults.current if subject.isprintable()]
        assert len(named) == len(trial.worker.faults.current)
        path.unlink()

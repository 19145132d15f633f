"""Files in every kind of trouble under the worker: what they last said stays, also for a worker that is
started then, and each fault is named once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import app.files
from app.files import Marks
from app.geo.copies import VerifiedCopies
from app.model import GeoError, RepomdVersion, Status, digest_of
from app.serving.current import Current
from app.store import FileStore, Publication
from app.worker.losses import Force
from tests.builders import an_image_directory
from tests.conftest import ROOT
from tests.spoiling import deep, directory, emptied, endless, huge, loop, pipe, truncated
from tests.worker.conftest import StartWorker
from tests.worker.network import CITY, NOON, Network, generation, listed, loaded, replaced

MINUTE = 60.0
SHA256 = "0" * 64


OFTEN = [emptied, pipe, loop, deep]
SELDOM = [truncated, directory, endless, huge]
BREAKAGES = [*OFTEN, *(pytest.param(breakage, marks=pytest.mark.slow) for breakage in SELDOM)]


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Mirrors with states, one of them known to be down; what the origin has; cloud ranges; client counts;
    a geofeed; a city database."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    names = network.several(6)
    network.mirror("cloud.example.org", more="cloud_type: aws\ncloud_regions: [eu-central-1]\nprobe: false\n")
    network.probed(names)
    network.state(names[0], Status.UNREACHABLE)
    version = RepomdVersion(timestamp=1, size=1, seen_at=datetime.fromtimestamp(NOON, UTC), sha256=SHA256)
    facts = {"9.8/baseos/x86_64": (version,)}
    replaced(network.data / "state" / "repos.json", msgspec.json.encode(facts))
    images = {"9.8/x86_64": an_image_directory("x.iso")}
    replaced(network.data / "state" / "isos.json", msgspec.json.encode(images))
    shutil.copytree(ROOT / "data" / "cloud", network.data / "cloud")
    (network.data / "places.csv").write_text("place,clients\nDE/50/8,1\nFR/48/2,1\n")
    (network.data / "geofeeds").mkdir()
    rows = "192.0.2.0/24,FR,,Paris,\n2001:db8:aaaa:bbbb::/64,JP\n"  # half of it ends in a prefix
    (network.data / "geofeeds" / "office.csv").write_text(rows)
    network.city_database()
    return names


FILES = [
    "config.yml",
    "mirrors.d/m01.example.org.yml",
    "state/mirrors/m00.example.org.json",
    "state/round.json",
    "state/repos.json",
    "state/isos.json",
    "cloud/aws.json",
    "geofeeds/office.csv",
    "places.csv",
    "geoip/city.mmdb",
]


@pytest.mark.slow
@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("file", FILES)
def test_broken_file(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
    file: str,
    breakage: Callable[[Path], None],
) -> None:
    """The lists stay what they were, edits of other files go out, the log names the file once, and a worker
    that is started then knows what the former one knew."""
    cities = (network.data / file,) if file.startswith("geoip") else ()  # to scan it takes a while
    worker = start(cities=cities)
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON + 1)
    before, overlays, repomd = generation(store), loaded(store).overlays, loaded(store).repomd
    images = loaded(store).images
    breakage(network.data / file)
    caplog.clear()
    for minute in range(1, 4):
        worker.step(NOON + minute * MINUTE)
    assert generation(store) == before
    assert worker.has_published
    subjects = set(worker.faults.current)
    assert len(subjects) == 1, subjects
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1, caplog.text
    worker.stop()
    after_restart = start(cities=cities)
    after_restart.step(NOON + 4 * MINUTE)
    network.mirror("new.example.org", more="probe: false\n")
    after_restart.step(NOON + 5 * MINUTE)
    after_restart.step(NOON + 6 * MINUTE)
    assert sorted(listed(store)) == sorted([*names[1:], "new.example.org"])
    assert loaded(store).overlays == overlays and "aws:eu-central-1" in overlays
    assert loaded(store).repomd == repomd and repomd
    assert loaded(store).images == images and images
    assert ("DE/50/8" in loaded(store).rows) == bool(cities)
    assert "FR/48/2" in loaded(store).rows  # by the geofeed
    assert set(after_restart.faults.current) == subjects


@pytest.mark.parametrize("folder", ["mirrors.d", "state", "state/mirrors", "cloud", "geofeeds"])
@pytest.mark.parametrize(
    "breakage", [Path.unlink, *(pytest.param(breakage, marks=pytest.mark.slow) for breakage in (loop, pipe))]
)
def test_closed_folder(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
    folder: str,
    breakage: Callable[[Path], None],
) -> None:
    """A folder that is not there, or cannot be read, is no decision to empty it: all in it stays as it was,
    however long, and whoever starts meanwhile."""
    worker = start()
    worker.step(NOON)
    before = generation(store)
    caplog.clear()
    moved = (network.data / folder).rename(network.data / "moved")
    path = network.data / folder
    path.write_text("")
    breakage(path)
    for minute in range(1, 41, 13):
        worker.step(NOON + minute * MINUTE)
    assert generation(store) == before
    assert len(worker.faults.current) == 1
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1, caplog.text
    worker.stop()
    after_restart = start()
    after_restart.step(NOON + 50 * MINUTE)
    assert generation(store) == before
    path.unlink(missing_ok=True)
    moved.rename(path)
    after_restart.step(NOON + 60 * MINUTE)
    assert after_restart.faults.current == {}
    assert generation(store) == before


def test_data_folder_replaced(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """`mv data old; mv new data`: while there is no data folder, all stays as it was. What the new one lacks
    (nobody keeps `state/` and `cloud/` in git) stays until it is there again: a prober that fills a new
    folder takes no state away before its round has ended."""
    worker = start()
    worker.step(NOON)
    before, overlays, clients = generation(store), loaded(store).overlays, worker.reader.clients
    old = network.data.rename(network.data.with_name("old"))
    worker.step(NOON + MINUTE)
    assert set(worker.faults.current) == {"config", "mirrors", "state", "cloud", "geofeeds"}
    assert (generation(store), worker.reader.clients) == (before, clients)
    network.mirrors.mkdir(parents=True)
    shutil.copytree(old / "mirrors.d", network.mirrors, dirs_exist_ok=True)
    for file in ("config.yml", "places.csv"):
        shutil.copy(old / file, network.data / file)
    worker.step(NOON + 2 * MINUTE)
    assert (generation(store), set(worker.faults.current)) == (before, {"state", "cloud", "geofeeds"})
    network.state(names[1])
    for minute, each in ((3, worker), (4, start())):
        each.step(NOON + minute * MINUTE)
        assert generation(store) == before
        assert loaded(store).overlays == overlays
        worker.stop()
    assert set(each.faults.current) == {"state/round.json", "cloud", "geofeeds"}
    network.probed(names)
    for folder in ("cloud", "geofeeds"):
        shutil.copytree(old / folder, network.data / folder)
    each.step(NOON + 5 * MINUTE)
    assert each.faults.current == {}
    assert names[0] in listed(store)


@pytest.mark.parametrize("folder", ["mirrors.d", "state", "state/mirrors", "cloud", "geofeeds"])
def test_folder_taken_away_while_it_is_read(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
) -> None:
    """A listing that was overtaken says nothing of the files: all stays as it was."""
    worker = start()
    worker.step(NOON)
    before = generation(store)
    listing, path = app.files.marks, network.data / folder

    def overtaken(listed: Path, *suffixes: str) -> Marks:
        if listed == path:
            path.rename(network.data / "moved")
        return listing(listed, *suffixes)

    next(path.iterdir()).touch()
    with monkeypatch.context() as patched:
        patched.setattr(app.files, "marks", overtaken)
        worker.reader.read(NOON + MINUTE, {})
    worker.step(NOON + 2 * MINUTE)
    assert generation(store) == before
    assert len(worker.faults.current) == 1


def test_mirrors_folder_gone(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """A folder that is not there (its disk is not mounted) takes no mirror out, however long. One that is
    there and empty takes none out either, private and unreachable ones included, until a person asks for it:
    lists would be left with the origin alone."""
    worker = start()
    worker.step(NOON)
    before = generation(store)
    network.mirrors.rename(network.data / "moved")
    for minute in (1, 40, 80):
        worker.step(NOON + minute * MINUTE)
    assert generation(store) == before
    assert "cannot be read" in worker.faults.current["mirrors"]
    network.mirrors.mkdir()
    worker.step(NOON + 90 * MINUTE)
    worker.step(NOON + 121 * MINUTE)
    assert generation(store) == before
    worker.step(NOON + 122 * MINUTE, Force.TO_ORIGIN)
    assert listed(store) == [] and not loaded(store).mirrors


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"failures": 10**30}, id="a number that no reader has room for"),
        pytest.param({"probed_at": "0001-01-01T00:00:00+14:00"}, id="before the calendar begins"),
        pytest.param({"timestamp": "9999-12-31T23:59:59-14:00"}, id="after it ends"),
    ],
)
def test_extreme_values(
    network: Network, store: FileStore, start: StartWorker, names: list[str], change: dict[str, object]
) -> None:
    """Well-formed state that nothing can be computed with is a fault of that file alone."""
    worker = start()
    worker.step(NOON)
    path = network.state(names[1])
    replaced(path, msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | change))
    network.mirror("new.example.org", more="probe: false\n")
    worker.step(NOON + MINUTE)
    assert set(worker.faults.current) == {f"state/mirrors/{names[1]}.json"}
    assert "new.example.org" in listed(store) and names[1] in listed(store)


def test_cloud_file_taken_away(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """What is kept for bad days does not come back against people's will: a provider whose file was
    removed stays out, also when another's is broken at the next start."""
    worker = start()
    worker.step(NOON)
    (network.data / "cloud" / "aws.json").unlink()
    worker.step(NOON + 1)
    worker.stop()
    others = [path for path in (network.data / "cloud").glob("*.json") if path.name != "aws.json"]
    emptied(others[0])
    after_restart = start()
    after_restart.step(NOON + 2)
    clouds = {name.partition(":")[0] for name in loaded(store).overlays}
    assert "aws" not in clouds and len(clouds) == len(others)


# --- our own copies ----------------------------------------------------------------------------------------


def test_copy_of_the_right_size_only(tmp_path: Path) -> None:
    """A copy that a disk has filled with something else is made anew, of files and of what comes through
    the store."""
    folder, content = tmp_path / "geoip", CITY.read_bytes()
    digest = VerifiedCopies(folder).copy(CITY).stem
    kept = VerifiedCopies(folder).keep(digest_of(content), content)
    assert kept.stem == digest
    kept.write_bytes(bytes(len(content)))
    assert VerifiedCopies(folder).copy(CITY).read_bytes() == content
    kept.write_bytes(bytes(len(content)))
    assert VerifiedCopies(folder).keep(digest_of(content), content).read_bytes() == content
    assert not list(folder.glob("*.tmp"))


def test_copy_that_does_not_fit(tmp_path: Path) -> None:
    """What came back from the disk differently than it was written is not used."""
    copies = VerifiedCopies(tmp_path / "geoip")
    with pytest.raises(GeoError, match="something else than was written"):
        copies.keep("0" * 64, b"not what the digest says")
    assert not list((tmp_path / "geoip").iterdir())


def test_last_good_copy_is_kept_again(
    network: Network, store: FileStore, start: StartWorker, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node whose disk was full when a generation came keeps it as soon as there is room, without waiting
    for the next one."""
    monkeypatch.setattr("app.serving.kept_copy.KEEP_AGAIN_S", 0.0)
    worker = start()
    worker.step(NOON)
    node = network.var.with_name("node")
    node.mkdir()
    (node / "store").write_text("a file where a folder should be")
    kept = FileStore(node / "store")
    current = Current(msgspec.structs.replace(network.settings(), var_dir=node), store, kept)
    current.refresh()
    assert set(current.faults.current) == {"last good copy"}
    (node / "store").unlink()
    current.refresh()
    assert current.faults.current == {}
    assert generation(kept) == generation(store)


def test_unreadable_generation_is_read_once(
    network: Network, store: FileStore, start: StartWorker, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of a newer schema is not fetched again at every look, by every process."""
    worker = start()
    worker.step(NOON)
    current = Current(network.settings(), store, None)
    current.refresh()
    strange = Publication(
        generation="strange", snapshot=b"\x81\xa6schema\x63", memory=b"", blobs=(), published_at_s=1.0
    )
    store.publish(strange, None)
    asked: list[str] = []
    read = store.snapshot

    def counted(name: str) -> bytes | None:
        asked.append(name)
        return read(name)

    monkeypatch.setattr(store, "snapshot", counted)
    for _ in range(3):
        current.refresh()
    assert asked == ["strange"]
    assert "schema 99" in current.faults.current["store"]
    worker.step(NOON + 1)
    current.refresh()
    assert current.faults.current == {}


def test_damaged_status_document(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """It costs explanations, not lists: a new generation beside it is served."""
    worker = start()
    worker.step(NOON)
    current = Current(network.settings(), store, None)
    current.refresh()
    network.mirror("new.example.org", more="probe: false\n")
    worker.step(NOON + 1)
    store.publish_status(b"another")
    for path in (store.directory / "objects").iterdir():
        if path.read_bytes() == b"another":
            path.write_bytes(b"damaged")
    current.refresh()
    assert current.serving is not None and current.serving.snapshot.generation == generation(store)
    assert "does not hold what its name says" in current.faults.current["status document"]

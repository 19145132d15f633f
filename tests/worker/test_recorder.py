"""What workers keep of what they publish or see published."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.past.archive import Archive
from app.past.keeper import Keeper
from app.snapshot.status import decode as decode_status
from app.store import FileStore
from app.worker.loop import Worker
from tests.conftest import wait_until
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, generation, loaded

MINUTE = 60.0


@pytest.fixture
def archive(network: Network) -> Archive:
    network.several(3)
    return Archive.of(network.var)


def written(worker: Worker, now: float) -> None:
    """One step, and all that it begins to write."""
    worker.step(now)
    worker._recorder.close()


def publish(network: Network, worker: Worker, number: int, now: float) -> str:
    """Another generation is published."""
    network.mirror(f"new{number}.example.org", more="probe: false\n")
    written(worker, now)
    name = generation(network.store())
    assert name is not None
    return name


def names(archive: Archive) -> list[str]:
    return [one.generation for one in archive.kept()]


def test_each_publication_is_kept(network: Network, archive: Archive, start: StartWorker) -> None:
    """With its databases and the evidence that it was decided by."""
    network.mirror("corp.example.com", more="subnets: [10.20.0.0/16]\nprivate: true\n")
    worker = start()
    published = [publish(network, worker, number, NOON + 10 * number) for number in range(3)]
    assert names(archive) == published
    found = archive.at(NOON + 19)
    assert (found.kept.generation, found.is_exact) == (published[1], True)
    snapshot = found.load()
    assert snapshot.networks is not None
    assert archive.database(snapshot.networks) == network.store().blob(snapshot.networks)
    status = archive.status(found.kept, NOON + 10)
    assert status is not None and decode_status(status).inputs_read_s["mirrors"] == NOON + 10
    assert worker.faults.current == {}


@pytest.mark.slow
def test_a_quiet_day(network: Network, archive: Archive, start: StartWorker) -> None:
    """A generation that nothing follows is noted once a minute, and its evidence is kept once an hour."""
    worker = start()
    for minute in range(0, 150):
        written(worker, NOON + MINUTE * minute)
    (kept,) = archive.kept()
    assert archive.until_s(kept) == NOON + MINUTE * 149
    assert [at_s - NOON for at_s, _ in kept.statuses] == [0, 3600, 7200]


def test_a_worker_that_stands_by_keeps_the_same(
    network: Network, archive: Archive, start: StartWorker, tmp_path: Path
) -> None:
    """In the folder of its own machine, so that it can be asked there, too."""
    other = Network(tmp_path / "other")
    other.several(3)
    first, second = start(), Worker(other.settings(), network.store())
    published = []
    for number in range(3):
        published.append(publish(network, first, number, NOON + 10 * number))
        written(second, NOON + 10 * number + 1)
    second.stop()
    assert second.leading is False
    theirs = Archive.of(other.var)
    assert names(archive) == names(theirs) == published
    for at_s in (NOON, NOON + 9, NOON + 10, NOON + 25):
        one, same = archive.at(at_s), theirs.at(at_s)
        assert (one.snapshot, one.is_exact) == (same.snapshot, same.is_exact)


def test_a_restart_goes_on(network: Network, archive: Archive, start: StartWorker) -> None:
    """What is published already is not kept twice, and what comes next is kept behind it."""
    first = start()
    publish(network, first, 0, NOON)
    first.stop()
    second = start()
    written(second, NOON + 30)
    assert len(archive.kept()) == 1
    publish(network, second, 1, NOON + 60)
    assert [archive.at(at_s).is_exact for at_s in (NOON + 29, NOON + 59, NOON + 60)] == [True] * 3
    assert len(archive.kept()) == 2


def test_an_emptied_store(network: Network, archive: Archive, store: FileStore, start: StartWorker) -> None:
    """What is published again is what was published before."""
    worker = start()
    publish(network, worker, 0, NOON)
    for path in store.directory.rglob("*.json"):
        path.unlink()
    written(worker, NOON + 1)
    assert len(archive.kept()) == 1


def test_nothing_is_kept_where_nothing_may_be(network: Network, archive: Archive) -> None:
    """`PAST_MB=0`."""
    worker = Worker(msgspec.structs.replace(network.settings(), past_mb=0), network.store())
    written(worker, NOON)
    worker.stop()
    assert not archive.folder.exists()


# --- troubles of the disk ------------------------------------------------------------------------------


class Disk:
    """A disk in place of the keeper's, which waits or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: OSError | None = None
        self.is_there = threading.Event()
        self.is_there.set()
        keep = Keeper.keep

        def kept(keeper: Keeper, *arguments: object) -> None:
            assert self.is_there.wait(30)
            if self.error is not None:
                raise self.error
            keep(keeper, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Keeper, "keep", kept)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.slow
def test_a_full_disk(network: Network, archive: Archive, start: StartWorker, disk: Disk) -> None:
    """It is a fault and nothing else: all is published. When there is room, what is published then is kept,
    from the moment on at which it was published."""
    disk.error = OSError(errno.ENOSPC, "No space left on device", str(archive.folder))
    worker = start()
    publish(network, worker, 0, NOON)
    second = publish(network, worker, 1, NOON + 1)
    assert worker.faults.current["past"] == (
        f"{archive.folder}: No space left on device; so what is published now is not kept for later questions"
    )
    assert second == generation(network.store())
    disk.error = None
    for seconds in (2, 30, 62, 63):
        written(worker, NOON + seconds)
    assert worker.faults.current == {}
    assert [(one.generation, one.since_s) for one in archive.kept()] == [(second, NOON + 1)]


@pytest.mark.slow
def test_a_disk_that_hangs(network: Network, archive: Archive, start: StartWorker, disk: Disk) -> None:
    """No publication waits for it, and what waits in memory is limited. What could not wait is not kept."""
    worker = start()
    disk.is_there.clear()
    for number in range(12):
        network.mirror(f"new{number}.example.org", more="probe: false\n")
        worker.step(NOON + number)
        assert f"new{number}.example.org" in loaded(network.store()).number
    assert "the disk is too slow" in worker.faults.current["past"]
    assert len(worker._recorder._waiting) <= 9
    disk.is_there.set()
    last = generation(network.store())
    wait_until(_becomes(worker, archive, last), "the last generation is kept")
    assert worker.faults.current == {}


def _becomes(worker: Worker, archive: Archive, name: str | None) -> Callable[[], bool]:
    def is_kept() -> bool:
        worker.step(NOON + 20)
        return name in names(archive) and not worker.faults.current

    return is_kept


def test_a_folder_that_cannot_be_written(network: Network, archive: Archive, start: StartWorker) -> None:
    """A file in its place is named."""
    network.var.mkdir()
    archive.folder.write_text("not a folder")
    worker = start()
    publish(network, worker, 0, NOON)
    assert str(archive.folder) in worker.faults.current["past"]

"""The loop around the steps, and a single run."""

from __future__ import annotations

import ctypes
import logging
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from app.logs import Faults
from app.model import Status
from app.store import FileStore
from app.worker.loop import Worker
from app.worker.losses import Force
from app.worker.running import run, run_once
from tests.conftest import wait_until
from tests.servers import WorkerProcess, environ
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, generation, listed, loaded

TGKILL = {"x86_64": 234, "aarch64": 131}.get(platform.machine(), 0)
"""The number of Linux' system call that sends a signal to one thread."""


@contextmanager
def running(worker: Worker, force: Force = Force.NO) -> Iterator[None]:
    """The worker's loop in a thread, ended and waited for."""
    stopping = threading.Event()
    thread = threading.Thread(target=run, args=(worker, 0.01, stopping, force))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    return network.several(8)


def test_run_until_stopped(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """The loop publishes, follows the files, and gives the lease back in the end."""
    with running(start()):
        wait_until(lambda: generation(store) is not None, "the first publication")
        network.mirror("new.example.org")
        wait_until(lambda: "new.example.org" in listed(store), "the edit is published")
    assert store.lease("somebody else", 1)
    store.close()


class Flawed:
    """A worker with a bug that goes away."""

    has_published = False

    def __init__(self) -> None:
        self.faults = Faults(logging.getLogger("mirrorwise.worker"))
        self.steps = 0

    def step(self, now: float, force: Force) -> None:
        self.steps += 1
        if self.steps < 5:
            raise RuntimeError("a bug")

    def stop(self) -> None:
        """Nothing to give back."""


def test_bug_in_a_step(caplog: pytest.LogCaptureFixture) -> None:
    """A step that fails for a reason nobody thought of is tried again; its traceback is in the log once."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    worker = Flawed()
    with running(cast(Worker, worker)):
        wait_until(lambda: worker.steps > 6, "more steps")
    assert caplog.messages == ["worker: a step failed: RuntimeError('a bug')", "worker: well again"]
    assert "Traceback" in caplog.text


def test_force_waits_for_the_lease(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """`worker --force` started while the former worker is still ending publishes past the guard once it
    leads; its force is not spent on standing by."""
    network.probed(names)
    former = start()
    former.step(NOON)
    network.probed(names[1:], Status.UNREACHABLE)
    forcing = start()
    with running(forcing, force=Force.PAST_GUARD):
        wait_until(lambda: forcing.leading is False, "standing by")
        assert len(listed(store)) == 8
        former.stop()
        wait_until(lambda: listed(store) == names[:1], "published by force")


def test_force_is_for_one_publication(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """After what `--force` was meant for, the guard is back."""
    worker = start()
    with running(worker, force=Force.PAST_GUARD):
        wait_until(lambda: worker.has_published, "the first publication")
        network.remove(*names[1:])
        wait_until(lambda: "guard" in worker.faults.by_source, "the guard holds back")
    assert sorted(listed(store)) == names


def test_once(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """`worker --once` waits for the place scan, publishes and gives the lease back."""
    assert run_once(start(cities=(network.city_database(),)))
    assert "DE/50/8" in loaded(store).rows
    assert store.lease("somebody else", 1)
    store.close()


def hold_the_lease(network: Network, start: StartWorker) -> None:
    start().step(NOON)


def spoil_the_config(network: Network, start: StartWorker) -> None:
    network.config.write_text("config_version: 2\n")


def take_all_mirrors_out(network: Network, start: StartWorker) -> None:
    worker = start()
    worker.step(NOON)
    worker.stop()
    network.remove(*(f"m{number:02}.example.org" for number in range(8)))


def lose_all_mirrors_by_probe(network: Network, start: StartWorker) -> None:
    worker = start()
    worker.step(NOON)
    worker.stop()
    network.probed([f"m{number:02}.example.org" for number in range(8)], Status.UNREACHABLE)


def spoil_the_store(network: Network, start: StartWorker) -> None:
    network.var.mkdir()
    (network.var / "store").write_text("a file where a folder should be")


@pytest.mark.parametrize(
    ("obstacle", "subject"),
    [
        pytest.param(hold_the_lease, "lease", id="another worker"),
        pytest.param(spoil_the_config, "config", id="config"),
        pytest.param(take_all_mirrors_out, "guard", id="edits are held back"),
        pytest.param(lose_all_mirrors_by_probe, "guard", id="verdicts are held back"),
        pytest.param(spoil_the_store, "store", id="store"),
    ],
)
def test_once_in_vain(
    network: Network,
    start: StartWorker,
    names: list[str],
    obstacle: Callable[[Network, StartWorker], None],
    subject: str,
) -> None:
    """`worker --once` that could not publish says so, and why."""
    obstacle(network, start)
    worker = start()
    assert not run_once(worker)
    assert set(worker.faults.by_source) == {subject}


def test_once_by_force(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """`worker --once --force` publishes past the guard; to leave a list with the origin alone takes
    `--to-origin`."""
    take_all_mirrors_out(network, start)
    assert not run_once(start(), Force.PAST_GUARD)
    assert sorted(listed(store)) == names
    assert run_once(start(), Force.TO_ORIGIN)
    assert listed(store) == []


@pytest.mark.slow
def test_ends_whichever_thread_gets_the_signal(tmp_path: Path, network: Network) -> None:
    """The system may give SIGTERM to any thread of the process, as it does after the process was stopped."""
    network.several(3)
    network.city_database()
    worker = WorkerProcess(tmp_path, environ(network.data, network.var))
    try:
        wait_until(lambda: "published generation" in worker.said(), "the first publication")
        pid = worker.process.pid
        others = {int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()} - {pid}
        assert others
        for thread in others:
            ctypes.CDLL(None).syscall(TGKILL, pid, thread, signal.SIGTERM)
        assert worker.process.wait(timeout=20) == 0
    finally:
        worker.stop()

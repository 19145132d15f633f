"""What the prober writes, and when the worker publishes it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.model import Status
from app.store import FileStore
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, generation, listed, status

HOUR = 3600.0
MINUTE = 60.0
DAY = 24 * HOUR


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Eight mirrors, all probed and well."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    names = network.several(8)
    network.probed(names)
    return names


# --- how often ----------------------------------------------------------------------------------------


def test_state_is_published_once_a_minute(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """A round writes its files one after the other; what they change goes out at most once a minute."""
    worker = start()
    worker.step(NOON)
    seen = []
    for number, at_s in enumerate((1, 59, 60, 61, 119, 120)):
        network.state(names[number % 3], Status.UNREACHABLE, NOON + at_s)
        worker.step(NOON + at_s)
        seen.append(len(listed(store)))
    assert seen == [8, 8, 5, 5, 5, 5]
    network.state(names[3], Status.UNREACHABLE, NOON + 121)
    worker.step(NOON + 121)
    assert len(listed(store)) == 5
    worker.step(NOON + 180)
    assert len(listed(store)) == 4


def test_people_do_not_wait_for_the_prober(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """A mirror file edited in the middle of a round is published at once."""
    worker = start()
    worker.step(NOON)
    network.state(names[0], Status.UNREACHABLE, NOON + 1)
    worker.step(NOON + 1)
    network.mirror("new.example.org", more="probe: false\n")
    worker.step(NOON + 2)
    assert "new.example.org" in listed(store)


def test_clock_set_back(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """With the clock set back a day, state does not wait for the day to pass."""
    worker = start()
    worker.step(NOON)
    network.state(names[0], Status.UNREACHABLE)
    worker.step(NOON - DAY)
    assert names[0] not in listed(store)


# --- what it means ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "age_s", "is_served"),
    [
        pytest.param(Status.OK, 0, True, id="well"),
        pytest.param(Status.OK, 12 * HOUR, True, id="as old as allowed"),
        pytest.param(Status.OK, 12 * HOUR + 1, False, id="older than allowed"),
        pytest.param(Status.STALE, 0, False, id="stale"),
        pytest.param(Status.UNREACHABLE, 0, False, id="unreachable"),
        pytest.param(Status.BROKEN, 0, False, id="broken"),
    ],
)
def test_verdicts(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    verdict: Status,
    age_s: float,
    is_served: bool,
) -> None:
    """A mirror is served while it is well and no older than the config allows."""
    network.state(names[0], verdict, age_s=age_s)
    start().step(NOON)
    assert (names[0] in listed(store)) is is_served
    assert len(listed(store)) == 7 + is_served


def test_stopped_prober(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """A prober that stops for days does not age the network: everybody is served as when it stopped."""
    worker = start()
    worker.step(NOON)
    first = generation(store)
    for days in (1, 2, 9):
        worker.step(NOON + days * DAY)
    assert generation(store) == first
    network.mirror("new.example.org", more="probe: false\n")
    worker.step(NOON + 10 * DAY)
    assert len(listed(store)) == 9


def test_one_state_file_alone(network: Network, store: FileStore, start: StartWorker) -> None:
    """Before the first complete round, mirrors that nobody has looked at are served, after those known
    to be good."""
    names = network.several(8)
    network.state(names[5])
    worker = start()
    worker.step(NOON)
    assert sorted(listed(store)) == names
    network.state(names[6], Status.UNREACHABLE)
    worker.step(NOON + MINUTE)
    assert sorted(listed(store)) == [name for name in names if name != names[6]]


def test_mirror_added_after_the_round(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """A mirror added after a complete round waits for its first probe; private and unprobed ones do not."""
    worker = start()
    worker.step(NOON)
    network.mirror("new.example.org")
    network.mirror("trusted.example.org", more="probe: false\n")
    worker.step(NOON + 1)
    assert set(listed(store)) - set(names) == {"trusted.example.org"}
    network.state("new.example.org", at_s=NOON + 60)
    worker.step(NOON + 61)
    assert set(listed(store)) - set(names) == {"trusted.example.org", "new.example.org"}


def test_ages_are_apart(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """A round that changes no list changes the status document, and makes no generation."""
    worker = start()
    worker.step(NOON)
    before = store.pointer()
    later_s = NOON + 15 * MINUTE
    for name in names:
        network.state(name, at_s=later_s, age_s=600)
    network.round(later_s)
    worker.step(later_s)
    after = store.pointer()
    assert before is not None and after is not None
    assert after.generation == before.generation
    assert after.status != before.status
    assert {state.probed_at.timestamp() for state in status(store).states.values()} == {later_s}
    assert status(store).inputs_read_s["state"] == later_s


def test_status_document_is_rare(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """The status document is written at most once a minute while a round goes on."""
    worker = start()
    worker.step(NOON)
    tags = set()
    for second in range(1, 121):
        network.state(names[second % 8], at_s=NOON + second)
        worker.step(NOON + second)
        pointer = store.pointer()
        assert pointer is not None
        tags.add(pointer.status)
    assert len(tags) == 3


def test_private_mirrors_have_no_status(network: Network, store: FileStore, start: StartWorker) -> None:
    """What was measured of a private mirror is in no document that web could show."""
    network.mirror("public.example.org")
    network.mirror("private.example.org", more="private: true\nsubnets: [10.0.0.0/8]\n")
    network.probed(["public.example.org", "private.example.org"])
    start().step(NOON)
    assert set(status(store).states) == {"public.example.org"}


# --- broken state files -------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def another(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"m00.example", b"m99.example"))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("verdict", [Status.OK, Status.UNREACHABLE])
@pytest.mark.parametrize("breakage", [truncated, emptied, binary, another, directory])
def test_broken_state_file(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
    breakage: Callable[[Path], None],
    verdict: Status,
) -> None:
    """A state file that cannot be read leaves its mirror as it was; the log names the fault once, and
    says when it is over."""
    path = network.state(names[0], verdict)
    worker = start()
    worker.step(NOON)
    before = listed(store)
    breakage(path)
    for minute in range(1, 4):
        network.state(names[1], at_s=NOON + minute)
        worker.step(NOON + minute * MINUTE)
    assert listed(store) == before
    subject = f"state/mirrors/{names[0]}.json"
    assert set(worker.faults.current) == {subject}
    assert [m for m in caplog.messages if m.startswith(subject)] == [
        f"{subject}: {worker.faults.current[subject]}"
    ]
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    network.state(names[0])
    worker.step(NOON + HOUR)
    assert sorted(listed(store)) == names
    assert caplog.messages.count(f"{subject}: well again") == 1


@pytest.mark.parametrize("name", ["round.json", "repos.json", "isos.json", "mirmon.state"])
def test_broken_single_files(
    network: Network, store: FileStore, start: StartWorker, names: list[str], name: str
) -> None:
    """The same holds for what the prober writes of the whole network."""
    worker = start()
    worker.step(NOON)
    first = generation(store)
    path = network.data / "state" / name
    path.unlink(missing_ok=True)
    path.mkdir()
    worker.step(NOON + MINUTE)
    assert generation(store) == first
    assert set(worker.faults.current) == {f"state/{name}"}
    path.rmdir()
    network.round()
    worker.step(NOON + 2 * MINUTE)
    assert worker.faults.current == {}


# --- the guard ----------------------------------------------------------------------------------------


def test_everybody_unreachable_at_once(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A prober that has lost its own network empties nothing: the lists stay, for as long as it takes,
    the fault is named once, and recovery publishes by itself."""
    worker = start()
    worker.step(NOON)
    first = generation(store)
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    for at_s in (MINUTE, 2 * MINUTE, 31 * MINUTE, HOUR, 23 * HOUR, 25 * HOUR, 49 * HOUR):
        worker.step(NOON + at_s)
        assert generation(store) == first
    assert set(worker.faults.current) == {"guard/verdicts"}
    assert "on 8 mirrors" in worker.faults.current["guard/verdicts"]
    network.probed(names, Status.OK, NOON + 50 * HOUR)
    network.state(names[0], Status.UNREACHABLE)
    worker.step(NOON + 50 * HOUR)
    assert sorted(listed(store)) == names[1:]
    assert worker.faults.current == {}
    assert len([m for m in caplog.messages if m.startswith("guard/verdicts: ")]) == 2


def test_everybody_unreachable_after_a_quiet_week(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """The guard has not forgotten what is being served, however long nothing was published, and
    neither has a worker that starts then."""
    worker = start()
    worker.step(NOON)
    network.probed(names, Status.UNREACHABLE, NOON + 7 * DAY)
    worker.step(NOON + 7 * DAY)
    assert sorted(listed(store)) == names
    worker.stop()
    after_restart = start()
    after_restart.step(NOON + 8 * DAY)
    assert sorted(listed(store)) == names
    assert set(after_restart.faults.current) == {"guard/verdicts"}


def test_state_folder_of_strangers(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """A state folder in which a round ended that looked at nobody here holds the lists as well."""
    worker = start()
    worker.step(NOON)
    for path in network.states.iterdir():
        path.unlink()
    worker.step(NOON + HOUR)
    assert sorted(listed(store)) == names
    assert set(worker.faults.current) == {"guard/verdicts"}


def test_state_folder_emptied(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """An empty folder is people's word: there is no state, and has been no round, so all are served."""
    network.state(names[0], Status.UNREACHABLE)
    worker = start()
    worker.step(NOON)
    assert sorted(listed(store)) == names[1:]
    shutil.rmtree(network.data / "state")
    network.states.mkdir(parents=True)
    worker.step(NOON + HOUR)
    assert sorted(listed(store)) == names
    assert worker.faults.current == {}

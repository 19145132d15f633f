"""What people's own edits may do at once, and which of them wait."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from app.model import Status
from app.store import FileStore
from app.worker.loop import Worker
from app.worker.losses import Force
from tests.worker.conftest import StartWorker
from tests.worker.network import CONFIG, NOON, Network, address, listed, loaded

HOUR = 3600.0
MINUTE = 60.0
DAY = 24 * HOUR


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Twelve mirrors, all probed and well."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    names = network.several(12)
    network.probed(names)
    return names


@pytest.fixture
def worker(start: StartWorker, names: list[str]) -> Worker:
    worker = start()
    worker.step(NOON)
    return worker


def disable(network: Network, *names: str) -> None:
    for name in names:
        network.mirror(name, more="disabled: true\n")


def make_private(network: Network, *names: str) -> None:
    for name in names:
        network.mirror(name, more="private: true\nsubnets: [10.0.0.0/8]\n")


def rename(network: Network, *names: str) -> None:
    for name in names:
        network.remove(name)
        network.mirror(f"renamed-{name}")


def narrow(network: Network, *names: str) -> None:
    for name in names:
        network.mirror(name, more="repos: [appstream]\n")


TAKE_OUT: dict[str, Callable[..., None]] = {
    "removed": lambda network, *names: network.remove(*names),
    "disabled": disable,
    "private": make_private,
    "renamed, and not probed yet": rename,
    "other repos": narrow,
}


@pytest.mark.parametrize("take_out", TAKE_OUT.values(), ids=TAKE_OUT)
def test_most_mirrors_wait_and_all_else_goes_out(
    network: Network, store: FileStore, worker: Worker, names: list[str], take_out: Callable[..., None]
) -> None:
    """An edit that takes more than half of a list's mirrors out waits 30 minutes, whatever it does to them;
    meanwhile all other edits go out at once. Then it goes out, and the next edit is not held up."""
    take_out(network, *names[4:])
    network.mirror("new.example.org", more="probe: false\n")
    worker.step(NOON + 1)
    assert sorted(listed(store)) == [*names, "new.example.org"]
    path = network.mirror(names[0])
    path.write_text(path.read_text().replace("examplelinux", "moved"))
    worker.step(NOON + 10 * MINUTE)
    assert address(store, names[0]) == f"https://{names[0]}/moved/"
    disable(network, names[1])
    worker.step(NOON + 20 * MINUTE)
    assert names[1] not in listed(store)
    assert set(worker.faults.current) == {"guard/files"}
    worker.step(NOON + 30 * MINUTE)
    assert len(listed(store)) == 12
    worker.step(NOON + 30 * MINUTE + 1)
    assert sorted(listed(store)) == [names[0], names[2], names[3], "new.example.org"]
    assert worker.faults.current == {}
    disable(network, names[2])
    worker.step(NOON + 31 * MINUTE)
    assert sorted(listed(store)) == [names[0], names[3], "new.example.org"]


def test_an_edit_does_not_wait_because_others_do(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """Seven of twelve are removed and wait. Then the other five are disabled, which is out at once; so the
    seven are the last of their list when their time is over, and wait for a person."""
    network.remove(*names[5:])
    worker.step(NOON + 1)
    disable(network, *names[:5])
    worker.step(NOON + 20 * MINUTE)
    assert sorted(listed(store)) == names[5:]
    for at_s in (30 * MINUTE + 1, DAY):
        worker.step(NOON + at_s)
        assert sorted(listed(store)) == names[5:]
        assert (
            "they would leave a list that had mirrors with the origin" in worker.faults.current["guard/files"]
        )
    worker.step(NOON + DAY + 1, Force.TO_ORIGIN)
    assert listed(store) == []


def test_restarts_do_not_begin_the_time_anew(
    network: Network, store: FileStore, start: StartWorker, worker: Worker, names: list[str]
) -> None:
    """Where the worker restarts every 20 minutes, 30 minutes are 30 minutes."""
    network.remove(*names[5:])
    worker.step(NOON + 1)
    for restart in (1, 2):
        worker.stop()
        worker = start()
        worker.step(NOON + restart * 20 * MINUTE)
    assert sorted(listed(store)) == names[:5]


def test_a_held_verdict_does_not_start_the_time(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """The prober has been losing everything for 42 minutes when all mirror files are deleted: they wait, and
    do not leave the list with the origin alone however long."""
    network.probed(names, Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    network.remove(*names)
    for at_s in (42 * MINUTE, 43 * MINUTE, 2 * HOUR, 3 * DAY):
        worker.step(NOON + at_s)
        assert sorted(listed(store)) == names
    assert set(worker.faults.current) == {"guard/files", "guard/verdicts"}
    assert "`mirrorwise worker --force --to-origin`" in worker.faults.current["guard/files"]


@pytest.mark.parametrize("count", [1, 2])
def test_the_last_mirrors_wait_for_a_person(
    network: Network, store: FileStore, start: StartWorker, count: int
) -> None:
    """The last mirror of a list, or the last two, do not go by any edit unless a person says `--to-origin`;
    `--force` alone is not enough."""
    names = network.several(count)
    worker = start()
    worker.step(NOON)
    disable(network, *names)
    for at_s in (1, HOUR, 9 * DAY):
        worker.step(NOON + at_s)
        assert sorted(listed(store)) == names
    worker.step(NOON + 9 * DAY + 1, Force.PAST_GUARD)
    assert sorted(listed(store)) == names
    worker.step(NOON + 9 * DAY + 2, Force.TO_ORIGIN)
    assert listed(store) == []
    assert worker.faults.current == {}


def test_a_third_was_long_unreachable(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """People take nine of twelve mirrors out, of which three have long been unreachable: that is their edit,
    and goes out after 30 minutes. The prober has nothing to do with it."""
    network.probed(names[9:], Status.UNREACHABLE, NOON)
    worker.step(NOON + MINUTE)
    worker.step(NOON + 2 * DAY)
    network.remove(*names[3:])
    worker.step(NOON + 2 * DAY + 1)
    assert set(worker.faults.current) == {"guard/files"}
    worker.step(NOON + 2 * DAY + 30 * MINUTE + 1)
    assert sorted(listed(store)) == names[:3]
    assert worker.faults.current == {}


def test_the_unreachable_may_go_at_once(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """Files of mirrors that are not served halve no list."""
    network.probed(names[7:], Status.UNREACHABLE, NOON)
    worker.step(NOON + MINUTE)
    network.remove(*names[7:])
    worker.step(NOON + 2 * MINUTE)
    assert [mirror.name for mirror in loaded(store).mirrors] == names[:7]
    assert worker.faults.current == {}


@pytest.mark.slow
def test_a_slow_removal_is_measured_by_the_day(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """One file a minute, none of which halves a list, is stopped at half."""
    for minute, name in enumerate(names[:10], 1):
        network.remove(name)
        worker.step(NOON + minute * MINUTE)
    assert sorted(listed(store)) == names[6:]
    worker.step(NOON + 37 * MINUTE)
    assert sorted(listed(store)) == names[7:]


@pytest.mark.parametrize(
    ("old", "new", "waits"),
    [
        pytest.param("[x86_64, aarch64]", "[x86_64]", False, id="an arch is not asked for any more"),
        pytest.param("origin:", "allowed_outdate: 1h\norigin:", True, id="most are too old now"),
        pytest.param("config_version: 3", "config_version: 3\nmirrors_dir: empty.d", True, id="no mirrors"),
        pytest.param("origin:", "selection: {length: 5}\norigin:", False, id="the length of lists"),
    ],
)
def test_an_edit_of_the_config(
    network: Network,
    store: FileStore,
    worker: Worker,
    names: list[str],
    *,
    old: str,
    new: str,
    waits: bool,
) -> None:
    """config.yml waits like any file if it takes most mirrors out, and mirror files do not wait for it."""
    for name in names[4:]:
        network.state(name, age_s=2 * HOUR)
    worker.step(NOON + MINUTE)
    (network.data / "empty.d").mkdir()
    network.config.write_text(CONFIG.replace(old, new))
    worker.step(NOON + 2 * MINUTE)
    assert ("guard/files" in worker.faults.current) is waits
    assert sorted(listed(store))[:12] == names
    if "empty.d" not in new:
        disable(network, names[0])
        worker.step(NOON + 3 * MINUTE)
        assert sorted(listed(store)) == names[1:]
        worker.step(NOON + 32 * MINUTE)
        assert sorted(listed(store)) == (names[1:4] if waits else names[1:])
        assert worker.faults.current == {}


def test_an_edit_waits_that_takes_what_others_rely_on(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """Six mirrors are unreachable while their edits wait. When they are well again they make up for the other
    six, which people take out, and so are not taken out themselves."""
    disable(network, *names[5:])
    network.probed(names[6:], Status.UNREACHABLE, NOON + 1)
    worker.step(NOON + 1)
    assert sorted(listed(store)) == names[:6]
    disable(network, *names[:5])
    make_private(network, names[5])
    network.probed(names[6:], at_s=NOON + MINUTE)
    for at_s in (MINUTE, 32 * MINUTE):
        worker.step(NOON + at_s)
        assert sorted(listed(store)) == names[6:]
        said = worker.faults.current["guard/files"]
        assert "9.8/baseos/x86_64 would keep 0 of 6 mirrors" in said
        assert "they would leave a list that had mirrors with the origin" in said


def test_the_config_waits_though_files_are_edited(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """A config by which all mirrors are too old waits for a person. Every mirror file is edited meanwhile:
    these edits go out, and do not bring the config with them."""
    network.probed(names, age_s=2 * HOUR)
    worker.step(NOON + 1)
    network.config.write_text(CONFIG.replace("origin:", "allowed_outdate: 1h\norigin:"))
    worker.step(NOON + MINUTE)
    for name in names:
        path = network.mirrors / f"{name}.yml"
        path.write_text(path.read_text().replace("examplelinux", "moved"))
    for at_s in (2 * MINUTE, 32 * MINUTE):
        worker.step(NOON + at_s)
        assert sorted(listed(store)) == names
        assert address(store, names[0]) == f"https://{names[0]}/moved/"
        assert worker.faults.current["guard/files"].startswith("edits of config.yml are held back ")


def test_both_at_once(network: Network, store: FileStore, worker: Worker, names: list[str]) -> None:
    """People take five of twelve out, and the prober loses all: the edit goes out, the verdicts wait."""
    network.remove(*names[7:])
    network.probed(names[:7], Status.UNREACHABLE, NOON)
    worker.step(NOON + MINUTE)
    assert sorted(listed(store)) == names[:7]
    assert set(worker.faults.current) == {"guard/verdicts"}


def test_a_mistake_is_taken_back(
    network: Network,
    store: FileStore,
    worker: Worker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Within the 30 minutes only the log learns of a mistake; made again, it has its 30 minutes again."""
    network.remove(*names)
    worker.step(NOON + 1)
    for name in names:
        network.mirror(name)
    worker.step(NOON + 20 * MINUTE)
    assert worker.faults.current == {}
    assert caplog.messages.count("guard/files: well again") == 1
    network.remove(*names[3:])
    worker.step(NOON + 29 * MINUTE)
    worker.step(NOON + 31 * MINUTE)
    assert sorted(listed(store)) == names


def test_another_content_has_its_own_time(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """A file that is edited again while it waits, waits for 30 minutes from then."""
    disable(network, *names[3:])
    worker.step(NOON + 1)
    make_private(network, *names[3:])
    worker.step(NOON + 20 * MINUTE)
    worker.step(NOON + 31 * MINUTE)
    assert sorted(listed(store)) == names
    worker.step(NOON + 50 * MINUTE)
    assert sorted(listed(store)) == names[:3]


def test_clock_set_back(network: Network, store: FileStore, worker: Worker, names: list[str]) -> None:
    """With the clock set back a day, an edit waits 30 minutes by the new time, not a day."""
    network.remove(*names[3:])
    worker.step(NOON + 1)
    worker.step(NOON - DAY)
    worker.step(NOON - DAY + 29 * MINUTE)
    assert sorted(listed(store)) == names
    worker.step(NOON - DAY + 31 * MINUTE)
    assert sorted(listed(store)) == names[:3]


def test_what_is_said(
    network: Network, worker: Worker, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The sentence, which /readyz shows, says how many files wait, since when, until when and why, and names
    none of them; the log does."""
    network.mirror("corp.example.com", more="private: true\nsubnets: [10.20.0.0/16]\n")
    worker.step(NOON + 1)
    network.remove(*names[3:])
    worker.step(NOON + MINUTE)
    said = worker.faults.current["guard/files"]
    assert said.startswith(
        "edits of 9 mirror files are held back since 2027-01-15 08:01 UTC until 2027-01-15 08:31 UTC, "
    )
    assert "9.8/baseos/x86_64 would keep 3 of 12 mirrors" in said
    assert "`mirrorwise worker --force` publishes them now" in said
    assert "example.org" not in said
    [logged] = [m for m in caplog.messages if m.startswith("edits that wait: ")]
    assert all(name in logged for name in names[3:])


def test_a_file_moves_to_another_name(
    network: Network, store: FileStore, worker: Worker, names: list[str]
) -> None:
    """Files that are renamed on disk, with the same mirrors in them, are no loss; mirrors that change places
    between files are none either."""
    for name in names[3:]:
        (network.mirrors / f"{name}.yml").rename(network.mirrors / f"renamed-{name}.yml")
    a, b = network.mirrors / f"{names[0]}.yml", network.mirrors / f"{names[1]}.yml"
    text = a.read_text()
    a.write_text(b.read_text())
    b.write_text(text)
    worker.step(NOON + 1)
    assert sorted(listed(store)) == names
    assert worker.faults.current == {}

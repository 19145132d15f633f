"""What people write, config.yml and mirror files, and what of it the worker publishes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.snapshot.status import decode_heartbeat
from app.store import FileStore
from tests.spoiling import deep, directory, emptied, pipe, truncated
from tests.worker.conftest import StartWorker
from tests.worker.network import (
    CONFIG,
    MIRROR,
    NOON,
    Network,
    address,
    definitions,
    generation,
    listed,
    loaded,
    replaced,
)

A, B, C = "a.example.org", "b.example.org", "c.example.org"


@pytest.fixture(autouse=True)
def three_mirrors(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    for name in (A, B, C):
        network.mirror(name)


def written(folder: Path) -> dict[Path, tuple[int, int]]:
    """All files of a store but the heartbeat, and when they were last written."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "heartbeat"
    }


def test_nothing_changes_nothing_is_written(network: Network, store: FileStore, start: StartWorker) -> None:
    """As long as no input changes there is neither a new generation nor a write, whatever time passes."""
    worker = start()
    worker.step(NOON)
    before, first = written(network.var / "store"), generation(store)
    assert first is not None
    for at_s in (0.5, 1, 61, 3600, 86_400):
        worker.step(NOON + at_s)
    assert written(network.var / "store") == before
    assert generation(store) == first


def test_heartbeat(store: FileStore, start: StartWorker) -> None:
    """A sign of life every five seconds, so that whoever watches knows that the worker works."""
    worker = start()
    beats = []
    for at_s in (0, 1, 5, 9, 10):
        worker.step(NOON + at_s)
        beats.append(decode_heartbeat(store.heartbeat() or b"").at_s - NOON)
    assert beats == [0, 0, 5, 5, 10]


# --- edits ------------------------------------------------------------------------------------------


def edit_in_place(network: Network) -> None:
    network.mirror(A, more="weight: 2\n")


def edit_by_rename(network: Network) -> None:
    replaced(network.mirrors / f"{A}.yml", MIRROR.format(name=A, country="FR").encode())


def edit_with_old_times(network: Network) -> None:
    """As `rsync --times --inplace` leaves it, with as many bytes as before."""
    path = network.mirrors / f"{A}.yml"
    before = path.stat()
    path.write_text(MIRROR.format(name=A, country="FR"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def add(network: Network) -> None:
    network.mirror("d.example.org")


def remove(network: Network) -> None:
    network.remove(A)


def rename(network: Network) -> None:
    network.mirror(A).rename(network.mirrors / "other.yml")
    network.mirror("d.example.org")


def edit_config(network: Network) -> None:
    network.config.write_text(CONFIG + "selection: {length: 3}\n")


@pytest.mark.parametrize(
    "edit", [edit_in_place, edit_by_rename, edit_with_old_times, add, remove, rename, edit_config]
)
def test_edits_are_published(
    network: Network, store: FileStore, start: StartWorker, edit: Callable[[Network], None]
) -> None:
    """Whatever people change, and however they write it, is in a new generation at the next step."""
    worker = start()
    worker.step(NOON)
    first = generation(store)
    edit(network)
    worker.step(NOON + 1)
    assert generation(store) != first
    assert {mirror.name for mirror in loaded(store).mirrors} == {
        name
        for name in (A, B, C, "d.example.org")
        if (name != A or edit is not remove) and (name != "d.example.org" or edit in (add, rename))
    }


def touch(network: Network) -> None:
    network.mirror(A)


def crlf(network: Network) -> None:
    path = network.mirrors / f"{A}.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def comment(network: Network) -> None:
    network.mirror(A, more="# thanks to the people of A\n")


def other_files(network: Network) -> None:
    for name in ("README.md", ".hidden.yml", "a.example.org.yml~"):
        (network.mirrors / name).write_text("no mirror")


@pytest.mark.parametrize("edit", [touch, crlf, comment, other_files])
def test_edits_that_decide_nothing(
    network: Network, store: FileStore, start: StartWorker, edit: Callable[[Network], None]
) -> None:
    """A generation is named by what decides a list: files that say the same in other bytes, and files
    that are none of ours, make no new one and no fault."""
    worker = start()
    worker.step(NOON)
    first = generation(store)
    edit(network)
    worker.step(NOON + 1)
    assert generation(store) == first
    assert worker.faults.current == {}


# --- broken mirror files ------------------------------------------------------------------------------


def not_yaml(path: Path) -> None:
    path.write_text("name: [a\n}\n")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def dangling(path: Path) -> None:
    """A checkout that has come half way."""
    path.unlink()
    path.symlink_to("/nonexistent/a.yml")


def huge(path: Path) -> None:
    path.write_bytes(b"# " * 1_000_000)


def bomb(path: Path) -> None:
    path.write_text("a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(50)))


def not_a_mirror(path: Path) -> None:
    path.write_text("address: {https: ftp://a.example.org/}\nname: a.example.org\n")


def mistaken_name(path: Path) -> None:
    """Copied from another mirror's file and not finished."""
    path.write_text(MIRROR.format(name=B, country="DE"))


def misspelt_restriction(path: Path) -> None:
    """Whoever writes this wants fewer clients, not all of them."""
    path.write_text(MIRROR.format(name=A, country="DE").replace(f"//{A}", "//b") + "is_private: true\n")


def misplaced_restriction(path: Path) -> None:
    path.write_text(
        f"name: {A}\naddress: {{https: 'https://b/'}}\ngeolocation: {{exclude_countries: [FR]}}\n"
    )


def empty_restriction(path: Path) -> None:
    path.write_text(MIRROR.format(name=A, country="DE").replace(f"//{A}", "//b") + "countries:\n  -\n")


BREAKAGES = [
    dangling,
    truncated,
    emptied,
    not_yaml,
    binary,
    directory,
    pipe,
    huge,
    deep,
    bomb,
    not_a_mirror,
    mistaken_name,
    misspelt_restriction,
    misplaced_restriction,
    empty_restriction,
]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_broken_file_keeps_its_definition(
    network: Network,
    store: FileStore,
    start: StartWorker,
    caplog: pytest.LogCaptureFixture,
    breakage: Callable[[Path], None],
) -> None:
    """A file that turns bad keeps its last published definition, also when the worker starts anew;
    edits of others go out meanwhile; the log names the fault once, and says when it is over."""
    worker = start()
    worker.step(NOON)
    path = network.mirrors / f"{A}.yml"
    breakage(path)
    worker.step(NOON + 1)
    network.mirror(C, more="weight: 2\n")
    worker.step(NOON + 2)
    worker.stop()
    after_restart = start()
    after_restart.step(NOON + 3)
    network.mirror(C, more="weight: 3\n")
    after_restart.step(NOON + 4)
    assert address(store, A) == f"https://{A}/examplelinux/"
    assert loaded(store).mirrors[2].weight == 3
    assert sorted(listed(store)) == [A, B, C]
    assert set(after_restart.faults.current) == {f"mirrors/{A}.yml"}
    named = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(named) == 2, named  # once by each worker
    assert all(A in message for message in named)

    path.rmdir() if path.is_dir() else path.unlink()
    network.mirror(A, more="weight: 2\n")
    after_restart.step(NOON + 5)
    assert after_restart.faults.current == {}
    assert loaded(store).mirrors[0].weight == 2
    assert f"mirrors/{A}.yml: well again" in caplog.messages


@pytest.mark.parametrize("more", ["asn: x\n", "Private: true\n", "settings: {disabled: true}\n", "repos:\n"])
def test_broken_file_that_was_never_good(
    network: Network, store: FileStore, start: StartWorker, more: str
) -> None:
    """A new file at fault is left out, with its fault named, and takes nobody down with it."""
    network.mirror("d.example.org", more=more)
    worker = start()
    worker.step(NOON)
    assert sorted(listed(store)) == [A, B, C]
    assert "d.example.org.yml" in worker.faults.current["mirrors/d.example.org.yml"]


def test_broken_file_that_is_removed(
    network: Network, store: FileStore, start: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """Removing a file removes its mirror, also while the file is at fault, and the fault with it."""
    worker = start()
    worker.step(NOON)
    emptied(network.mirrors / f"{A}.yml")
    worker.step(NOON + 1)
    network.remove(A)
    worker.step(NOON + 2)
    assert sorted(listed(store)) == [B, C]
    assert worker.faults.current == {}
    assert f"{A}.yml" not in definitions(store)


def test_one_name_in_two_files(network: Network, store: FileStore, start: StartWorker) -> None:
    """Of two files with one name the one called like it counts; the other has the fault."""
    (network.mirrors / "z.yml").write_text(MIRROR.format(name=A, country="FR"))
    worker = start()
    worker.step(NOON)
    assert [mirror.country for mirror in loaded(store).mirrors] == ["DE"] * 3
    assert set(worker.faults.current) == {"mirrors/z.yml"}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param("0.yml", A, id="an earlier file", marks=pytest.mark.slow),
        pytest.param(f"{A}.yaml", A, id="the other ending", marks=pytest.mark.slow),
        pytest.param(f"{A.upper()}.yml", A.upper(), id="other capitals, called like it"),
        pytest.param("A.example.org.yml", "A.example.org", id="one capital", marks=pytest.mark.slow),
    ],
)
def test_a_new_file_takes_no_mirror_away(
    network: Network, store: FileStore, start: StartWorker, file: str, name: str
) -> None:
    """A published mirror stays the one of its file, even if another file is called like it, also when the
    worker starts anew; the new file has the fault. Once the old file is gone, the new one counts."""
    (network.mirrors / f"{A}.yml").rename(network.mirrors / "team-7.yml")
    worker = start()
    worker.step(NOON)
    text = MIRROR.format(name=name, country="FR").replace(f"//{name}", "//intruder")
    (network.mirrors / file).write_text(text)
    for at_s in (1, 2):
        worker.step(NOON + at_s)
        assert address(store, A) == f"https://{A}/examplelinux/"
        assert set(worker.faults.current) == {f"mirrors/{file}"}
        worker.stop()
        worker = start()
    (network.mirrors / "team-7.yml").unlink()
    worker.step(NOON + 3)
    assert address(store, name) == "https://intruder/examplelinux/"
    assert worker.faults.current == {}


def test_all_files_are_broken_at_once(network: Network, store: FileStore, start: StartWorker) -> None:
    """A checkout gone wrong loses nobody."""
    worker = start()
    worker.step(NOON)
    for path in network.mirrors.iterdir():
        emptied(path)
    worker.step(NOON + 3600)
    assert sorted(listed(store)) == [A, B, C]
    assert len(worker.faults.current) == 3


# --- the service config -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "breakage", [truncated, emptied, not_yaml, binary, directory, pipe, Path.unlink, bomb]
)
def test_broken_config(
    network: Network,
    store: FileStore,
    start: StartWorker,
    caplog: pytest.LogCaptureFixture,
    breakage: Callable[[Path], None],
) -> None:
    """While config.yml is at fault or gone, the last good one is in force, also when the worker starts
    anew, and mirrors' edits still go out."""
    worker = start()
    worker.step(NOON)
    breakage(network.config)
    network.mirror(A, more="weight: 2\n")
    worker.step(NOON + 1)
    worker.stop()
    after_restart = start()
    network.mirror("d.example.org")
    after_restart.step(NOON + 2)
    assert sorted(listed(store)) == [A, B, C, "d.example.org"]
    assert loaded(store).mirrors[0].weight == 2
    assert loaded(store).config.origin == "https://repo.example.org/examplelinux/"
    assert set(after_restart.faults.current) == {"config"}
    assert "config.yml" in after_restart.faults.current["config"]

    network.config.rmdir() if network.config.is_dir() else network.config.unlink(missing_ok=True)
    network.config.write_text(CONFIG)
    after_restart.step(NOON + 3)
    assert after_restart.faults.current == {}
    assert "config: well again" in caplog.messages


def test_config_that_was_never_good(
    network: Network, store: FileStore, start: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any config nothing is published and the fault named once, until there is one."""
    network.config.write_text("config_version: 2\n")
    worker = start()
    for at_s in range(5):
        worker.step(NOON + at_s)
    assert generation(store) is None
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        f"config: {worker.faults.current['config']}"
    ]
    network.config.write_text(CONFIG)
    worker.step(NOON + 5)
    assert sorted(listed(store)) == [A, B, C]


def test_config_decides_what_mirror_files_mean(
    network: Network, store: FileStore, start: StartWorker
) -> None:
    """A change of the config makes the worker read all mirror files again: a repo that a mirror names
    may exist from now on."""
    network.mirror(A, more="repos: [extras]\n")
    worker = start()
    worker.step(NOON)
    assert sorted(listed(store)) == [B, C]
    network.config.write_text(CONFIG.replace("origin:", "  - {name: extras, path: extras/}\norigin:"))
    worker.step(NOON + 1)
    assert sorted(listed(store, question="9.8/extras/")) == [A, B, C]
    assert worker.faults.current == {}


def test_other_folder(network: Network, store: FileStore, start: StartWorker) -> None:
    """`mirrors_dir` is followed from the moment it changes."""
    worker = start()
    worker.step(NOON)
    network.mirrors.rename(network.data / "others")
    network.config.write_text(CONFIG + "mirrors_dir: others\n")
    worker.step(NOON + 1)
    worker.step(NOON + 2)
    (network.data / "others" / f"{B}.yml").unlink()
    worker.step(NOON + 3)
    assert sorted(listed(store)) == [A, C]

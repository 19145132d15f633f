"""The worker, the prober and `mirrorwise check` judge the same files by the same rule."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.model import Severity
from app.sources.check import check
from app.sources.folder import DataFolder
from app.sources.people_files import PeopleFiles
from app.store import FileStore
from tests.worker.conftest import StartWorker
from tests.worker.network import MIRROR, NOON, Network, loaded

A, B = "a.example.org", "b.example.org"


def mirror(name: str, host: str) -> str:
    """A mirror file whose URL tells which file it was."""
    return MIRROR.format(name=name, country="DE").replace(f"//{name}", f"//{host}")


DUPLICATES = {
    "the file called like it is the last": (
        {"1.yml": mirror(A, "one"), f"{A}.yml": mirror(A, "two")},
        "1.yml",
    ),
    "the file called like it is the first": (
        {f"{A}.yml": mirror(A, "one"), "z.yml": mirror(A, "two")},
        "z.yml",
    ),
    "no file is called like it": ({"1.yml": mirror(A, "one"), "2.yml": mirror(A, "two")}, "2.yml"),
    "other capitals": ({"1.yml": mirror(A.upper(), "one"), f"{A}.yml": mirror(A, "two")}, "1.yml"),
    "both endings": ({f"{A}.yaml": mirror(A, "one"), f"{A}.yml": mirror(A, "two")}, f"{A}.yml"),
    "a copy not yet finished": ({f"{A}.yml": mirror(B, "one"), f"{B}.yml": mirror(B, "two")}, f"{A}.yml"),
}


def write(network: Network, files: dict[str, str]) -> None:
    for name, text in files.items():
        (network.mirrors / name).write_text(text)


@pytest.mark.parametrize(("files", "wrong"), DUPLICATES.values(), ids=DUPLICATES)
def test_two_files_of_one_mirror(
    network: Network, store: FileStore, start: StartWorker, files: dict[str, str], wrong: str
) -> None:
    """All three take the same file and name the same one as wrong."""
    write(network, files)
    worker = start()
    worker.step(NOON)
    served = {mirror.name: mirror.addresses for mirror in loaded(store).mirrors}
    prober = PeopleFiles(DataFolder(network.data))
    prober.read()
    probed = {mirror.name: mirror.addresses for mirror in prober.mirrors.values()}
    faults = {Path(f.file).name for f in check(network.data) if f.severity is Severity.FAULT}
    assert served == probed
    assert len(served) == 1
    assert (set(worker.faults.current), faults) == ({f"mirrors/{wrong}"}, {wrong})


def test_a_file_that_takes_a_name_away(network: Network, store: FileStore, start: StartWorker) -> None:
    """A running prober keeps the last definition of a file that now names another's mirror, as the
    worker does."""
    write(network, {f"{A}.yml": mirror(A, "one"), f"{B}.yml": mirror(B, "two")})
    worker, files = start(), PeopleFiles(DataFolder(network.data))
    worker.step(NOON)
    files.read()
    write(network, {f"{A}.yml": mirror(B, "three")})
    worker.step(NOON + 1)
    served = {mirror.name: mirror.addresses for mirror in loaded(store).mirrors}
    files.read()
    assert served == {mirror.name: mirror.addresses for mirror in files.mirrors.values()}
    assert {name: urls["https"].split("/")[2] for name, urls in served.items()} == {A: "one", B: "two"}


def test_a_folder_that_is_gone(network: Network, start: StartWorker) -> None:
    """Neither the worker nor a running prober takes a disk that is not mounted for an empty network."""
    network.mirror(A)
    files = PeopleFiles(DataFolder(network.data))
    before = (files.read(), files.mirrors)
    network.mirrors.rename(network.data / "elsewhere")
    assert (files.read(), files.mirrors) == before


def test_odd_lines_of_mirmon_are_logged_once(
    network: Network, start: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """What `check` says of state/mirmon.state the worker says, too, once, and it is no fault."""
    network.mirror(A)
    (network.data / "state").mkdir()
    (network.data / "state" / "mirmon.state").write_text("https://nobody.example.org/ 1 ok 1 s 1-s 1\nodd\n")
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    worker = start()
    worker.step(NOON)
    network.mirror(B)
    worker.step(NOON + 1)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1 and "this line has 1 fields, not 7" in said[0] and "nobody.example.org" in said[0]
    assert worker.faults.current == {}
    messages = [finding.message for finding in check(network.data)]
    assert len(messages) == 2 and all(message in said[0] for message in messages)

"""What takes so long to make that it is made once, for all processes of a run that need it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from app.geo.copies import VerifiedCopies
from app.geo.place_scan import start_scan
from app.geo.places import PlaceTable, load
from app.settings import read_settings
from app.snapshot.status import decode_heartbeat, encode_heartbeat
from app.store import file_store
from app.worker.loop import Worker
from app.worker.running import run_once
from tests.conftest import ROOT

MakeOnce = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Makes a folder of this name, once for all processes of a run. Tests change nothing in it."""
    folder_of_run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder_of_run = folder_of_run.parent

    def make_once(name: str, make: Callable[[Path], None]) -> Path:
        folder = folder_of_run / name
        with (folder_of_run / f"{name}.made").open("a+") as made:
            fcntl.flock(made, fcntl.LOCK_EX)
            made.seek(0)
            if not made.read():
                shutil.rmtree(folder, ignore_errors=True)  # of one who could not make it
                folder.mkdir()
                make(folder)
                made.write("yes")
        return folder

    return make_once


@pytest.fixture(scope="session")
def published_sample(make_once: MakeOnce) -> Path:
    """A `var` folder in which the sample network is published. Tests copy it (`with_sample`)."""

    def make(folder: Path) -> None:
        settings = read_settings({"MIRRORWISE_DATA": str(ROOT / "data"), "MIRRORWISE_VAR": str(folder)})
        assert run_once(Worker(settings, file_store(folder)))

    return make_once("sample", make)


def with_sample(published_sample: Path, var: Path) -> Path:
    """Makes a `var` folder in which the sample network is published, by a worker that has just been heard."""
    shutil.copytree(published_sample, var, dirs_exist_ok=True)
    store = file_store(var)
    heartbeat = decode_heartbeat(store.heartbeat() or b"")
    store.beat(encode_heartbeat(msgspec.structs.replace(heartbeat, at_s=time.time())))
    return var


@dataclass(frozen=True)
class Scanned:
    """A `var` folder in which city databases were scanned, what was found, and the most memory that this
    took."""

    var: Path
    table: PlaceTable
    peak_mb: float

    @property
    def database(self) -> Path:
        """The places database."""
        return VerifiedCopies(self.var / "geoip").path_of(self.table.database)

    def copied(self, var: Path) -> Path:
        """Makes a `var` folder that a test may change, with the same scan in it."""
        shutil.copytree(self.var, var, copy_function=os.link, symlinks=True)
        return var


@pytest.fixture(scope="session")
def scanned_dbip(dbip: list[Path], make_once: MakeOnce) -> Scanned:
    """The scan of DB-IP, which takes a while, in a process of its own."""

    def make(folder: Path) -> None:
        copies = VerifiedCopies(folder / "var" / "geoip")
        scan = start_scan(list(map(copies.copy, dbip)), folder / "var" / "scans", copies)
        _, status, usage = os.wait4(scan._process.pid, 0)
        scan._process.returncode = os.waitstatus_to_exitcode(status)
        scan.result()
        (folder / "peak_mb").write_text(str(usage.ru_maxrss / 1024))

    folder = make_once("dbip", make)
    var, copies = folder / "var", VerifiedCopies(folder / "var" / "geoip")
    table = load(list(map(copies.copy, dbip)), var / "scans", copies)
    assert table is not None
    return Scanned(var, table, float((folder / "peak_mb").read_text()))

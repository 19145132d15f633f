"""What all tests share: real servers on free loopback ports, and the way to real data."""

from __future__ import annotations

import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # xdist has no types

pytest_plugins = ["tests.once"]

# Where Python is told to write no bytecode, each process of a run, and each that a test starts, would compile
# the same sources again, which takes longer than most tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = Path(os.environ.get("MIRRORWISE_REAL_DATA", ROOT.parent / "shared" / "data"))

LONGEST = (
    *("tests/worker/test_spoiled_files.py", "tests/test_containers.py", "tests/test_install.py"),
    *("tests/chaos/test_redis_takeover.py", "tests/web/test_memory.py", "tests/web/test_forged.py"),
)
"""Files of tests that take minutes, if their slow tests are run. They come first, so that none runs alone at
the end: each file is one process's."""


TOGETHER = "tests/worker/fortnight/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Gives each file of tests to one process; those of the fortnight to the same, which plays it once."""

    def _split_scope(self, nodeid: str) -> str:
        path = str(super()._split_scope(nodeid))
        return TOGETHER if path.startswith(TOGETHER) else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """Puts the level of all loggers back, which a command that runs in the process of the tests sets."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """With MIRRORWISE_NO_SKIPS set (as in CI), a skipped test is a failed one, unless it needs the real
    data, or another machine, which no program can install."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    # Logs may hold the bytes of odd file names, which no report of a parallel run can.
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    fixtures = set(getattr(item, "fixturenames", ()))
    excused = "real_data" in fixtures and not REAL_DATA.is_dir()
    excused |= bool(fixtures & {"nodes", "containers"}) and "MIRRORWISE_DEBIAN" not in os.environ
    excused |= "newer" in fixtures and "MIRRORWISE_NEWER_CLIENTS" not in os.environ
    skipped = report.skipped and not hasattr(report, "wasxfail") and not excused
    if skipped and os.environ.get("MIRRORWISE_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago, below those that outgoing connections take
    for themselves: one of the many that tests make must not be faster than the server."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 15.0) -> None:
    """Poll until `condition` holds; fail naming `what` did not happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.01)


def accepts(port: int) -> bool:
    """Whether something listens on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def need_program(name: str) -> str:
    """The path of an installed program; a test without it is skipped by its name."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"the program {name} is not installed")
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real mirrors, cloud ranges and GeoIP test databases, published by others; not in the project."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real data is not at {REAL_DATA} (MIRRORWISE_REAL_DATA)")
    return REAL_DATA


@pytest.fixture(scope="session")
def dbip() -> list[Path]:
    """Both files of DB-IP City Lite (IPv4, IPv6), from the folder in MIRRORWISE_DBIP."""
    folder = os.environ.get("MIRRORWISE_DBIP")
    paths = [Path(folder or "") / f"dbip-city-{family}.mmdb" for family in ("ipv4", "ipv6")]
    if folder is None or not all(path.is_file() for path in paths):
        pytest.skip("DB-IP City Lite is not there (set MIRRORWISE_DBIP to the folder that holds it)")
    return paths


class RedisServer:
    """A real redis-server of this test run, on a port of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.options = options
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = need_program("redis-server")
        self.process = subprocess.Popen(
            [
                *(program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
                *("--dir", str(self.folder), *self.options),
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: accepts(self.port), "redis-server listening")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.stop()

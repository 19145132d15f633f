"""Databases for the tests of the history: SQLite, and a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.history.database import HistoryDatabase, open_history
from app.settings import read_settings
from tests.conftest import accepts, free_port, wait_until


class PostgresServer:
    """PostgreSQL on a loopback port of its own, with a database for each name that is asked for. It does not
    run as root, so root starts it as the user that Debian's package makes."""

    def __init__(self, programs: Path) -> None:
        self._user = "postgres" if os.geteuid() == 0 else None
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self.data = self._folder / "data"
        self.port = free_port()
        self._run("initdb", "--auth=trust", "--username=mirrorwise", "--no-sync", f"--pgdata={self.data}")
        self.start()

    def start(self) -> None:
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-p", str(self.port), "-F"]
        command += ["-h", "127.0.0.1", "-k", ""]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, user=self._user, stdout=log, stderr=log)
        wait_until(self._answers_or_died, "PostgreSQL answering", 60)
        assert self.process.poll() is None, (self._folder / "log").read_text()

    def url(self, name: str) -> str:
        """The URL of a new and empty database, in place of a former one of this name."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "mirrorwise"]
        self._run("dropdb", *where, "--if-exists", "--force", name)
        self._run("createdb", *where, name)
        return f"postgresql://mirrorwise@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """Ends the server at once, with all connections."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-w", "-D", str(self.data))
        self.process.wait(timeout=20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self._folder)

    def _answers_or_died(self) -> bool:
        if self.process.poll() is not None:
            return True
        command = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return accepts(self.port) and subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, check=True, user=self._user, cwd="/", capture_output=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL (Debian's package postgresql) is not installed")
    pytest.importorskip("psycopg")
    server = PostgresServer(programs[-1].parent)
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Variables that name an empty database of each kind."""
    variables = {"MIRRORWISE_VAR": str(tmp_path / "var")}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        variables["HISTORY_URL"] = server.url(f"d{abs(hash(request.node.nodeid))}")
    return variables


@pytest.fixture
def database(environ: dict[str, str]) -> Iterator[HistoryDatabase]:
    """An empty database of each kind."""
    database = open_history(read_settings(environ))
    yield database
    database.close()

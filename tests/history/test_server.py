"""PostgreSQL goes away while requests are counted, and comes back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.history.collector import LogCollector
from app.history.database import open_history
from app.history.retention import Retention
from app.settings import read_settings
from tests.history.conftest import PostgresServer
from tests.history.lines import added, make_lines, totals_in


@pytest.mark.slow
def test_the_server_is_stopped(postgres: PostgresServer, tmp_path: Path) -> None:
    """With all its connections, again and again: the collector says so, and counts each line once."""
    database = open_history(read_settings({"HISTORY_URL": postgres.url("stopped")}))
    log = tmp_path / "access.log"
    collector = LogCollector(database, "here", [log], Retention(36500, 36500))
    stopping, written = threading.Event(), []
    for seed in range(3):
        written.append(make_lines(300, seed))
        with log.open("ab") as file:
            file.write(written[-1].content)
        assert collector.look(stopping)
        postgres.stop()
        written.append(make_lines(300, 100 + seed))
        with log.open("ab") as file:
            file.write(written[-1].content)
        assert not collector.look(stopping)
        assert not collector.look(stopping)
        assert "127.0.0.1" in " ".join(collector.faults.current.values())
        postgres.start()
    assert collector.look(stopping)
    assert totals_in(database) == added(lines.totals for lines in written)
    assert collector.faults.current == {}
    stopping.set()
    collector.run(stopping)


@pytest.mark.slow
def test_connections_are_cut_within_transactions(postgres: PostgresServer, tmp_path: Path) -> None:
    """The server ends them at any moment, also while a commit is on its way: what is not known to be
    committed is looked up, and nothing counts twice."""
    url = postgres.url("cut")
    database, other = (open_history(read_settings({"HISTORY_URL": url})) for _ in range(2))
    log, lines = tmp_path / "access.log", make_lines(9_000)
    collector = LogCollector(database, "here", [log], Retention(36500, 36500))
    stopping, done = threading.Event(), threading.Event()

    def cut() -> None:
        while not done.wait(0.02):
            with other.writing() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = 'cut' AND pid <> pg_backend_pid()"
                )

    with other.writing():
        pass
    cutter = threading.Thread(target=cut)
    cutter.start()
    failures, parts = 0, 30
    size = len(lines.lines) // parts
    for part in range(parts):
        with log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines.lines[part * size : (part + 1) * size]))
        failures += not collector.look(stopping)
    done.set()
    cutter.join()
    for _ in range(10):
        failures += not collector.look(stopping)
    assert failures > 3
    assert totals_in(database) == lines.totals
    stopping.set()
    collector.run(stopping)
    other.close()

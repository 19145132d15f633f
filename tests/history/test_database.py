"""The history's database: SQLite and PostgreSQL behave alike."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.engine import URL

from app.history import tables
from app.history.collector import LogCollector
from app.history.database import HistoryDatabase, open_history
from app.history.positions import Position
from app.history.retention import Retention, forget
from app.history.tables import MIGRATIONS, country_days, place_months, schema
from app.model import HistoryError
from app.settings import read_settings
from tests.history.conftest import PostgresServer
from tests.history.lines import added, make_lines, totals_in


def add(database: HistoryDatabase, sums: dict[tuple[str, str], int]) -> None:
    with database.writing() as connection:
        database.add(connection, country_days, sums)


def countries(database: HistoryDatabase) -> list[tuple[str, str, int]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(country_days).order_by("day", "country"))]


def test_sums_add_up(database: HistoryDatabase) -> None:
    """A row that is there grows, one that is not begins."""
    add(database, {("2026-11-27", "DE"): 3, ("2026-11-27", ""): 2**40})
    add(database, {("2026-11-27", "DE"): 4, ("2026-11-28", "DE"): 1})
    assert countries(database) == [
        ("2026-11-27", "", 2**40),
        ("2026-11-27", "DE", 7),
        ("2026-11-28", "DE", 1),
    ]


def test_a_failure_leaves_nothing(database: HistoryDatabase) -> None:
    """A transaction is done as a whole or not at all."""
    add(database, {("2026-11-27", "DE"): 3})
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        database.add(connection, country_days, {("2026-11-27", "DE"): 4})
        raise ZeroDivisionError
    assert countries(database) == [("2026-11-27", "DE", 3)]


def test_writers_add_to_the_same_rows(environ: dict[str, str]) -> None:
    """Several at once, on a new database: no sum is lost, and none waits for another for ever."""
    rows = {("2026-11-27", f"{a}{b}"): 1 for a in "ABCDE" for b in "ABCDE"}
    failures: list[BaseException] = []

    def write(database: HistoryDatabase) -> None:
        try:
            for _ in range(10):
                add(database, rows)
        except BaseException as error:
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=write, args=(open_history(read_settings(environ)),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    database = open_history(read_settings(environ))
    assert {number for _, _, number in countries(database)} == {30}
    database.close()


def test_only_one_process_moves_a_position(database: HistoryDatabase) -> None:
    """Two that count the same file: the second one's counts are rolled back with its position."""
    beginning = Position("a", "/log", head="h", head_bytes=1)
    with database.writing() as connection:
        first = Position("a", "/log", head="h", head_bytes=1, offset=10).save(connection, beginning)
    with database.writing() as connection:
        Position("a", "/log", id=first.id, offset=20).save(connection, first)
    with pytest.raises(HistoryError, match="another process"), database.writing() as connection:
        database.add(connection, country_days, {("2026-11-27", "DE"): 4})
        Position("a", "/log", id=first.id, offset=20).save(connection, first)
    assert countries(database) == []


def test_two_collectors(environ: dict[str, str], tmp_path: Path) -> None:
    """Each machine's collector adds its log to the same tables, also logs that begin alike."""
    logs = [make_lines(400, seed) for seed in (1, 2)]
    same = make_lines(100, 3)
    stopping = threading.Event()
    collectors = []
    for name, lines in zip("ab", logs, strict=True):
        path = tmp_path / f"{name}.log"
        path.write_bytes(same.content + lines.content)
        database = open_history(read_settings(environ))
        collectors.append(LogCollector(database, name, [path], Retention(36500, 36500)))
    threads = [threading.Thread(target=collector.look, args=(stopping,)) for collector in collectors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for collector in collectors:
        while not collector.look(stopping):
            pass  # it waited for the other one too long
    database = open_history(read_settings(environ))
    assert totals_in(database) == added([same.totals, same.totals, *(lines.totals for lines in logs)])
    stopping.set()
    for collector in collectors:
        collector.run(stopping)
    database.close()


def test_retention(database: HistoryDatabase) -> None:
    """Days are deleted after their time; places become sums of months, which add up; weeks stay."""
    lines = make_lines(500, days=80, junk=False)
    with database.writing() as connection:
        for table in tables.SUMS:
            database.add(connection, table, lines.totals[table.name])
        database.add(connection, place_months, {("2026-12", "DE"): 1000})
    today = date(2027, 2, 12)
    forget(database, Retention(days=60, place_days=30), today)
    forget(database, Retention(days=60, place_days=30), today)
    kept = totals_in(database)
    for name in ("repo_days", "country_days", "mirror_days", "software_days", "region_days", "hours"):
        assert kept[name] == {key: n for key, n in lines.totals[name].items() if key[0] >= "2026-12-14"}
        assert kept[name]
    places = lines.totals["place_days"]
    assert kept["place_days"] == {key: n for key, n in places.items() if key[0] >= "2027-01-13"}
    months = kept["place_months"]
    assert months.total() == 1000 + sum(n for (day, *_), n in places.items() if day < "2027-01-13")
    assert months["2026-12", "DE"] == 1000 + sum(
        n for (day, place, _), n in places.items() if day[:7] == "2026-12" and place == "DE"
    )
    assert kept["system_weeks"] == lines.totals["system_weeks"]


def test_reading_before_anything_was_counted(environ: dict[str, str], tmp_path: Path) -> None:
    """A reader makes neither a file nor tables; it says that nothing was counted yet."""
    database = open_history(read_settings(environ))
    with pytest.raises(HistoryError, match="nothing has been counted yet"), database.reading():
        pass
    database.close()
    assert list(tmp_path.iterdir()) == []


# --- versions --------------------------------------------------------------------------------------------


def with_notes(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE notes (note TEXT)"))
    connection.execute(text("INSERT INTO notes VALUES ('begun')"))


def failing(connection: Connection) -> None:
    connection.execute(text("INSERT INTO notes VALUES ('half')"))
    connection.execute(text("SELECT no_such_thing"))


def versions(environ: dict[str, str]) -> list[HistoryDatabase]:
    """The same database as programs of three versions open it; the last of them has a bug."""
    url = open_history(read_settings(environ))._engine.url
    return [
        HistoryDatabase(url, MIGRATIONS),
        HistoryDatabase(url, (*MIGRATIONS, with_notes)),
        HistoryDatabase(url, (*MIGRATIONS, with_notes, failing)),
    ]


def test_a_newer_program_takes_the_database_along(environ: dict[str, str]) -> None:
    """The schema becomes the present one, and what was counted stays; an older program then refuses it; a
    change that fails leaves the version before."""
    old, new, broken = versions(environ)
    add(old, {("2026-11-27", "DE"): 3})
    known = len(MIGRATIONS)
    behind = f"schema has version {known}, this program knows {known + 1}"
    ahead = f"schema has version {known + 1}, this program knows {known}"
    with pytest.raises(HistoryError, match=behind), new.reading():
        pass
    add(new, {("2026-11-27", "DE"): 4})
    assert countries(new) == [("2026-11-27", "DE", 7)]
    late = versions(environ)[0]
    for use in (old.reading, late.writing):
        with pytest.raises(HistoryError, match=ahead), use():
            pass
    with pytest.raises(HistoryError, match="no_such_thing"), broken.writing():
        pass
    with new.reading() as connection:
        assert [note for (note,) in connection.execute(text("SELECT note FROM notes"))] == ["begun"]
        assert connection.execute(select(schema.c.version)).scalar_one() == known + 1
    for database in (old, new, broken, late):
        database.close()


# --- faults ----------------------------------------------------------------------------------------------


def test_what_is_no_database(tmp_path: Path) -> None:
    """The message says which file, and what is wrong with it."""
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"something else" * 1000)
    database = HistoryDatabase(URL.create("sqlite", database=str(path)))
    for use in (database.reading, database.writing):
        with pytest.raises(HistoryError, match=r"history\.sqlite: file is not a database"), use():
            pass
    database.close()
    (tmp_path / "file").touch()
    database = HistoryDatabase(URL.create("sqlite", database=str(tmp_path / "file" / "x.sqlite")))
    with pytest.raises(HistoryError, match="File exists"), database.writing():
        pass
    database.close()


def test_no_password_is_said(postgres: PostgresServer) -> None:
    """A server that cannot be reached, or a database that is not there."""
    where = f"127.0.0.1:{postgres.port}"
    for url in (f"postgresql://me:geheim@{where}/nothing", "postgresql://me:geheim@127.0.0.1:1/x"):
        database = open_history(read_settings({"HISTORY_URL": url}))
        with pytest.raises(HistoryError) as raised, database.writing():
            pass
        assert "geheim" not in str(raised.value)
        assert "127.0.0.1" in str(raised.value)
        database.close()

"""The commands of `mirrorwise history`."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.history.events import add_events
from app.model import Event, EventKind
from app.sources.place_counts import read_place_counts
from app.store import file_store  # noqa: F401 - the package is whole
from tests.history.lines import make_lines, sqlite_in
from tests.servers import environ


def run(folder: Path, *arguments: str, **more: str) -> Result:
    variables = {**environ(folder, folder, **more)}
    return CliRunner().invoke(main, ["history", *arguments], env=variables)


def test_import_says_what_it_counted(tmp_path: Path) -> None:
    """A line for each file; a second time there is nothing new."""
    lines = make_lines(1000)
    log = tmp_path / "access.log.1.gz"
    log.write_bytes(gzip.compress(lines.content))
    done = run(tmp_path, "import", str(log))
    records = len(lines.lines) - lines.skipped
    assert done.stdout == f"{log}: {records:,} requests; {lines.skipped} lines are no records\n"
    assert run(tmp_path, "import", str(log)).stdout == f"{log}: nothing new\n"


@pytest.mark.parametrize(
    ("arguments", "more", "said"),
    [
        (["import", "no.log"], {}, "no.log: No such file or directory"),
        (["follow"], {}, "there is no log to follow; name one, or set REQUEST_LOG"),
        (["countme", "--csv"], {}, "nothing has been counted yet"),
        (
            ["countme"],
            {"HISTORY_URL": "mysql://a:geheim@b/c"},
            "is not a database's URL; allowed are postgresql",
        ),
        (["places"], {}, "nothing has been counted yet"),
        (["forget"], {"HISTORY_DAYS": "0"}, "HISTORY_DAYS: '0' is not allowed"),
    ],
    ids=str,
)
def test_what_cannot_be_done(tmp_path: Path, arguments: list[str], more: dict[str, str], said: str) -> None:
    """The exit code is 1, and a sentence says why."""
    done = run(tmp_path, *arguments, **more)
    assert done.exit_code == 1 and said in done.stderr
    assert "geheim" not in done.stderr


@pytest.mark.parametrize("command", ["places", "report"])
def test_events_alone(tmp_path: Path, command: str) -> None:
    """A database that has events and no requests yet is no reason to show or write empty tables."""
    database = sqlite_in(tmp_path)
    add_events(database, [Event(at=datetime.now(UTC), kind=EventKind.ADDED, mirror="m.example.org")])
    database.close()
    done = run(tmp_path, command)
    assert done.exit_code == 1 and "nothing has been counted yet" in done.stderr
    assert not (tmp_path / "places.csv").exists()


def test_places(tmp_path: Path) -> None:
    """They are written to the data folder as its reader wants them: the requests of the last days, without
    places that do not exist."""
    database = sqlite_in(tmp_path)
    today = datetime.now(UTC).date()
    days = [f"{today - timedelta(days=n)}" for n in (0, 6, 7)]
    from app.history.tables import place_days

    with database.writing() as connection:
        by_place = ("DE/50/8", "~EU", "", "XX/50/8")
        sums = {(day, place, "geography"): 10 for day in days for place in by_place}
        sums |= {(days[0], "DE/50/8", "region"): 1000}  # clients whom their cloud sends to its own mirrors
        database.add(connection, place_days, sums)
    database.close()
    assert run(tmp_path, "places", "--days", "7").stdout == f"written: {tmp_path / 'places.csv'}\n"
    assert read_place_counts(tmp_path / "places.csv") == {"DE/50/8": 20, "~EU": 20, "": 20}
    assert run(tmp_path, "places", "--days", "8", "--out", "-").stdout.splitlines()[0] == "place,clients"


def test_forget(tmp_path: Path) -> None:
    """Says how many rows are gone."""
    log = tmp_path / "log"
    log.write_bytes(make_lines(50, junk=False).content)
    run(tmp_path, "import", str(log))
    assert run(tmp_path, "forget").stdout == "deleted: 0 rows\n"
    assert run(tmp_path, "forget", HISTORY_DAYS="1", HISTORY_PLACE_DAYS="1").exit_code == 0


def test_countme_for_people(tmp_path: Path) -> None:
    """A table of the complete weeks."""
    log = tmp_path / "log"
    log.write_bytes(make_lines(3000, days=20, junk=False).content)
    run(tmp_path, "import", str(log))
    shown = run(tmp_path, "countme").stdout
    assert "AlmaLinux 9.8" in shown and "2026-11-23" in shown

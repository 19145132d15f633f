"""`mirrorwise history report`: on a terminal what the page of statistics shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.history import tables
from app.history.database import open_history
from app.settings import Settings
from app.snapshot.statistics import Statistics, encode
from app.store import file_store
from app.worker.statistics import Shown, statistics_of
from tests.served import a_year

TODAY = datetime.now(UTC).date()
MIRROR = "mirror.example.org"


def reported(var: Path, *options: str) -> Result:
    environ = {"MIRRORWISE_VAR": str(var), "HISTORY_URL": "", "REDIS_URL": ""}
    return CliRunner().invoke(main, ["history", "report", *options], env=environ)


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A folder with a few counts of yesterday."""
    day = str(TODAY - timedelta(days=1))
    history = open_history(Settings(var_dir=tmp_path))
    with history.writing() as connection:
        history.add(connection, tables.hours, {(f"{day}T12", "almalinux", 200, "", 4, "geography"): 1234})
        history.add(connection, tables.country_days, {(day, "DE"): 1200, (day, "LU"): 9, (day, "FR"): 25})
        history.add(connection, tables.mirror_days, {(day, MIRROR, "DE"): 77, (day, "corp", "DE"): 88})
    history.close()
    return tmp_path


def planned(var: Path) -> None:
    """A worker has published statistics, with a plan."""
    shown = Shown(10, [MIRROR], {MIRROR: 0.125})
    service, mirrors = statistics_of(a_year([MIRROR], places=5), shown, datetime.now(UTC))
    file_store(var).publish_statistics(encode(service, mirrors))


def test_tables(var: Path) -> None:
    """What was counted, with small countries as other, and mirrors with their planned share."""
    planned(var)
    found = reported(var)
    assert found.exit_code == 0, found.output
    lines = [line.split() for line in found.output.splitlines()]
    for line in (
        [str(TODAY - timedelta(days=1)), "1,234"],
        ["Germany", "(DE)", "1,200", "97.2%"],
        ["other", "9", "0.73%"],
        [MIRROR, "77", "12.5%", "100.0%"],
    ):
        assert line in lines
    assert "corp" not in found.output
    assert "Luxembourg" not in found.output


def test_without_a_worker(var: Path) -> None:
    """Mirrors that may be private are not shown as long as no worker has said which are not."""
    found = reported(var)
    assert found.exit_code == 0, found.output
    assert "mirrors are shown as soon as a worker has published statistics" in found.output
    assert MIRROR not in found.output
    assert "Germany" in found.output


def test_json(var: Path) -> None:
    """For programs it is what `/statistics.json` has."""
    planned(var)
    found = reported(var, "--json")
    statistics = msgspec.json.decode(found.output, type=Statistics)
    assert [(one.name, one.requests) for one in statistics.countries] == [
        ("DE", 1200),
        ("FR", 25),
        ("other", 9),
    ]


def test_no_database(tmp_path: Path) -> None:
    """Where nothing was counted, a sentence says so."""
    found = reported(tmp_path)
    assert found.exit_code == 1
    assert "nothing has been counted yet" in found.output

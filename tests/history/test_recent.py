"""The requests of the last days, as the worker takes them for demand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

from app.history.database import open_history
from app.history.recent import RecentRequests, decode, encode, read_recent
from app.history.tables import mirror_days, place_days
from app.model import HistoryError, Pass
from app.settings import Settings, read_settings

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)


def day(ago: int) -> str:
    return str(NOW.date() - timedelta(days=ago))


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """For a database of each kind."""
    return read_settings(environ)


def count(settings: Settings, table: Table, sums: Mapping[tuple[Any, ...], int]) -> None:
    database = open_history(settings)
    with database.writing() as connection:
        database.add(connection, table, sums)
    database.close()


def recent(settings: Settings) -> RecentRequests:
    found = read_recent(settings, NOW.timestamp())
    assert found is not None
    return found


WEIGHTS = {
    "today, which is not over": (0, 0.0),
    "yesterday": (1, 1.0),
    "the day before": (2, 6 / 7),
    "the first of seven days": (7, 1 / 7),
    "the eighth": (8, 0.0),
    "tomorrow, of a machine whose clock is wrong": (-1, 0.0),
}


@pytest.mark.parametrize(("ago", "weight"), WEIGHTS.values(), ids=list(WEIGHTS))
def test_recent_days_are_heavier(settings: Settings, ago: int, weight: float) -> None:
    """A request counts the more, the later it was, and not at all outside of the last seven whole days."""
    count(settings, place_days, {(day(ago), "DE/50/8", Pass.GEOGRAPHY.value): 70})
    count(settings, mirror_days, {(day(ago), "a.example.org", "DE"): 70})
    found = recent(settings)
    assert found.places == ({"DE/50/8": pytest.approx(70 * weight)} if weight else {})
    assert found.mirrors == ({"a.example.org": pytest.approx(70 * weight)} if weight else {})
    assert found.requests == (70 if weight else 0)


def test_days_add_up(settings: Settings) -> None:
    """A place's requests of several days make one number, and so do a mirror's from several countries."""
    reason = Pass.GEOGRAPHY.value
    count(
        settings, place_days, {(day(1), "DE", reason): 7, (day(2), "DE", reason): 7, (day(1), "", reason): 1}
    )
    sent = {(day(1), "a.example.org", "DE"): 7, (day(1), "a.example.org", "FR"): 7, (day(1), "", "FR"): 99}
    count(settings, mirror_days, sent)
    found = recent(settings)
    assert found.places == {"DE": pytest.approx(13), "": pytest.approx(1)}
    assert found.mirrors == {"a.example.org": pytest.approx(14)}
    assert found.requests == 15


@pytest.mark.parametrize("reason", sorted(set(Pass) - {Pass.GEOGRAPHY}))
def test_only_where_the_place_decided(settings: Settings, reason: Pass) -> None:
    """Clients whom their network sends to a mirror make no demand for those that are ranked by place, nor do
    those that are sent to the origin or the vault."""
    count(settings, place_days, {(day(1), "US/39/-78", reason.value): 5})
    assert (recent(settings).places, recent(settings).requests) == ({}, 0)


def test_without_a_database(tmp_path: Path) -> None:
    """Before anything was counted, there is no database, which is no fault; none is made by looking."""
    settings = Settings(var_dir=tmp_path / "var")
    assert read_recent(settings, NOW.timestamp()) is None
    assert not settings.var_dir.exists()


def test_a_damaged_database(tmp_path: Path) -> None:
    """What is no database is an error for people, which names the file."""
    settings = Settings(var_dir=tmp_path)
    (tmp_path / "history.sqlite").write_bytes(b"no database at all, but long enough to be one" * 99)
    with pytest.raises(HistoryError, match=r"history\.sqlite"):
        read_recent(settings, NOW.timestamp())


def test_encoding() -> None:
    """What is shared comes back the same, and what is none of ours is nothing."""
    one = RecentRequests(requests=3, places={"DE/50/8": 2.5, "": 1.0}, mirrors={"a.example.org": 3.0})
    assert decode(encode(one)) == one
    impossible = encode(RecentRequests(places={"DE": float("nan")}))
    for junk in (b"", b"junk", encode(one)[:-1], b"\x81\xa6places\x05", impossible):
        assert decode(junk) is None

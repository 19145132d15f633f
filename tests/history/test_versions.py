"""The table of versions: when each was new at the origin, and when which mirror had it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np
import pytest
from sqlalchemy import select

from app.history import tables
from app.history.database import HistoryDatabase, open_history
from app.history.versions import (
    KEPT_DAYS,
    Sightings,
    VersionKey,
    add_sightings,
    read_carriers,
    read_versions,
)
from app.model import Arrival
from app.settings import read_settings

DAY_S = 24 * 3600
NOW = 1_800_000_000
BASEOS, APPSTREAM = "9.8/baseos/x86_64", "9.8/appstream/x86_64"
FIRST, SECOND = (BASEOS, "1" * 16), (BASEOS, "2" * 16)

Rows = Mapping[VersionKey, tuple[float, Mapping[str, tuple[int, bool]]]]


def had(version: str, at_s: int, is_exact: bool = True) -> Arrival:
    return Arrival(version=version, at_s=at_s, is_exact=is_exact)


def sightings(origin: dict[VersionKey, float], **mirrors: dict[VersionKey, int]) -> Sightings:
    """What was seen: `mirrors` have which version since when, but for the moments below 0, which are those of
    mirrors that had it before."""
    found: dict[VersionKey, dict[str, Arrival]] = {}
    for mirror, versions in mirrors.items():
        for key, at_s in versions.items():
            found.setdefault(key, {})[mirror] = had(key[1], abs(at_s), at_s > 0)
    return Sightings(origin, found)


def rows(database: HistoryDatabase, since_s: float = 0) -> Rows:
    with database.reading() as connection:
        names = {number: mirror for mirror, number in read_carriers(connection).items()}
        return {
            (one.repo, one.version): (
                one.origin_s,
                {
                    names[mirror]: (at_s, is_exact)
                    for mirror, at_s, is_exact in zip(
                        one.mirrors.tolist(), one.at_s.tolist(), one.is_exact.tolist(), strict=True
                    )
                },
            )
            for one in read_versions(connection, since_s)
        }


def test_the_earliest_sighting_counts(database: HistoryDatabase) -> None:
    """Whatever is added first, and however often: of the origin and of each mirror, the earliest moment
    stays, and with it whether the mirror was seen without the version before."""
    early = sightings({FIRST: NOW}, a={FIRST: NOW + 60}, b={FIRST: -(NOW + 60)}, c={FIRST: NOW + 30})
    late = sightings({FIRST: NOW + 5}, a={FIRST: NOW + 90}, b={FIRST: NOW + 90}, d={FIRST: NOW + 90})
    expected = {
        FIRST: (
            NOW,
            {
                "a": (NOW + 60, True),
                "b": (NOW + 60, False),
                "c": (NOW + 30, True),
                "d": (NOW + 90, True),
            },
        )
    }
    for seen in (late, early, late, early):
        add_sightings(database, seen, NOW)
    assert rows(database) == expected


def test_a_version_that_was_never_new_is_left_out(database: HistoryDatabase) -> None:
    """It was at the origin before anyone looked, so there is no delay to tell; it may be new later."""
    add_sightings(database, sightings({FIRST: NOW}, a={FIRST: NOW, SECOND: NOW}), NOW)
    assert rows(database) == {FIRST: (NOW, {"a": (NOW, True)})}
    add_sightings(database, sightings({SECOND: NOW + 10}), NOW)
    assert rows(database)[SECOND] == (NOW + 10, {})


def test_old_versions_are_forgotten(database: HistoryDatabase) -> None:
    """After 90 days; and what is said of them once more does not bring them back."""
    seen = sightings({FIRST: NOW, SECOND: NOW + DAY_S}, a={FIRST: NOW, SECOND: NOW + DAY_S})
    add_sightings(database, seen, NOW)
    later = NOW + KEPT_DAYS * DAY_S + 1
    add_sightings(database, sightings({}), later)
    assert rows(database).keys() == {SECOND}
    add_sightings(database, seen, later)
    assert rows(database).keys() == {SECOND}


def test_only_the_asked_time_is_read(database: HistoryDatabase) -> None:
    """Repo by repo, the oldest first."""
    third = (APPSTREAM, "3" * 16)
    add_sightings(database, sightings({FIRST: NOW + 2, SECOND: NOW + 1, third: NOW}), NOW)
    assert list(rows(database)) == [third, SECOND, FIRST]
    assert list(rows(database, NOW + 2)) == [FIRST]


def test_several_writers(environ: dict[str, str]) -> None:
    """Workers that write the same versions at once, on a new database, lose none of each other's mirrors, and
    none waits for another for ever."""
    keys = [(f"9.8/repo{number}/x86_64", "1" * 16) for number in range(40)]
    failures: list[BaseException] = []

    def write(of: str) -> None:
        database = open_history(read_settings(environ))
        try:
            for number in range(5):
                seen = {key: {f"{of}{number}": had(key[1], NOW)} for key in keys}
                add_sightings(database, Sightings(dict.fromkeys(keys, NOW), seen), NOW)
        except BaseException as error:
            failures.append(error)
        finally:
            database.close()

    writers = [threading.Thread(target=write, args=(of,)) for of in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    database = open_history(read_settings(environ))
    found = rows(database)
    database.close()
    assert found.keys() == {*keys}
    names = {f"{of}{number}" for of in "abc" for number in range(5)}
    assert all(mirrors.keys() == names for _, mirrors in found.values())


def test_packed(database: HistoryDatabase) -> None:
    """An arrival takes nine bytes, whatever the mirror's name is."""
    long = {"m" * 200 + str(number): {FIRST: NOW} for number in range(100)}
    add_sightings(database, sightings({FIRST: NOW}, **long), NOW)
    with database.reading() as connection:
        assert len(connection.execute(select(tables.versions.c.arrivals)).scalar_one()) == 900


@pytest.mark.slow
def test_a_month_is_read_in_a_second(database: HistoryDatabase) -> None:
    """200 repos with a new version on each of 30 days, at 530 mirrors."""
    packed = np.zeros(530, [("mirror", "<u4"), ("at_s", "<u4"), ("is_exact", "?")])
    packed["mirror"] = np.arange(1, 531)
    with database.writing() as connection:
        connection.execute(
            tables.carriers.insert(), [{"mirror": f"m{number}.example.org"} for number in range(530)]
        )
        for day in range(30):
            packed["at_s"] = NOW + day * DAY_S
            connection.execute(
                tables.versions.insert(),
                [
                    {
                        "repo": f"9.8/repo{number}/x86_64",
                        "version": f"{day:016x}",
                        "at_s": NOW + day * DAY_S,
                        "arrivals": packed.tobytes(),
                    }
                    for number in range(200)
                ],
            )
    started = time.monotonic()
    with database.reading() as connection:
        total = sum(len(one.mirrors) for one in read_versions(connection, NOW))
    took_s = time.monotonic() - started
    assert total == 200 * 30 * 530
    assert took_s <= 1.0

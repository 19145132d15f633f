"""What a web process makes of city databases that are replaced and spoiled under it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.geo.database import CityDatabase
from app.logs import Faults
from app.web.readiness import reasons
from app.worker.geography import GeoFiles
from tests.geo.databases import maxmind, write_database
from tests.serving.site import FRANKFURT, Site, knows_networks, knows_places, served
from tests.worker.network import CITY, NOON, replaced


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def truncate_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def remove(path: Path) -> None:
    path.unlink()


def wrong_kind(path: Path) -> None:
    replaced(path, CITY.with_name("asn.mmdb").read_bytes())


@pytest.mark.parametrize("harm", [truncate, truncate_to_nothing, overwrite, remove, wrong_kind])
def test_spoiled_city_database(
    site: Site, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None]
) -> None:
    """A database spoiled under a running process leaves the last good copy in use; the fault is named
    once; a good one is taken up again."""
    current = site.with_city()
    current.refresh()
    harm(site.city)
    for _ in range(3):
        current.refresh()
        assert knows_places(current) and knows_networks(current)
    assert set(current.faults.current) == {"geoip"}
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    replaced(site.city, CITY.read_bytes().replace(b"Frankfurt am Main", b"Frankfurt am Mein"))
    current.refresh()
    assert current.faults.current == {}
    assert current.cities is not None
    assert current.cities.describe(FRANKFURT).city == "Frankfurt am Mein"


@pytest.mark.parametrize("harm", [truncate, truncate_to_nothing, overwrite, remove, wrong_kind])
def test_start_with_a_spoiled_city_database(site: Site, harm: Callable[[Path], None]) -> None:
    """A process that starts while the database is spoiled opens the copy that served last."""
    site.with_city().refresh()
    harm(site.city)
    current = site.with_city()
    current.refresh()
    assert knows_places(current)
    assert set(current.faults.current) == {"geoip"}


def test_no_city_database_at_the_start(site: Site) -> None:
    """Without a usable database clients are of nowhere, and served all the same."""
    truncate(site.city)
    current = site.with_city()
    current.refresh()
    assert current.cities is None
    assert current.serving is not None
    assert set(current.faults.current) == {"geoip"}


def test_a_country_database(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A country database in the place of a city database serves by country. The log says so once, and
    /readyz as long as it lasts; it counts as no fault."""
    write_database(site.city, {"192.0.2.0/24": {"country": {"iso_code": "LU"}}}, "GeoLite2-Country")
    current = site.with_city()
    for _ in range(2):
        current.refresh()
    assert current.cities is not None and current.cities.place(FRANKFURT) == "LU"
    assert current.faults.current == {}
    says = f"geoip: {site.city}: no record says more than the country"
    assert len([message for message in caplog.messages if message.startswith(says)]) == 1
    assert [reason.startswith(says) for reason in reasons(current, site.now)].count(True) == 1
    replaced(site.city, CITY.read_bytes())
    current.refresh()
    assert not any("country" in reason for reason in reasons(current, site.now))


def test_copies_deleted_under_the_process(site: Site) -> None:
    """Somebody who tidies up `var` takes nothing from a running process, and new generations come as
    before."""
    current = site.with_city()
    current.refresh()
    shutil.rmtree(site.network.var / "geoip")
    current.refresh()
    assert knows_places(current) and knows_networks(current)
    newest = site.publish()
    current.refresh()
    assert served(current) == newest
    assert knows_places(current) and knows_networks(current)


@pytest.mark.parametrize("harm", [truncate, truncate_to_nothing, overwrite, remove, wrong_kind])
def test_worker_and_web_choose_alike(site: Site, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """Of two city files one is spoiled while the other is replaced by a new build. The worker and a web
    process go on with the same content, whether they ran before or start now: the new build, and the
    last good copy of the spoiled file."""
    campus = write_database(tmp_path / "campus.mmdb", {"10.66.0.0/16": maxmind("LU", 49.6, 6.1)})
    settings = site.network.settings(site.city, campus)
    node = msgspec.structs.replace(settings, var_dir=tmp_path / "node")  # the web's, on another machine
    worker, web = GeoFiles(settings, Faults(logging.getLogger("mirrorwise.worker"))), site.follower(node)
    worker.read(NOON)
    web.refresh()
    before = content_of(web.cities)
    assert before == content_of(worker.cities)

    harm(campus)
    replaced(site.city, CITY.read_bytes().replace(b"Frankfurt am Main", b"Frankfurt am Mein"))
    new_worker = GeoFiles(settings, Faults(logging.getLogger("mirrorwise.worker")))
    new_web = site.follower(node)
    for cities in (worker, new_worker):
        cities.read(NOON + 1)
    for process in (web, new_web):
        process.refresh()
        assert "campus.mmdb" in process.faults.current["geoip"]
    databases = [worker.cities, new_worker.cities, web.cities, new_web.cities]
    (chosen,) = set(map(content_of, databases))
    assert chosen != before
    for database in databases:
        assert database is not None
        assert database.describe(FRANKFURT).city == "Frankfurt am Mein"
        assert database.place("10.66.0.1") == "LU/49/6"


def content_of(database: CityDatabase | None) -> str:
    assert database is not None
    return database.identity

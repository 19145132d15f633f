"""What a web process makes of vendors' databases, which it has for words alone, while they are replaced and
spoiled under it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.web.readiness import reasons
from tests.geo.databases import write_database
from tests.serving.site import FRANKFURT, Site, knows_networks, knows_words, served
from tests.worker.network import CITY, replaced


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
        assert knows_words(current) and knows_networks(current)
    said = [] if harm is remove else ["geoip"]  # a node need not have it
    assert list(current.faults.current) == said
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == len(said)
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
    assert knows_words(current)
    assert list(current.faults.current) == ([] if harm is remove else ["geoip"])


def test_no_city_database_at_the_start(site: Site) -> None:
    """Without a usable database there are no words, and clients are served all the same."""
    truncate(site.city)
    current = site.with_city()
    current.refresh()
    assert current.cities is None
    assert current.serving is not None
    assert set(current.faults.current) == {"geoip"}


def test_a_country_database(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A country database in the place of a city database is remarked upon. The log says so once, and /readyz
    as long as it lasts; it counts as no fault."""
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
    assert knows_words(current) and knows_networks(current)
    newest = site.publish()
    current.refresh()
    assert served(current) == newest
    assert knows_words(current) and knows_networks(current)

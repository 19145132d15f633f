"""Where a mirror is, when GeoIP has to say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.geo.database import CityDatabase
from app.sources.gazetteer import Gazetteer
from app.worker.locate import Locator
from tests.builders import a_mirror, a_state
from tests.geo.databases import dbip, maxmind, write_database


@pytest.mark.parametrize(
    ("record", "declared", "found_in", "by"),
    [
        pytest.param(dbip("UK", 51.5, -0.1), None, ("GB", None), "GeoIP of 192.0.2.10", id="UK is GB"),
        pytest.param(
            dbip("UK", 51.5, -0.1), "GB", ("GB", None), "GeoIP of 192.0.2.10", id="in GB as declared"
        ),
        pytest.param(
            dbip("EU", 51.5, 10.1), None, (None, "EU"), "GeoIP of 192.0.2.10", id="EU is a continent"
        ),
        pytest.param(dbip("EU", 51.5, 10.1), "DE", ("DE", None), "the centre of DE", id="EU is not DE"),
        pytest.param(maxmind("XX", 51.5, 10.1), None, (None, "EU"), "GeoIP of 192.0.2.10", id="XX in Europe"),
        pytest.param({}, "IO", ("IO", None), "the centre of IO", id="a country without cities"),
        pytest.param({}, None, (None, None), None, id="nothing known"),
    ],
)
def test_countries_of_mirrors(
    tmp_path: Path,
    record: dict[str, Any],
    declared: str | None,
    found_in: tuple[str | None, str | None],
    by: str | None,
) -> None:
    """A mirror's country is one that the table has; where a vendor's code is none, its continent counts.
    Coordinates of another country than the declared one are not taken."""
    networks = {"192.0.2.0/24": record, "198.51.100.0/24": dbip("DE", 1.5, 1.5) | record}
    cities = CityDatabase([write_database(tmp_path / "city.mmdb", networks)])
    found = Locator(Gazetteer(), cities, None).locate(
        a_mirror("m", country=declared), a_state("m", addresses=("192.0.2.10",))
    )
    assert ((found.country, found.continent), found.by) == (found_in, by)
    assert (found.coordinates is None) == (by is None)

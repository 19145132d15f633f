"""Where declared cities are found."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.model import Coordinates
from app.sources.gazetteer import Gazetteer


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer()


def near(found: Coordinates | None, latitude: float, longitude: float) -> bool:
    """Within about a city's size."""
    return (
        found is not None and abs(found.latitude - latitude) < 0.3 and abs(found.longitude - longitude) < 0.3
    )


@pytest.mark.parametrize(
    ("country", "state", "city", "place"),
    [
        pytest.param("DE", None, "Berlin", (52.5, 13.4), id="name"),
        pytest.param("DE", None, "berlin", (52.5, 13.4), id="lower case"),
        pytest.param("DE", "Bavaria", "Munich", (48.14, 11.58), id="English name"),
        pytest.param("DE", None, "München", (48.14, 11.58), id="own name"),
        pytest.param("DE", None, "MUNCHEN", (48.14, 11.58), id="without the umlaut"),
        pytest.param("DE", "Hesse", "Frankfurt", (50.12, 8.68), id="the larger of two Frankfurts"),
        pytest.param("DE", None, "Frankfurt (Oder)", (52.35, 14.55), id="the smaller one by its full name"),
        pytest.param("DK", None, "København", (55.68, 12.57), id="letter that is no accent"),
        pytest.param("BR", None, "Sao Paulo", (-23.55, -46.63), id="accent left out"),
        pytest.param("JP", None, "東京", (35.69, 139.69), id="own script"),
        pytest.param("US", "Georgia", "Columbus", (32.46, -84.99), id="state by name"),
        pytest.param("US", "oh", "Columbus", (39.96, -83.0), id="state by code"),
        pytest.param("US", None, "Columbus", (39.96, -83.0), id="without a state: the larger"),
        pytest.param("US", "Bavaria", "Columbus", (39.96, -83.0), id="state that does not exist"),
        pytest.param("US", "Missouri", "St Louis", (38.63, -90.2), id="without the full stop"),
        pytest.param("US", "Missouri", "Saint Louis", (38.63, -90.2), id="written out"),
        pytest.param("GB", "NIR", "Newcastle", (54.22, -5.89), id="GeoNames' state code"),
    ],
)
def test_cities_are_found(
    gazetteer: Gazetteer, country: str, state: str | None, city: str, place: tuple[float, float]
) -> None:
    """In their country, however they are written; the state decides between namesakes."""
    assert near(gazetteer.find(country, state, city), *place)


@pytest.mark.parametrize(
    ("country", "city"), [("FR", "Berlin"), ("DE", "Nowhere"), ("DE", ""), ("DE", "-"), ("XX", "Berlin")]
)
def test_what_is_not_there_is_none(gazetteer: Gazetteer, country: str, city: str) -> None:
    """No guess is made, and no city of another country is taken."""
    assert gazetteer.find(country, None, city) is None


def test_importing_and_creating_it_loads_nothing() -> None:
    """The 30 MB of places are read at the first look-up, in whichever process does one."""
    code = "from app.sources import gazetteer as g; g.Gazetteer(); print(g._places.cache_info().currsize)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"

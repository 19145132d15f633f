"""Countries: names and codes as people and GeoIP vendors write them, continents, centres."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

import pytest

from app.clouds import PROVIDERS, regions
from app.model.countries import CONTINENTS, continent_of, countries, country_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE", "DE"),
        ("de", "DE"),
        (" De ", "DE"),
        ("Germany", "DE"),
        ("GERMANY", "DE"),
        ("DEU", "DE"),
        ("UK", "GB"),
        ("uk", "GB"),
        ("Great Britain", "GB"),
        ("England", "GB"),
        ("Wales", "GB"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("United States of America", "US"),
        ("Australia", "AU"),
        ("NO", "NO"),
        ("NA", "NA"),
        ("Holland", "NL"),
        ("The Netherlands", "NL"),
        ("Netherlands", "NL"),
        ("Türkiye", "TR"),
        ("Turkiye", "TR"),
        ("Turkey", "TR"),
        ("Czech Republic", "CZ"),
        ("Czechia", "CZ"),
        ("Côte d'Ivoire", "CI"),
        ("Viet Nam", "VN"),
        ("Russian Federation", "RU"),
        ("Korea", "KR"),
        ("Republic of Korea", "KR"),
        ("Republic of Congo", "CG"),
        ("DR Congo", "CD"),
        ("Macau SAR", "MO"),
        ("XK", "XK"),
        ("XKX", "XK"),
        ("IO", "IO"),
        ("Bosnia & Herzegovina", "BA"),
        ("Georgia", "GE"),
        ("XX", None),
        ("EU", None),
        ("AP", None),
        ("AN", None),
        ("~EU", None),
        ("Europe", None),
        ("Bavaria", None),
        ("", None),
        ("D", None),
    ],
)
def test_country_code(text: str, code: str | None) -> None:
    """Codes in any case, English names, common variants; what is no country today is none."""
    assert country_code(text) == code


@pytest.mark.parametrize(
    ("code", "continent"),
    [
        ("DE", "EU"),
        ("US", "NA"),
        ("CR", "NA"),
        ("BR", "SA"),
        ("JP", "AS"),
        ("TR", "AS"),
        ("ZA", "AF"),
        ("NZ", "OC"),
        ("AQ", "AN"),
        ("XX", None),
        ("de", None),
    ],
)
def test_continent_of(code: str, continent: str | None) -> None:
    """The seven continents' codes, of codes as country_code gives them."""
    assert continent_of(code) == continent


def test_the_table_is_complete_and_consistent() -> None:
    """249 countries of ISO 3166-1 and Kosovo, each with both codes; no spelling is of two."""
    table = countries()
    assert len(table) == 250
    assert list(table) == sorted(table)
    assert {country.continent for country in table.values()} == CONTINENTS
    assert [code for code in table if country_code(code) != code] == []
    named = [(name, code) for code, country in table.items() for name in country.names]
    assert [(name, code) for name, code in named if country_code(name) != code] == []
    assert [code for code, country in table.items() if len(country.names) < 3 or not all(country.names)] == []


def test_every_region_is_in_a_country_of_the_table() -> None:
    """The table of cloud regions has the same codes and continents."""
    for provider in PROVIDERS:
        for known in regions.known_regions(provider):
            location = regions.region_location(provider, known.border_group or known.region or "")
            assert location is None or continent_of(location.country) == location.continent, known


# --- centres -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "latitude", "longitude", "margin"),
    [
        pytest.param("LU", 49.6, 6.1, 0.3, id="small"),
        pytest.param("RU", 56.8, 51.3, 1.5, id="where its people are"),
        pytest.param("DE", 50.9, 9.5, 1.5, id="large"),
        pytest.param("NZ", -39, 174.5, 2, id="two islands"),
        pytest.param("FJ", -17.8, 178.2, 1, id="over the date line"),
        pytest.param("IO", -7.3, 72.4, 0.3, id="British Indian Ocean Territory"),
        pytest.param("BV", -54.4, 3.4, 0.3, id="Bouvet Island"),
        pytest.param("HM", -53.1, 73.5, 0.3, id="Heard Island and McDonald Islands"),
        pytest.param("UM", 19.3, 166.6, 0.3, id="Wake Island of the US Minor Outlying Islands"),
        pytest.param("XK", 42.6, 20.9, 0.5, id="Kosovo"),
    ],
)
def test_the_centre_of_a_country_is_where_its_people_are(
    code: str, latitude: float, longitude: float, margin: float
) -> None:
    """On the sphere, so that a country across the date line has its centre there."""
    centre = countries()[code].centre
    assert abs(centre.latitude - latitude) < margin
    assert abs(centre.longitude - longitude) < margin


MIDDLES = {
    "AF": (3, 20),
    "AN": (-90, 0),
    "AS": (35, 85),
    "EU": (52, 20),
    "NA": (40, -95),
    "OC": (-20, 175),
    "SA": (-20, -60),
}


def test_no_country_is_in_the_middle_of_nowhere() -> None:
    """Every centre is on its continent, as far as a circle can say that, and none is at 0° N 0° E."""
    for code, country in countries().items():
        centre = country.centre
        assert _distance_km((centre.latitude, centre.longitude), MIDDLES[country.continent]) < 7500, code
        assert _distance_km((centre.latitude, centre.longitude), (0.0, 0.0)) > 500, code


def _distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    north, north2 = radians(one[0]), radians(other[0])
    half = (
        sin((north2 - north) / 2) ** 2 + cos(north) * cos(north2) * sin(radians(other[1] - one[1]) / 2) ** 2
    )
    return 12742 * asin(sqrt(half))

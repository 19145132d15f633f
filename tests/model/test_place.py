"""Places: written and read in one grammar, and what each says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clouds import PROVIDERS, regions
from app.model.countries import CONTINENTS, continent_of, countries
from app.model.place import (
    PATTERN,
    UNKNOWN_PLACE,
    Precision,
    continent_in,
    country_of,
    is_exact,
    parse_place,
    place_of,
    places_by_code,
    precision,
    region_in,
    region_place,
    wider_places,
)

COUNTRIES = st.sampled_from(list(countries()))
CONTINENT_CODES = st.sampled_from(sorted(CONTINENTS))
COORDINATES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))

# --- written and read ------------------------------------------------------------------------------


@given(country=COUNTRIES, coordinates=COORDINATES)
def test_cells(country: str, coordinates: tuple[float, float]) -> None:
    """Any coordinates make a cell that is read back as it was written, in its country."""
    place = place_of(country, continent_of(country), coordinates)
    assert parse_place(place) == place
    assert (precision(place), country_of(place), continent_in(place)) == ("cell", country, None)
    north, east = map(int, place.split("/")[1:])
    assert (north <= coordinates[0] < north + 1, east <= coordinates[1] < east + 1) == (True, True)


@given(country=COUNTRIES, continent=CONTINENT_CODES)
def test_wide_places(country: str, continent: str) -> None:
    """Countries and continents are read back as they were written."""
    wide = place_of(country, continent)
    assert parse_place(wide) == wide == country
    assert (precision(wide), country_of(wide), continent_in(wide)) == ("country", country, None)
    whole = place_of(continent=continent)
    assert parse_place(whole) == whole == f"~{continent}"
    assert (precision(whole), country_of(whole), continent_in(whole)) == ("continent", None, continent)


def test_nothing() -> None:
    """Of nothing comes the place of which nothing is known; coordinates in no country are nothing."""
    assert place_of() == place_of(None, None, (50.1, 8.7)) == parse_place("") == UNKNOWN_PLACE
    assert precision(UNKNOWN_PLACE) == "nothing"


def test_cloud_regions() -> None:
    """Every cloud region has a place of its own, which tells it again and is no client's."""
    for provider in PROVIDERS:
        for region in regions.known_regions(provider):
            place = region_place(region)
            assert region_in(place) == str(region)
            assert is_exact(place)
            assert country_of(place) is None
            assert not re.fullmatch(PATTERN, place)


@given(st.text(max_size=12) | st.from_regex(PATTERN, fullmatch=True))
def test_whatever_is_read(text: str) -> None:
    """What is read as a place comes back unchanged, and could have been written; all else is refused."""
    try:
        place = parse_place(text)
    except ValueError as error:
        assert repr(text) in str(error)
        return
    degrees = [float(part) for part in place.split("/")[1:]]
    coordinates = (degrees[0], degrees[1]) if degrees else None
    assert place == text == place_of(country_of(place), continent_in(place), coordinates)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("UK/51/-1", "UK is no country's code (ISO 3166-1); did you mean GB/51/-1?", id="UK"),
        pytest.param("UK", "did you mean GB?", id="UK alone"),
        pytest.param("XX", "XX is no country's code (ISO 3166-1)", id="no country"),
        pytest.param("EU", "EU is no country's code", id="a continent where a country should be"),
        pytest.param("~XX", "continents are AF, AN, AS, EU, NA, OC, SA", id="no continent"),
        pytest.param("~EU/50/8", "is not a place such as DE/50/8, DE or ~EU", id="a cell of a continent"),
        pytest.param("DE/91/8", "whole degrees are -90 to 90", id="beyond the pole"),
        pytest.param("DE/50/181", "-180 to 180", id="beyond the date line"),
        pytest.param("DE/-0/8", "whole degrees", id="minus zero"),
        pytest.param("DE/05/8", "whole degrees", id="a leading zero"),
        pytest.param("DE/50", "is not a place such as", id="half a cell"),
        pytest.param("de", "is not a place such as", id="lower case"),
        pytest.param("DE\n", "is not a place such as", id="a line's end"),
        pytest.param("DE/\uff15/8", "is not a place such as", id="digits that are not ASCII"),
        pytest.param("@/aws:us-east-1", "is not a place such as", id="a cloud region's place"),
    ],
)
def test_odd_texts(text: str, says: str) -> None:
    """What is no place is refused in words: what it is, and what may have been meant."""
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_place(text)


# --- what places say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "found", "exact", "wider"),
    [
        pytest.param("DE/50/8", "cell", True, ["DE", "~EU", ""], id="cell"),
        pytest.param("BR/-24/-47", "cell", True, ["BR", "~SA", ""], id="south and west"),
        pytest.param("DE", "country", False, ["DE", "~EU", ""], id="country"),
        pytest.param("~EU", "continent", False, [""], id="continent"),
        pytest.param("", "nothing", False, [""], id="nothing"),
        pytest.param("XX/1/1", "cell", True, ["XX", "", ""], id="a cell of no country"),
    ],
)
def test_what_a_place_says(place: str, found: Precision, exact: bool, wider: list[str]) -> None:
    """How precise it is, and what it falls back to when it has no list."""
    assert (precision(place), is_exact(place), list(wider_places(place))) == (found, exact, wider)


# --- codes in GeoIP records ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("DE", "DE"),
        ("XK", "XK"),
        ("UK", "GB"),
        ("FX", "FR"),
        ("TP", "TL"),
        ("EU", "~EU"),
        ("AP", "~AS"),
        ("AN", "~NA"),
        ("CS", "~EU"),
        ("ZZ", None),
        ("XX", None),
        ("A1", None),
        ("A2", None),
        ("O1", None),
        ("--", None),
        ("DEU", None),
    ],
)
def test_places_by_code(code: str, place: str | None) -> None:
    """A vendor's code is a country, a continent, or means nothing; codes have two letters."""
    assert places_by_code().get(code) == place


def test_every_country_is_its_own_place() -> None:
    """Whatever a vendor means besides, a country's code is that country."""
    assert [code for code in countries() if places_by_code()[code] != code] == []
    assert {len(code) for code in places_by_code()} == {2}

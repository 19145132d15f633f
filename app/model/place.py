"""Places: where a client is, as far as its address tells, in one short text.

    DE/50/8                a cell: the country, and the south-west corner of a square of one degree
    DE                     a country: nothing more precise is known
    ~EU                    a continent
    (empty)                nothing is known
    @/aws:eu-central-1     a cloud region; its clients are ranked from there, but no client's class says so

A place stays text wherever it goes, because every request looks one up. The functions here are the
only ones that know what the text looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from math import floor
from typing import Literal, TypeAlias

from app.model.countries import CONTINENTS, continent_of, countries, country_code
from app.model.network import CloudRegion

Place: TypeAlias = str
Precision = Literal["cell", "country", "continent", "nothing"]

UNKNOWN_PLACE: Place = ""
"""The place of a client of which nothing is known."""

PATTERN = "(?:[A-Z]{2}(?:/-?[0-9]{1,2}/-?[0-9]{1,3})?|~[A-Z]{2})?"
"""What a client's place looks like, as a regular expression. nginx has the same one."""

_REGION = "@/"

_PARTS_OF_CONTINENTS = {
    "AN": "NA",  # the Netherlands Antilles, which are several countries now
    "AP": "AS",  # Asia and the Pacific
    "CS": "EU",  # Serbia and Montenegro
    "EU": "EU",
    "YU": "EU",  # Yugoslavia
}
"""What vendors write where a country should be, and is none."""


# --- writing ---------------------------------------------------------------------------------------


def place_of(
    country: str | None = None,
    continent: str | None = None,
    coordinates: tuple[float, float] | None = None,
) -> Place:
    """The most precise place that these make. Coordinates (degrees north and east) are only worth
    something together with a country, and a continent only without one."""
    if country is None:
        return UNKNOWN_PLACE if continent is None else f"~{continent}"
    if coordinates is None:
        return country
    north, east = coordinates
    return f"{country}/{floor(north)}/{floor(east)}"


def region_place(region: CloudRegion) -> Place:
    """The place of a cloud region, or of a border group."""
    return f"{_REGION}{region}"


@cache
def places_by_code() -> Mapping[str, Place]:
    """What each code that may stand for a country in a GeoIP record means: a country (`DE`; `GB` of
    UK) or a continent (`~EU`). Any other code means nothing."""
    places = {code: place_of(continent=continent) for code, continent in _PARTS_OF_CONTINENTS.items()}
    for code, country in countries().items():
        places |= {name: place_of(code) for name in country.names if len(name) == 2}
    return places


# --- reading ---------------------------------------------------------------------------------------


def parse_place(text: str) -> Place:
    """A client's place that a person or a program wrote. Raises ValueError, with a sentence, for what
    does not look like one, and for cells, countries and continents that there are not."""
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} is not a place such as DE/50/8, DE or ~EU")
    country, continent = country_of(text), continent_in(text)
    if is_exact(text):
        north, east = map(int, text.split("/")[1:])
        if abs(north) > 90 or abs(east) > 180 or place_of(country, None, (north, east)) != text:
            raise ValueError(f"{text!r} is not a place: a cell's whole degrees are -90 to 90, -180 to 180")
    if continent is not None and continent not in CONTINENTS:
        raise ValueError(f"{text!r} is not a place: continents are {', '.join(sorted(CONTINENTS))}")
    if country is not None and country not in countries():
        meant = country_code(country)
        hint = f"; did you mean {meant + text[2:]}?" if meant else ""
        raise ValueError(f"{text!r} is not a place: {country} is no country's code (ISO 3166-1){hint}")
    return text


def country_of(place: Place) -> str | None:
    """The country of a cell or country."""
    country = place.partition("/")[0]
    return country if len(country) == 2 else None


def continent_in(place: Place) -> str | None:
    """The continent, where that is all that is known."""
    return place[1:] if place.startswith("~") else None


def region_in(place: Place) -> str | None:
    """The cloud region, written as `CloudRegion` writes it, whose place this is."""
    return place.removeprefix(_REGION) if place.startswith(_REGION) else None


def is_exact(place: Place) -> bool:
    """Whether distances from the place mean something: it is a cell or a cloud region."""
    return "/" in place


def precision(place: Place) -> Precision:
    """How much a client's place says."""
    if is_exact(place):
        return "cell"
    if country_of(place):
        return "country"
    return "continent" if continent_in(place) else "nothing"


def wider_places(place: Place) -> Iterator[Place]:
    """What a place that has no list of its own falls back to: its country, that country's continent,
    and in the end the place of which nothing is known."""
    country = country_of(place)
    if country is not None:
        yield place_of(country)
        yield place_of(continent=continent_of(country))
    yield UNKNOWN_PLACE

"""Places: short texts that say where a client is, as far as its address tells.

    DE/50/8                a cell: the country, and the south-west corner of a square of one degree
    DE                     a country: nothing more precise is known
    ~EU                    a continent
    (empty)                nothing is known
    @/aws:eu-central-1     a cloud region: distances of its clients are measured from there, but no
                           client class has such a place

A place is a plain string everywhere, because every request looks one up. Only the functions here know
what the string looks like.
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
"""The place of a client whose address tells nothing."""

PATTERN = "(?:[A-Z]{2}(?:/-?[0-9]{1,2}/-?[0-9]{1,3})?|~[A-Z]{2})?"
"""A regular expression for the place of a client."""

_REGION = "@/"

_PARTS_OF_CONTINENTS = {
    "AN": "NA",  # the Netherlands Antilles, which are several countries now
    "AP": "AS",  # Asia and the Pacific
    "CS": "EU",  # Serbia and Montenegro
    "EU": "EU",
    "YU": "EU",  # Yugoslavia
}
"""The codes that GeoIP vendors write in place of a country although no country has them now, each with the
continent that it means."""


# --- writing ---------------------------------------------------------------------------------------


def place_of(
    country: str | None = None,
    continent: str | None = None,
    coordinates: tuple[float, float] | None = None,
) -> Place:
    """Returns the most precise place that follows from a country, a continent and coordinates (degrees north
    and east). Coordinates count only with a country, and a continent counts only without one."""
    if country is None:
        return UNKNOWN_PLACE if continent is None else f"~{continent}"
    if coordinates is None:
        return country
    north, east = coordinates
    return f"{country}/{floor(north)}/{floor(east)}"


def region_place(region: CloudRegion) -> Place:
    """Returns the place that stands for a cloud region, or for a border group in one."""
    return f"{_REGION}{region}"


@cache
def places_by_code() -> Mapping[str, Place]:
    """Returns the place that each country code in GeoIP records means, by code: a country (`DE`; `GB` for UK)
    or a continent (`~EU`). A code that is not in the result means nothing."""
    places = {code: place_of(continent=continent) for code, continent in _PARTS_OF_CONTINENTS.items()}
    for code, country in countries().items():
        places |= {name: place_of(code) for name in country.names if len(name) == 2}
    return places


# --- reading ---------------------------------------------------------------------------------------


def parse_place(text: str) -> Place:
    """Checks a client's place that a person or a program wrote, and returns it. Raises ValueError, with a
    sentence for people, if the text does not look like a place, or if there is no such cell, country or
    continent."""
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
    """Returns the country of a place that is a cell or a country, and None for any other place."""
    country = place.partition("/")[0]
    return country if len(country) == 2 else None


def continent_in(place: Place) -> str | None:
    """Returns the continent if a place is a continent as a whole, and None for any other place."""
    return place[1:] if place.startswith("~") else None


def region_in(place: Place) -> str | None:
    """Returns the cloud region that a place stands for, as `CloudRegion` writes it, and None for any other
    place."""
    return place.removeprefix(_REGION) if place.startswith(_REGION) else None


def is_exact(place: Place) -> bool:
    """Returns whether distances can be measured from a place: whether it is a cell or a cloud region."""
    return "/" in place


def precision(place: Place) -> Precision:
    """Returns the precision of a client's place."""
    if is_exact(place):
        return "cell"
    if country_of(place):
        return "country"
    return "continent" if continent_in(place) else "nothing"


def wider_places(place: Place) -> Iterator[Place]:
    """Yields the places that contain a place, the narrowest first: its country, the country's continent, and
    last the unknown place. If no list was made for a place, the first of these that has one stands for it."""
    country = country_of(place)
    if country is not None:
        yield place_of(country)
        yield place_of(continent=continent_of(country))
    yield UNKNOWN_PLACE

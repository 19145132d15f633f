"""Countries: their codes, the names that people give them, their continents, and where they are.

The table is `countries.csv`: every ISO 3166-1 code in use, and Kosovo's XK. A country's centre is that
of its people: the mean of its places by population, out of GeoNames (geonames.org, CC BY 4.0), or its
main station or island where nobody lives for long. `names` begins with the English one; among the
others are codes that ISO 3166-1 does not assign and people or GeoIP vendors use (UK, and FX for
Metropolitan France).
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from app.model.mirrors import Coordinates
from app.model.values import Record

CONTINENTS = frozenset({"AF", "AN", "AS", "EU", "NA", "OC", "SA"})
"""GeoNames' codes, which all GeoIP vendors use."""


class Country(Record, frozen=True, kw_only=True):
    """`names` are spellings of it, its two codes among them."""

    continent: str
    centre: Coordinates
    names: tuple[str, ...]


@cache
def countries() -> Mapping[str, Country]:
    """All of them by ISO 3166-1 alpha-2 code, sorted."""
    with Path(__file__).with_name("countries.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["code"]: Country(
                continent=row["continent"],
                centre=Coordinates(latitude=float(row["latitude"]), longitude=float(row["longitude"])),
                names=(row["code"], row["alpha3"], *row["names"].split("|")),
            )
            for row in csv.DictReader(file)
        }


def country_code(text: str) -> str | None:
    """The alpha-2 code of an alpha-2 or alpha-3 code or an English name, in any case; `UK` is GB. None:
    it is no country's."""
    return _codes_by_name().get(_plain(text))


def continent_of(code: str) -> str | None:
    """One of CONTINENTS; None for what is no country's code."""
    country = countries().get(code)
    return country.continent if country else None


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(letters.replace(".", "").replace("&", "and").split())


@cache
def _codes_by_name() -> Mapping[str, str]:
    return {_plain(name): code for code, country in countries().items() for name in country.names}

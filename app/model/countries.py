"""Countries: their codes, names, continents and centres.

The table `countries.csv` has every ISO 3166-1 code in use, and Kosovo's XK. A country's centre is the centre
of its population: the mean of its places weighted by population, from GeoNames (geonames.org, CC BY 4.0), or
its main station or island if it has no permanent population. The column `names` begins with the English name.
The names after that include codes that people or GeoIP vendors use, but ISO 3166-1 does not assign (UK, and
FX for Metropolitan France).
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
"""The two-letter codes of the continents as GeoNames defines them. All GeoIP vendors use these codes."""


class Country(Record, frozen=True, kw_only=True):
    """A country, as a row of `countries.csv` describes it."""

    continent: str
    centre: Coordinates
    #: All texts that mean this country: its two codes, its English name, and others.
    names: tuple[str, ...]


@cache
def countries() -> Mapping[str, Country]:
    """Returns all countries by ISO 3166-1 alpha-2 code, sorted by code."""
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
    """Returns the alpha-2 code of the country that a text means, or None if the text means no country. The
    text may be an alpha-2 or alpha-3 code or an English name, in any case. `UK` means GB."""
    return _codes_by_name().get(folded(text))


def continent_of(code: str) -> str | None:
    """Returns the continent of a country, one of CONTINENTS, or None if `code` is no country's alpha-2
    code."""
    country = countries().get(code)
    return country.continent if country else None


def english_name(code: str) -> str:
    """Returns the English name of a country; for an unknown code, the code."""
    country = countries().get(code)
    return country.names[2] if country else code


@cache
def sorting_name(code: str) -> str:
    """Returns the text by which a country is sorted among others: its name, without case and accents."""
    return folded(english_name(code))


def folded(text: str) -> str:
    """Returns a text without what people write in different ways: case, accents, dots and doubled blanks."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(letters.replace(".", "").replace("&", "and").split())


@cache
def _codes_by_name() -> Mapping[str, str]:
    return {folded(name): code for code, country in countries().items() for name in country.names}

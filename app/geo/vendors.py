"""Reads GeoIP records of all vendors.

There is an adapter for each layout of records, which only fetches the raw fields. What the fields mean
is decided once for all layouts: which locations are precise enough to rank by, and how a place is named.

- MaxMind: nested (`country.iso_code`, `location.latitude`, `city.names`), documented at
  https://dev.maxmind.com/geoip/docs/databases/city-and-country/
- DB-IP: nested as MaxMind's, without an accuracy radius (https://db-ip.com/db/format/), or flat as
  repackaged: `country_code`, `state1`, `city`, `latitude`, `longitude`, no continent
- IPinfo: flat, coordinates as strings; `country` is the code, or a name beside `country_code`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from geoip2.models import City

from app.model import GeoError, Record
from app.model.countries import CONTINENTS
from app.model.place import UNKNOWN_PLACE, Place, continent_in, country_of, place_of, places_by_code

COUNTRY_ONLY_RADIUS_KM = 500

_IPINFO_KEYS = frozenset(
    {"lat", "lng", "region", "continent_code", "as_name"}
)  # no other flat layout has them


class GeoipLocation(NamedTuple):
    """The location in a record. Country is an ISO 3166-1 alpha-2 code, continent one of CONTINENTS.

    If it is not `precise`, the coordinates stand for a whole country (often its centre), so that
    nothing may be ranked by them.
    """

    country: str | None
    continent: str | None
    latitude: float | None
    longitude: float | None
    city: str | None
    subdivision: str | None
    precise: bool

    @property
    def place(self) -> Place:
        """The place of a client at this location."""
        coordinates = None
        if self.precise and self.latitude is not None and self.longitude is not None:
            coordinates = self.latitude, self.longitude
        return place_of(self.country, self.continent, coordinates)


class Details(Record, frozen=True, kw_only=True):
    """The details of a record that people want to read. Names are English if there are several."""

    country_name: str | None = None
    city: str | None = None
    subdivision: str | None = None
    accuracy_radius_km: int | None = None


# The fields of a record as they were found: country, continent, latitude, longitude, city, subdivision,
# accuracy radius in km. Any of them may be missing or malformed.
_Fields = tuple[Any, Any, Any, Any, Any, Any, Any]


@dataclass(frozen=True, eq=False)
class Layout:
    """A layout of GeoIP records, which knows how to read them. Its methods never raise, however malformed a
    record is."""

    vendor: str
    fields: Callable[[dict[str, Any]], _Fields]
    nested: bool = False

    def locate(self, record: object) -> GeoipLocation:
        if not isinstance(record, dict):
            return NOWHERE
        country, continent, latitude, longitude, city, subdivision, radius_km = self.fields(record)
        north, east = _coordinates(latitude, longitude) or (None, None)
        precise = north is not None and _is_local(city, subdivision, radius_km)
        known, whole = _meant(country) if isinstance(country, str) else _NOTHING
        return GeoipLocation(
            known,
            whole or _continent(continent),
            north,
            east,
            _text(city),
            _text(subdivision),
            precise,
        )

    def place(self, record: object) -> Place:
        """Returns the same as `locate(record).place`, but quicker, because every request calls this
        method."""
        if not isinstance(record, dict):
            return UNKNOWN_PLACE
        country, continent, latitude, longitude, city, subdivision, radius_km = self.fields(record)
        known, whole = _meant(country) if isinstance(country, str) else _NOTHING
        if known is None:
            return place_of(None, whole or _continent(continent))
        is_local = _is_local(city, subdivision, radius_km)
        return place_of(known, None, _coordinates(latitude, longitude) if is_local else None)

    def describe(self, record: object) -> Details:
        if not isinstance(record, dict):
            return Details()
        if self.nested:
            try:
                return _describe_nested(City(["en"], **record))
            except (TypeError, AttributeError, ValueError):
                pass  # geoip2 trusts the types of what it is given; the adapters do not
        country, _, _, _, city, subdivision, radius_km = self.fields(record)
        name = _text(record.get("country_name")) or _text(record.get("country"))
        return Details(
            country_name=None if name == country else name,
            city=_text(city),
            subdivision=_text(subdivision),
            accuracy_radius_km=_radius(radius_km),
        )


NOWHERE = GeoipLocation(None, None, None, None, None, None, precise=False)


def city_layout(name: str, database_type: str, records: Sequence[Any]) -> Layout:
    """Returns the layout of a city or country database, judged by its type and some of its records.

    Messages call the database by `name`. Raises GeoError if the records have no countries.
    """
    keys = {key for record in records if isinstance(record, dict) for key in record}
    nested = any(
        isinstance(record, dict)
        and any(isinstance(record.get(key), dict) for key in ("country", "continent"))
        for record in records
    )
    if nested:
        dbip = database_type.upper().replace("-", "").startswith("DBIP")
        return DBIP_NESTED if dbip else MAXMIND
    if database_type.lower().startswith("ipinfo") or keys & _IPINFO_KEYS:
        if keys & {"country", "country_code"}:
            return IPINFO
    elif "country_code" in keys:
        return DBIP_FLAT
    elif "country" in keys:
        return IPINFO
    found = ", ".join(sorted(map(str, keys))[:8]) or "nothing"
    raise GeoError(
        f"{name}: is not a city or country database: its type is {database_type!r}, its records hold "
        f"{found}; understood are those of MaxMind, DB-IP and IPinfo"
    )


def asn_of(record: object) -> int | None:
    """Returns the AS number in a record of any vendor; None if the record has none. MaxMind and DB-IP have it
    under one key, some DB-IP files have it nested, and IPinfo writes `AS3320`."""
    if not isinstance(record, dict):
        return None
    number = record.get("autonomous_system_number", record.get("asn"))
    if number is None:
        number = _part(record, "traits").get("autonomous_system_number")
    if isinstance(number, str) and number.upper().removeprefix("AS").isdecimal():
        number = int(number.upper().removeprefix("AS"))
    return number if isinstance(number, int) and 0 < number < 2**32 else None


# --- layouts ---------------------------------------------------------------------------------------


def _nested_fields(record: dict[str, Any]) -> _Fields:
    location = _part(record, "location")
    subdivisions = record.get("subdivisions")
    last = subdivisions[-1] if isinstance(subdivisions, list) and subdivisions else None
    return (
        _part(record, "country").get("iso_code"),
        _part(record, "continent").get("code"),
        location.get("latitude"),
        location.get("longitude"),
        _english(record.get("city")),
        _english(last),
        location.get("accuracy_radius"),
    )


def _dbip_flat_fields(record: dict[str, Any]) -> _Fields:
    get = record.get
    return get("country_code"), None, get("latitude"), get("longitude"), get("city"), get("state1"), None


def _ipinfo_fields(record: dict[str, Any]) -> _Fields:
    get = record.get
    return (
        get("country_code", get("country")),
        get("continent_code", get("continent")),
        get("lat", get("latitude")),
        get("lng", get("longitude")),
        get("city"),
        get("region"),
        get("radius"),
    )


MAXMIND = Layout("MaxMind", _nested_fields, nested=True)
DBIP_NESTED = Layout("DB-IP", _nested_fields, nested=True)
DBIP_FLAT = Layout("DB-IP", _dbip_flat_fields)
IPINFO = Layout("IPinfo", _ipinfo_fields)


# --- what fields mean ------------------------------------------------------------------------------


_NOTHING = (None, None)


@lru_cache(maxsize=1024)
def _meant(code: str) -> tuple[str | None, str | None]:
    """Returns the country and the continent that a record's country code stands for, of which at most one is
    not None. If the code stands for neither (ZZ, XX, A1 for anonymous proxies, …), the record's own continent
    counts."""
    place = places_by_code().get(code.upper()) if code.isascii() else None
    return _NOTHING if place is None else (country_of(place), continent_in(place))


def _continent(code: Any) -> str | None:
    return code.upper() if isinstance(code, str) and code.upper() in CONTINENTS else None


def _coordinates(latitude: Any, longitude: Any) -> tuple[float, float] | None:
    """Returns coordinates in degrees, from numbers or text. Returns None for malformed ones, and for 0/0,
    which vendors write if they are unknown."""
    try:
        north, east = float(latitude), float(longitude)
    except (TypeError, ValueError, OverflowError):
        return None
    if -90 <= north <= 90 and -180 <= east <= 180 and (north or east):
        return north, east
    return None


def _is_local(city: Any, subdivision: Any, radius_km: Any) -> bool:
    """Returns whether a record's coordinates are those of a city or region. If not, they stand for the
    country."""
    if not (_text(city) or _text(subdivision)):
        return False
    return radius_km is None or (_radius(radius_km) or 0) < COUNTRY_ONLY_RADIUS_KM


def _radius(value: Any) -> int | None:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _part(record: dict[str, Any], key: str) -> dict[str, Any]:
    part = record.get(key)
    return part if isinstance(part, dict) else {}


def _english(named: Any) -> str | None:
    """Returns the name of a nested city or subdivision: in English, or else in any language; None without a
    name."""
    names = named.get("names") if isinstance(named, dict) else None
    if not isinstance(names, dict):
        return None
    return _text(names.get("en")) or next(filter(None, map(_text, names.values())), None)


def _describe_nested(model: City) -> Details:
    return Details(
        country_name=model.country.name,
        city=model.city.name,
        subdivision=model.subdivisions.most_specific.name,
        accuracy_radius_km=model.location.accuracy_radius,
    )

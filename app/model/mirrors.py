"""Mirrors, as people declare them in files."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from math import asin, cos, radians, sin, sqrt

from app.model.values import Protocol, Record

EARTH_RADIUS_KM = 6371.0088


class Coordinates(Record, frozen=True, kw_only=True):
    """A point on the Earth, in degrees; north and east are positive."""

    latitude: float
    longitude: float

    def distance_km(self, other: Coordinates) -> float:
        """Returns the distance in km to another point along the great circle (haversine formula)."""
        north, other_north = radians(self.latitude), radians(other.latitude)
        half_chord = (
            sin((other_north - north) / 2) ** 2
            + cos(north) * cos(other_north) * sin(radians(other.longitude - self.longitude) / 2) ** 2
        )
        return 2 * EARTH_RADIUS_KM * asin(sqrt(min(half_chord, 1.0)))


class Cloud(Record, frozen=True, kw_only=True):
    """The cloud provider that hosts a mirror, and the regions that the mirror serves."""

    #: A name in the table of providers (`app.clouds`).
    provider: str
    #: The public names of the regions that the mirror serves; all regions if this is empty.
    regions: tuple[str, ...] = ()


class Mirror(Record, frozen=True, kw_only=True):
    """A mirror as its file declares it, in its normal form. The e-mail addresses in the file are checked, but
    not kept."""

    name: str
    #: The base URLs for ordinary releases, by protocol. They end in "/".
    addresses: dict[Protocol, str]
    #: The base URLs for the releases of each module, by module and protocol.
    module_addresses: dict[str, dict[Protocol, str]] = {}
    #: The country that the mirror is in, as an ISO 3166-1 alpha-2 code. `countries` and `exclude_countries`
    #: have such codes too.
    country: str | None = None
    state_province: str | None = None
    city: str | None = None
    coordinates: Coordinates | None = None
    asns: tuple[int, ...] = ()
    #: The netblocks that the mirror is for, as canonical prefixes with their host bits cleared.
    subnets: tuple[str, ...] = ()
    private: bool = False
    monopoly: bool = False
    disabled: bool = False
    probe: bool = True
    cloud: Cloud | None = None
    weight: float = 1.0
    countries: tuple[str, ...] = ()
    exclude_countries: tuple[str, ...] = ()
    #: The repos that the mirror carries; all if this is empty. The same holds for `arches` and `versions`.
    repos: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    update_frequency_s: int | None = None
    sponsor: str | None = None
    sponsor_url: str | None = None


class _HasAddresses(typing.Protocol):
    @property
    def addresses(self) -> Mapping[Protocol, str]: ...
    @property
    def module_addresses(self) -> Mapping[str, Mapping[Protocol, str]]: ...


def main_addresses(mirror: _HasAddresses) -> list[tuple[Protocol, str]]:
    """Returns the base URLs that a mirror is known by, each with its protocol: those for ordinary releases
    or, if it has none, as where the config has products, those of all its modules."""
    addresses = [mirror.addresses] if mirror.addresses else mirror.module_addresses.values()
    return [pair for urls in addresses for pair in urls.items()]

"""Mirrors, as people declare them."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

from app.model.values import Protocol, Record

EARTH_RADIUS_KM = 6371.0088


class Coordinates(Record, frozen=True, kw_only=True):
    """Degrees, north and east positive."""

    latitude: float
    longitude: float

    def distance_km(self, other: Coordinates) -> float:
        """The length of the great circle between the two (haversine)."""
        north, other_north = radians(self.latitude), radians(other.latitude)
        half_chord = (
            sin((other_north - north) / 2) ** 2
            + cos(north) * cos(other_north) * sin(radians(other.longitude - self.longitude) / 2) ** 2
        )
        return 2 * EARTH_RADIUS_KM * asin(sqrt(min(half_chord, 1.0)))


class Cloud(Record, frozen=True, kw_only=True):
    """The cloud provider that a mirror is in."""

    #: A name in the table of providers (`app.clouds`).
    provider: str
    #: By their public names. Empty: the mirror serves all regions of the provider.
    regions: tuple[str, ...] = ()


class Mirror(Record, frozen=True, kw_only=True):
    """One mirror file, normalised. E-mail addresses are checked when read, and not kept."""

    name: str
    #: The base URLs for ordinary releases, by their schemes. They end in "/".
    addresses: dict[Protocol, str]
    #: The same for the releases of each optional module.
    module_addresses: dict[str, dict[Protocol, str]] = {}
    #: ISO 3166-1 alpha-2, as are `countries` and `exclude_countries`.
    country: str | None = None
    state_province: str | None = None
    city: str | None = None
    coordinates: Coordinates | None = None
    asns: tuple[int, ...] = ()
    #: Canonical prefixes, with their host bits cleared.
    subnets: tuple[str, ...] = ()
    private: bool = False
    monopoly: bool = False
    disabled: bool = False
    probe: bool = True
    cloud: Cloud | None = None
    weight: float = 1.0
    countries: tuple[str, ...] = ()
    exclude_countries: tuple[str, ...] = ()
    #: Empty: it carries all of them. The same holds for `arches` and `versions`.
    repos: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    update_frequency_s: int | None = None
    sponsor: str | None = None
    sponsor_url: str | None = None

"""Finds out where a mirror is.

The first of these that is known counts: the coordinates in the mirror's file, the city in its file, GeoIP of
its measured address, the centre of its country. The file counts more than GeoIP, because the address of a
mirror behind a CDN is where the CDN is.
"""

from __future__ import annotations

from app.geo.database import AsnDatabase, CityDatabase
from app.geo.vendors import GeoipLocation
from app.model import Coordinates, Mirror, MirrorState
from app.model.countries import countries
from app.snapshot.compile import MirrorLocation
from app.sources.gazetteer import Gazetteer


class Locator:
    """Locates mirrors. `cities` and `asns` are None if there is no such database."""

    def __init__(self, gazetteer: Gazetteer, cities: CityDatabase | None, asns: AsnDatabase | None) -> None:
        self._gazetteer = gazetteer
        self._cities = cities
        self._asns = asns

    def locate(self, mirror: Mirror, state: MirrorState | None) -> MirrorLocation:
        """Returns the location of a mirror, and the ASNs of its measured addresses."""
        addresses = state.addresses if state else ()
        coordinates, by = self._declared(mirror)
        found = None
        if coordinates is None and self._cities is not None:
            coordinates, by, found = self._measured(self._cities, mirror, addresses)
        known = countries().get(mirror.country or "")
        if coordinates is None and known is not None:
            coordinates, by = known.centre, f"the centre of {mirror.country}"
        asns = (self._asns.asn(address) for address in addresses) if self._asns else ()
        return MirrorLocation(
            coordinates=coordinates,
            country=mirror.country or (found.country if found else None),
            continent=found.continent if found else None,
            by=by,
            asns=tuple(sorted({asn for asn in asns if asn is not None})),
        )

    def _declared(self, mirror: Mirror) -> tuple[Coordinates | None, str | None]:
        if mirror.coordinates is not None:
            return mirror.coordinates, "the coordinates in its file"
        if mirror.country is None or mirror.city is None:
            return None, None
        found = self._gazetteer.find(mirror.country, mirror.state_province, mirror.city)
        return found, "the city in its file" if found else None

    @staticmethod
    def _measured(
        cities: CityDatabase, mirror: Mirror, addresses: tuple[str, ...]
    ) -> tuple[Coordinates | None, str | None, GeoipLocation | None]:
        """Returns the coordinates that GeoIP has for the mirror, their source in words, and GeoIP's record.
        All are None if GeoIP does not know the location well, or it is not in the country that the mirror's
        file names."""
        for address in addresses:
            found = cities.locate(address)
            if not found.precise or found.latitude is None or found.longitude is None:
                continue
            if mirror.country in (None, found.country):
                where = Coordinates(latitude=found.latitude, longitude=found.longitude)
                return where, f"GeoIP of {address}", found
        return None, None, None

"""Tells people what is known of a client: its address, what GeoIP says of it, its network, its class.

`/whoami` shows only this, and an explanation begins with it. Nothing is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from app.geo.database import AsnDatabase, CityDatabase
from app.geo.networks import NetworkLookup
from app.geo.place_lookup import PlaceLookup
from app.geo.vendors import NOWHERE, Details, GeoipLocation
from app.model import ClientClass, Record, about
from app.model.countries import continent_of
from app.model.network import CloudRegion, parse_network
from app.model.place import Place, Precision, continent_in, country_of, precision
from app.model.words import printable
from app.request.address import ClientAddress
from app.request.clients import Whereabouts, shown, whereabouts


class Ignored(Record, frozen=True, kw_only=True):
    """Something in the request that was not believed, and why."""

    value: str
    why: str


class GeoipDatabase(Record, frozen=True, kw_only=True):
    """The GeoIP database that the client's place comes from."""

    vendor: Annotated[str | None, about("Null where the service does not have the vendor's files.")]
    built: Annotated[datetime, about("When the oldest of its files was built.")]


class ClientCloud(Record, frozen=True, kw_only=True):
    """The cloud that the client is in."""

    provider: str
    region: str | None
    border_group: str | None
    prefix: Annotated[str | None, about("The widest around the client that is all in this region.")]


class ClientFacts(Record, frozen=True, kw_only=True):
    """All that is known of the client."""

    address: str
    found: Annotated[str, about("Where the address was found.")]
    ignored: tuple[Ignored, ...]
    family: str
    database: GeoipDatabase | None
    country: str | None
    country_name: str | None
    continent: str | None
    subdivision: str | None
    city: str | None
    latitude: float | None
    longitude: float | None
    accuracy_radius_km: int | None
    place: str
    geofeed: Annotated[str | None, about("The row that the place comes from, if any.")]
    precision: Annotated[Precision, about("What the place is.")]
    network: Annotated[str, about("As far as it may be shown.")]
    asn: int | None
    cloud: ClientCloud | None
    spread: Annotated[int, about("0 to 31; it shares clients among near mirrors.")]
    class_: Annotated[str, about("All that the answer depends on.")] = msgspec.field(name="class")
    note: Annotated[str | None, about("Says when the class does not follow from the address.")] = None


@dataclass(frozen=True)
class Databases:
    """The databases in which addresses are looked up; each is None where there is no such database. The last
    two are the vendors' own, which know more words."""

    places: PlaceLookup | None = None
    networks: NetworkLookup | None = None
    cities: CityDatabase | None = None
    asns: AsnDatabase | None = None


def client_facts(address: ClientAddress, client: ClientClass, databases: Databases) -> ClientFacts:
    """Collects what is known of a client. The class `client` may differ from what the databases give for the
    address, because a proxy in front may have computed it."""
    networks = databases.networks
    here = whereabouts(address.ip, databases.places, networks)
    location, details = _described(address.ip, here.place, databases.cities)
    seen = shown(client)
    network = parse_network(seen.network)
    return ClientFacts(
        address=address.ip,
        found=address.source,
        ignored=tuple(Ignored(value=printable(value), why=printable(why)) for value, why in address.ignored),
        family=f"IPv{client.family}",
        database=_database(databases),
        country=location.country,
        country_name=details.country_name,
        continent=location.continent,
        subdivision=location.subdivision,
        city=location.city,
        latitude=location.latitude if location.precise else None,
        longitude=location.longitude if location.precise else None,
        accuracy_radius_km=details.accuracy_radius_km,
        place=client.place,
        geofeed=here.geofeed if here.place == client.place else None,
        precision=precision(client.place),
        network=seen.network,
        # Without a database for it, only an ASN that a mirror is in is known.
        asn=databases.asns.asn(address.ip) if databases.asns else network.asn,
        cloud=_cloud(network.cloud, address.ip, networks),
        spread=client.spread,
        class_=str(seen),
        note=_note(client, here),
    )


def _described(ip: str, place: Place, cities: CityDatabase | None) -> tuple[GeoipLocation, Details]:
    """Returns what the vendor's database says of an address. If it says another place, because it is of
    another build or was corrected, then only what follows from the place counts."""
    if cities is not None:
        location = cities.locate(ip)
        if location.place == place:
            return location, cities.describe(ip)
    country = country_of(place)
    continent = continent_in(place) or (continent_of(country) if country else None)
    return NOWHERE._replace(country=country, continent=continent), Details()


def _database(databases: Databases) -> GeoipDatabase | None:
    if databases.places is None:
        return None
    built = datetime.fromtimestamp(databases.places.build_epoch, UTC)
    return GeoipDatabase(vendor=databases.cities.vendor if databases.cities else None, built=built)


def _cloud(region: CloudRegion | None, ip: str, networks: NetworkLookup | None) -> ClientCloud | None:
    if region is None:
        return None
    return ClientCloud(**region._asdict(), prefix=networks.cloud_prefix(ip) if networks else None)


def _note(client: ClientClass, here: Whereabouts) -> str | None:
    if (here.place, here.network) == (client.place, client.network):
        return None
    by_address = msgspec.structs.replace(client, place=here.place, network=here.network)
    return (
        "the proxy in front gave this class; from the address and the databases here it would be "
        f"{shown(by_address)}"
    )

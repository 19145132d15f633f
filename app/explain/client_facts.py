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
from app.geo.vendors import NOWHERE, Details
from app.model import ClientClass, Record, about
from app.model.network import CloudRegion, parse_network
from app.model.place import UNKNOWN_PLACE, Precision, precision
from app.model.words import printable
from app.request.address import ClientAddress
from app.request.clients import shown


class Ignored(Record, frozen=True, kw_only=True):
    """Something in the request that was not believed, and why."""

    value: str
    why: str


class GeoipDatabase(Record, frozen=True, kw_only=True):
    """The GeoIP database that the client's place comes from."""

    vendor: str
    built: Annotated[tuple[datetime, ...], about("When its files were built, oldest first.")]


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
    precision: Annotated[Precision, about("What the place is.")]
    network: Annotated[str, about("As far as it may be shown.")]
    asn: int | None
    cloud: ClientCloud | None
    spread: Annotated[int, about("0 to 31; it shares clients among near mirrors.")]
    class_: Annotated[str, about("All that the answer depends on.")] = msgspec.field(name="class")
    note: Annotated[str | None, about("Says when the class does not follow from the address.")] = None


@dataclass(frozen=True)
class Databases:
    """The databases in which addresses are looked up; each is None where there is no such database."""

    cities: CityDatabase | None = None
    networks: NetworkLookup | None = None
    asns: AsnDatabase | None = None


def client_facts(address: ClientAddress, client: ClientClass, databases: Databases) -> ClientFacts:
    """Collects what is known of a client. The class `client` may differ from what the databases give for the
    address, because a proxy in front may have computed it."""
    cities, networks = databases.cities, databases.networks
    location = cities.locate(address.ip) if cities else NOWHERE
    details = cities.describe(address.ip) if cities else Details()
    seen = shown(client)
    network = parse_network(seen.network)
    return ClientFacts(
        address=address.ip,
        found=address.source,
        ignored=tuple(Ignored(value=printable(value), why=printable(why)) for value, why in address.ignored),
        family=f"IPv{client.family}",
        database=_database(cities),
        country=location.country,
        country_name=details.country_name,
        continent=location.continent,
        subdivision=location.subdivision,
        city=location.city,
        latitude=location.latitude if location.precise else None,
        longitude=location.longitude if location.precise else None,
        accuracy_radius_km=details.accuracy_radius_km,
        place=client.place,
        precision=precision(client.place),
        network=seen.network,
        # Without a database for it, only an ASN that a mirror is in is known.
        asn=databases.asns.asn(address.ip) if databases.asns else network.asn,
        cloud=_cloud(network.cloud, address.ip, networks),
        spread=client.spread,
        class_=str(seen),
        note=_note(address, client, cities, networks),
    )


def _database(cities: CityDatabase | None) -> GeoipDatabase | None:
    if cities is None:
        return None
    built = tuple(datetime.fromtimestamp(epoch, UTC) for epoch in sorted(set(cities.build_epochs)))
    return GeoipDatabase(vendor=cities.vendor, built=built)


def _cloud(region: CloudRegion | None, ip: str, networks: NetworkLookup | None) -> ClientCloud | None:
    if region is None:
        return None
    return ClientCloud(**region._asdict(), prefix=networks.cloud_prefix(ip) if networks else None)


def _note(
    address: ClientAddress, client: ClientClass, cities: CityDatabase | None, networks: NetworkLookup | None
) -> str | None:
    place = cities.place(address.ip) if cities else UNKNOWN_PLACE
    network = (networks.overlay_name(address.ip) if networks else None) or ""
    if (place, network) == (client.place, client.network):
        return None
    here = msgspec.structs.replace(client, place=place, network=network)
    return (
        "the proxy in front gave this class; from the address and the databases here it would be "
        f"{shown(here)}"
    )

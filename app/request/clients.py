"""Finds the client that a request is answered for: its address and its class.

The class follows from the address by the places database and the networks database, which the worker
compiled: one lookup in each. nginx looks up the same. A trusted proxy may have
looked up the class already: nginx caches answers by class and sends the class in `X-Client-Class`. Such a
request is answered for exactly this class, so that an answer always fits the key under which nginx keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from app.geo.networks import NOTHING_FOUND, NetworkLookup
from app.geo.place_lookup import PlaceLookup
from app.model import ClientClass
from app.model.clients import parse_class
from app.model.network import without_netblocks
from app.model.place import UNKNOWN_PLACE, Place
from app.request.address import (
    ClientAddress,
    TrustedProxies,
    client_address,
    family,
    parse_address,
    spread,
)
from app.request.parameters import BadValueError

CLASS_HEADER = "HTTP_X_CLIENT_CLASS"
RECORDED_HEADER = "HTTP_X_REQUEST_RECORDED"
"""nginx sends this header with every request, because it logs them all itself."""


class Client(NamedTuple):
    """The client that a request is answered for: its address, and its class in `of`."""

    address: ClientAddress
    of: ClientClass


class Clients:
    """Finds the clients of requests. `trusted` are the proxies whose headers are believed."""

    def __init__(self, trusted: TrustedProxies) -> None:
        self._trusted = trusted

    def caller(
        self, environ: Mapping[str, str], places: PlaceLookup | None, networks: NetworkLookup | None
    ) -> Client:
        """Returns the client that sent a request. Its class is the one that a trusted proxy sent, if any, or
        else follows from its address."""
        peer = environ.get("REMOTE_ADDR", "")
        address = client_address(peer, environ.get("HTTP_X_FORWARDED_FOR"), self._trusted)
        told = environ.get(CLASS_HEADER)
        if told and self._trusted.believes(peer):
            known = parse_class(told)
            if known is not None:
                return Client(address, known)
        return Client(address, classify(address, places, networks, private=True))

    def are_trusted(self, environ: Mapping[str, str]) -> bool:
        """Returns whether the client that sent a request is itself in a trusted network, as far as all that
        stands between is believed."""
        peer = environ.get("REMOTE_ADDR", "")
        address = client_address(peer, environ.get("HTTP_X_FORWARDED_FOR"), self._trusted)
        return not address.ignored and address.packed in self._trusted

    def family(self, environ: Mapping[str, str]) -> int:
        """Returns the IP version of the client that sent a request, 4 or 6."""
        peer = environ.get("REMOTE_ADDR", "")
        return family(client_address(peer, environ.get("HTTP_X_FORWARDED_FOR"), self._trusted).packed)

    def was_recorded(self, environ: Mapping[str, str]) -> bool:
        """Returns whether a trusted proxy says that it has a record of this request."""
        return RECORDED_HEADER in environ and self._trusted.believes(environ.get("REMOTE_ADDR", ""))

    def came_by_https(self, environ: Mapping[str, str]) -> bool:
        """Returns whether the client used https, either to this server or to any proxy before it. The word of
        proxies counts only if the last one is trusted."""
        if environ.get("wsgi.url_scheme") == "https":
            return True
        claims = environ.get("HTTP_X_FORWARDED_PROTO", "").lower().split(",")
        return "https" in map(str.strip, claims) and self._trusted.believes(environ.get("REMOTE_ADDR", ""))


def somebody(text: str, places: PlaceLookup | None, networks: NetworkLookup | None) -> Client:
    """Returns the client that a request names by `ip=`. Raises BadValueError if `text` is no address."""
    address = parse_address(text.strip())
    if address is None:
        raise BadValueError("ip", text, "use an IPv4 or IPv6 address")
    found = ClientAddress(address.text, address.packed, "ip=")
    return Client(found, classify(found, places, networks, private=False))


class Whereabouts(NamedTuple):
    """What the databases say of an address: its place and network, and the row of a geofeed that the place
    comes from; None if the place is the GeoIP database's."""

    place: Place
    network: str
    geofeed: str | None


def whereabouts(ip: str, places: PlaceLookup | None, networks: NetworkLookup | None) -> Whereabouts:
    """Looks an address up. What a geofeed says of its place counts before the places database. Without a
    database, the place is unknown or the network empty."""
    overlay, place, geofeed = networks.find(ip) if networks else NOTHING_FOUND
    if place is None:
        place = places.place(ip) if places else UNKNOWN_PLACE
    return Whereabouts(place, overlay or "", geofeed)


def classify(
    address: ClientAddress, places: PlaceLookup | None, networks: NetworkLookup | None, private: bool
) -> ClientClass:
    """Returns the class of the client with an address. `private` says that the client itself asks, so that
    the private mirrors of its networks count."""
    place, network, _ = whereabouts(address.ip, places, networks)
    return ClientClass(
        place=place,
        network=network,
        spread=spread(address.packed),
        family=family(address.packed),
        private=private,
    )


def shown(client: ClientClass) -> ClientClass:
    """Returns the class as the client may see it. A client that asks about another address (`ip=`) is not
    told that this address is in a netblock which a mirror declares."""
    if client.private:
        return client
    return msgspec.structs.replace(client, network=without_netblocks(client.network))

"""From a request to the client it is answered for: address, then class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.client_address import (
    ClientAddress,
    TrustedProxies,
    client_address,
    family,
    parse_address,
    spread,
)
from app.geo.database import CityDatabase
from app.geo.networks import NetworkLookup
from app.model import ClientClass
from app.parameters import BadValueError


class Client(NamedTuple):
    address: ClientAddress
    of: ClientClass


def caller(environ: Mapping[str, str], trusted: TrustedProxies) -> ClientAddress:
    """Who sent this request."""
    return client_address(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR"), trusted)


def somebody(text: str) -> ClientAddress:
    """The address given by `ip=`. Raises BadValueError."""
    address = parse_address(text.strip())
    if address is None:
        raise BadValueError("ip", text, "use an IPv4 or IPv6 address")
    return ClientAddress(address.text, address.packed, "ip=")


def classify(
    address: ClientAddress, cities: CityDatabase | None, networks: NetworkLookup | None, private: bool
) -> ClientClass:
    """`private`: the address is the caller's own, so that its networks' private mirrors count."""
    return ClientClass(
        place=cities.place(address.ip) if cities else "",
        network=(networks.overlay_name(address.ip) if networks else None) or "",
        spread=spread(address.packed),
        family=family(address.packed),
        private=private,
    )

"""Reads the netblocks that a mirror declares, and limits them.

A mirror is sent all clients of the netblocks that it declares, so neither a mistake nor a hostile pull
request must be able to take a large part of the Internet. One prefix may be as wide as that of a large
network operator, and all prefixes of a mirror together four times that. Networks that the Internet does
not route (private, loopback, documentation, …) may be declared at any width.

IPv6 prefixes must be ordinary unicast ones. That also keeps out the ranges that stand for IPv4 (::/96,
::ffff:0:0/96, 6to4, Teredo, NAT64): in a MaxMind database they are the IPv4 tree itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from app.model.words import quoted
from app.sources.fields import Fields
from app.sources.yaml_file import Scalar

WIDEST_IPV4 = 12
WIDEST_IPV6 = 28
WIDEST_TOGETHER = 4
MAX_SUBNETS = 500

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOCAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "2001:db8::/32",
        "3fff::/20",
        "fc00::/7",
        "fe80::/10",
    )
)
_UNICAST_IPV6 = ipaddress.IPv6Network("2000::/3")
_NOT_CLIENTS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(prefix) for prefix in ("0.0.0.0/8", "224.0.0.0/3", "2001::/32", "2002::/16")
)


def read_subnets(fields: Fields, key: str = "subnets") -> tuple[str, ...]:
    """Reads the prefixes in their canonical form, in order, without repetitions."""
    scalars = fields.scalars(key)
    if len(scalars) == 1 and "://" in scalars[0].text:
        fields.warning(key, "a list that stands at a URL is not fetched; write the netblocks out")
        return ()
    if len(scalars) > MAX_SUBNETS:
        fields.fault(key, f"there are {len(scalars)} netblocks, and {MAX_SUBNETS} are allowed")
        return ()
    networks = dict.fromkeys(network for scalar in scalars if (network := _network(fields, key, scalar)))
    _check_sum(fields, key, list(networks))
    return tuple(map(str, networks))


def _network(fields: Fields, key: str, scalar: Scalar) -> Network | None:
    where = f"{fields.prefix}{key}: {quoted(scalar.text)}"
    try:
        network = ipaddress.ip_network(scalar.text, strict=False)
    except ValueError:
        fields.report.fault(scalar.line, f"{where} is not a netblock such as 192.0.2.0/24")
        return None
    problem = _refusal(network)
    if problem:
        fields.report.fault(scalar.line, f"{where} {problem}")
        return None
    if ipaddress.ip_interface(scalar.text).ip != network.network_address:
        message = f"{where} has bits set after its prefix length; read as {network}"
        fields.report.warning(scalar.line, message)
    return network


def _refusal(network: Network) -> str | None:
    """Says why a netblock may not be declared, as the end of a sentence; None if it may be."""
    if is_local(network):
        return None
    widest = WIDEST_IPV4 if network.version == 4 else WIDEST_IPV6
    if network.prefixlen < widest:
        return f"is too large; the largest allowed for IPv{network.version} is a /{widest}"
    if any(network.version == other.version and network.overlaps(other) for other in _NOT_CLIENTS):
        return "is a range that no client has an address in"
    if isinstance(network, ipaddress.IPv6Network) and not network.subnet_of(_UNICAST_IPV6):
        return "is not a range of public IPv6 addresses (write IPv4 netblocks as IPv4)"
    return None


def is_local(network: Network) -> bool:
    """Returns whether a network is one that the Internet does not route, such as a private one."""
    return any(_inside(network, local) for local in _LOCAL)


def _inside(network: Network, outer: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and network.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and network.subnet_of(outer)


def _check_sum(fields: Fields, key: str, networks: Sequence[Network]) -> None:
    for version, widest, bits in ((4, WIDEST_IPV4, 32), (6, WIDEST_IPV6, 128)):
        public = [network for network in networks if network.version == version and not is_local(network)]
        if sum(network.num_addresses for network in public) > WIDEST_TOGETHER << (bits - widest):
            allowed = f"{WIDEST_TOGETHER} netblocks of /{widest}"
            fields.fault(key, f"the IPv{version} netblocks together are larger than {allowed}")

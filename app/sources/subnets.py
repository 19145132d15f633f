"""Reads the netblocks that a mirror declares, and limits them.

A mirror is sent all clients of the netblocks that it declares, so neither a mistake nor a hostile pull
request must be able to take a large part of the Internet. One prefix may be as wide as that of a large
network operator, and all prefixes of a mirror together four times that. Networks that the Internet does
not route (private, loopback, documentation, …) may be declared at any width.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from app.model.prefixes import WIDTHS, Prefix
from app.model.reserved import DOCUMENTATION, LOCAL, NOT_CLIENTS, is_inside, touches
from app.model.words import quoted
from app.sources.fields import Fields
from app.sources.yaml_file import Scalar

WIDEST = {4: 12, 6: 28}
"""The length of the widest prefix that a mirror may declare, by IP version."""
WIDEST_TOGETHER = 4
GREATEST_REACH = {version: WIDEST_TOGETHER << (WIDTHS[version] - WIDEST[version]) for version in WIDTHS}
"""The largest number of addresses that a mirror may claim, by IP version."""
MAX_SUBNETS = 500

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_subnets(fields: Fields, key: str = "subnets") -> tuple[str, ...]:
    """Reads the netblocks that a key lists. Returns them as canonical prefixes, in the file's order, without
    repetitions."""
    scalars = fields.scalars(key, MAX_SUBNETS, "netblocks")
    if len(scalars) == 1 and "://" in scalars[0].text:
        fields.warning(key, "a list that stands at a URL is not fetched; write the netblocks out")
        return ()
    networks = dict.fromkeys(network for scalar in scalars if (network := _network(fields, key, scalar)))
    _check_sum(fields, key, [_prefix(network) for network in networks])
    return tuple(map(str, networks))


def _network(fields: Fields, key: str, scalar: Scalar) -> _Network | None:
    where = f"{fields.prefix}{key}: {quoted(scalar.text)}"
    try:
        network = ipaddress.ip_network(scalar.text, strict=False)
    except ValueError:
        fields.report.fault(scalar.line, f"{where} is not a netblock such as 192.0.2.0/24")
        return None
    problem = _refusal(_prefix(network))
    if problem:
        fields.report.fault(scalar.line, f"{where} {problem}")
        return None
    if ipaddress.ip_interface(scalar.text).ip != network.network_address:
        message = f"{where} has bits set after its prefix length; read as {network}"
        fields.report.warning(scalar.line, message)
    return network


def _prefix(network: _Network) -> Prefix:
    """Returns a netblock as a `Prefix`. An IPv4-mapped one stays IPv6, unlike in `parse_prefix`, so that it
    is refused."""
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def _refusal(prefix: Prefix) -> str | None:
    """Says why a netblock may not be declared, as the end of a sentence; None if it may be."""
    if _is_unrouted(prefix):
        return None
    if prefix.length < WIDEST[prefix.version]:
        return f"is too large; the largest allowed for IPv{prefix.version} is a /{WIDEST[prefix.version]}"
    if touches(prefix, NOT_CLIENTS):
        hint = " (write IPv4 netblocks as IPv4)" if prefix.version == 6 else ""
        return f"is a range that no client has a public IPv{prefix.version} address in{hint}"
    return None


def _is_unrouted(prefix: Prefix) -> bool:
    """Returns whether a netblock is one that the Internet does not route, such as a private one."""
    return is_inside(prefix, (*LOCAL, *DOCUMENTATION))


def _check_sum(fields: Fields, key: str, prefixes: Sequence[Prefix]) -> None:
    public = [prefix for prefix in prefixes if not _is_unrouted(prefix)]
    for version, greatest in GREATEST_REACH.items():
        if sum(prefix.size for prefix in public if prefix.version == version) > greatest:
            allowed = f"{WIDEST_TOGETHER} netblocks of /{WIDEST[version]}"
            fields.fault(key, f"the IPv{version} netblocks together are larger than {allowed}")

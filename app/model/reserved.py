"""Address ranges that are not for the public Internet.

The ranges come from https://www.iana.org/assignments/iana-ipv4-special-registry/ and IANA's registry for
IPv6.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.model.prefixes import Prefix, parse_prefix


def _prefixes(*texts: str) -> tuple[Prefix, ...]:
    return tuple(map(parse_prefix, texts))


DOCUMENTATION = _prefixes("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
"""The ranges for examples, such as the sample network. No client has an address in them."""

LOCAL = _prefixes(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
"""The ranges for local and private networks. Only a service inside such a network meets clients with these
addresses."""

NOT_CLIENTS = _prefixes("0.0.0.0/8", "224.0.0.0/3", "::/3", "2001::/32", "2002::/16", "4000::/2", "8000::/1")
"""The ranges in which no client has an address. Some of the IPv6 ranges stand for IPv4 (::/96, ::ffff:0:0/96,
6to4, Teredo, NAT64): in a MaxMind database they are the IPv4 tree itself."""


def is_inside(prefix: Prefix, ranges: Iterable[Prefix]) -> bool:
    """Returns whether all of a prefix is in one of the ranges."""
    return any(outer.contains(prefix) for outer in ranges)


def touches(prefix: Prefix, ranges: Iterable[Prefix]) -> bool:
    """Returns whether any address of a prefix is in one of the ranges."""
    return any(other.contains(prefix) or prefix.contains(other) for other in ranges)

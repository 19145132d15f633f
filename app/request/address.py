"""Who is asking: the address of the client, also behind proxies, and what follows from it alone.

The socket's peer is believed; X-Forwarded-For is believed only as far as trusted proxies wrote it.
Each proxy appends the address that it saw, so we walk from the right: past addresses that are
themselves trusted proxies, to the first that is not. What stands left of that, anyone could have
written. Anything that is no address ends the walk at the last good one.

An entry is an IPv4 or IPv6 address, as some proxies write it also with a port (`192.0.2.1:1234`,
`[2001:db8::1]:443`) or in brackets. Quotes, zone identifiers, names and `unknown` are no addresses.
Blanks around entries, and empty entries, mean nothing, as in every HTTP list. A peer may have a zone
(`fe80::1%eth0`, from the kernel), which is dropped. At most `MAX_ENTRIES` are looked at.

Addresses are in their canonical text (RFC 5952); an IPv4-mapped IPv6 address is the IPv4 one. All of
this is on every request's path: `inet_pton` reads an address in a tenth of what `ipaddress` takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

MAX_ENTRIES = 32
MAX_KNOWN_PEERS = 256
MAX_ENTRY_CHARS = 60  # the longest address has 45, brackets and port 8 more
NOBODY = "0.0.0.0"

_MAPPED = bytes(10) + b"\xff\xff"
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([^\[\]]+)\](?::[0-9]{1,5})?", re.ASCII)


class Address(NamedTuple):
    """`packed`: 4 or 16 bytes, network order."""

    text: str
    packed: bytes


class ClientAddress(NamedTuple):
    """`source` says for people where it was found, `ignored` what was not believed: (text, why).
    Texts of clients are cut to `MAX_ENTRY_CHARS` but not escaped."""

    ip: str
    packed: bytes
    source: str
    ignored: tuple[tuple[str, str], ...] = ()


class TrustedProxies:
    """Whose headers are believed: X-Forwarded-For, X-Forwarded-Proto, X-Client-Class. As quick for a
    CDN's hundred networks as for one: a look into a set for every prefix length that occurs."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        sets: dict[int, dict[int, set[int]]] = {4: {}, 16: {}}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            prefixes = sets[network.max_prefixlen // 8].setdefault(shift, set())
            prefixes.add(int(network.network_address) >> shift)
        self._prefixes = {size: tuple(by_shift.items()) for size, by_shift in sets.items()}
        self._known_peers = {""}  # trusted ones, as text; a unix socket's always is

    def believes(self, peer: str) -> bool:
        """Whether the socket's peer is trusted. The few there are, are remembered."""
        if peer in self._known_peers:
            return True
        address = _parse_peer(peer)
        if address is None or address.packed not in self:
            return False
        if len(self._known_peers) < MAX_KNOWN_PEERS:
            self._known_peers.add(peer)
        return True

    def __contains__(self, packed: bytes) -> bool:
        number = int.from_bytes(packed)
        for shift, prefixes in self._prefixes[len(packed)]:  # noqa: SIM110 - any() takes twice as long
            if number >> shift in prefixes:
                return True
        return False


def parse_address(text: str) -> Address | None:
    """A bare address, no blanks, port or zone; None if it is not one."""
    try:
        if ":" not in text:
            return Address(text, inet_pton(AF_INET, text))  # takes only the canonical form
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return None
    if packed.startswith(_MAPPED):
        return Address(inet_ntop(AF_INET, packed[12:]), packed[12:])
    if packed.startswith(bytes(12)):  # here the C library writes dotted quads
        return Address(str(IPv6Address(packed)), packed)
    return Address(inet_ntop(AF_INET6, packed), packed)


def client_address(peer: str, forwarded_for: str | None, trusted: TrustedProxies) -> ClientAddress:
    """The client's address from the socket's peer ("" for a unix socket, which is always trusted)
    and X-Forwarded-For (several header lines joined by commas). Never raises. `NOBODY` when there
    is none: a unix socket's client without a usable header."""
    if not forwarded_for:
        return _peer_address(peer)
    if not trusted.believes(peer):
        claim = (forwarded_for[:MAX_ENTRY_CHARS], f"{peer[:MAX_ENTRY_CHARS]} is not a trusted proxy")
        found = _peer_address(peer)
        return found._replace(ignored=(*found.ignored, claim))
    if "," not in forwarded_for:  # the usual case, only quicker than the walk
        address = parse_address(forwarded_for)
        if address is not None:
            return ClientAddress(address[0], address[1], "X-Forwarded-For entry 1")
    return _walk(_peer_address(peer), forwarded_for, trusted)


def _peer_address(peer: str) -> ClientAddress:
    address = _parse_peer(peer)
    if address is not None:
        return ClientAddress(address[0], address[1], "socket")
    if peer == "":
        return ClientAddress(NOBODY, bytes(4), "unix socket")
    return ClientAddress(NOBODY, bytes(4), "socket", ((peer[:MAX_ENTRY_CHARS], "is no address"),))


def _parse_peer(peer: str) -> Address | None:
    """Without its zone; None for a unix socket's."""
    return parse_address(peer.partition("%")[0])


def _walk(found: ClientAddress, forwarded_for: str, trusted: TrustedProxies) -> ClientAddress:
    """From the right, to the first address that is not trusted."""
    entries = forwarded_for.rsplit(",", MAX_ENTRIES)
    position = len(entries) if len(entries) <= MAX_ENTRIES else forwarded_for.count(",") + 1
    while entries:
        entry = entries.pop().strip(" \t")
        if entry:
            address = _parse_entry(entry)
            if address is None:
                return found._replace(ignored=((entry[:MAX_ENTRY_CHARS], "is no address"),))
            found = ClientAddress(*address, f"X-Forwarded-For entry {position}")
            if address.packed not in trusted:
                break
        position -= 1
    if entries:
        rest = ",".join(entries).strip(" \t")[:MAX_ENTRY_CHARS]
        return found._replace(ignored=((rest, "left of the client's address anyone can write"),))
    return found


def _parse_entry(entry: str) -> Address | None:
    if len(entry) > MAX_ENTRY_CHARS:
        return None
    address = parse_address(entry)
    if address is None:
        match = _WITH_PORT.fullmatch(entry)
        if match is not None:
            address = parse_address(match[1] or match[2])
    return address


def spread(packed: bytes) -> int:
    """0 to 31, the client's share of the load: the low bits of the third byte of an IPv4 address, of
    the sixth of an IPv6 one, so all of a /24 or a /48 have the same. nginx computes the same."""
    return packed[2 if len(packed) == 4 else 5] & 31


def family(packed: bytes) -> int:
    """4 or 6."""
    return 4 if len(packed) == 4 else 6

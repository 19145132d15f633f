"""Finds the address of the client, also behind proxies, and what follows from the address alone.

The address of the socket's peer is believed. X-Forwarded-For is believed only as far as trusted proxies wrote
it. Each proxy appends the address that it saw. So the search goes from right to left, past addresses of
trusted proxies, to the first address that is not one of theirs. Anyone could have written what is left of
that address. An entry that is no address ends the search at the last good address.

An entry is an IPv4 or IPv6 address. Some proxies add a port or brackets (`192.0.2.1:1234`,
`[2001:db8::1]:443`). Quotes, zone identifiers, names and `unknown` are no addresses. Blanks around entries,
and empty entries, mean nothing, as in every HTTP list. A peer may have a zone (`fe80::1%eth0`, from the
kernel), which is dropped. At most `MAX_ENTRIES` entries are looked at.

Addresses are in their canonical text (RFC 5952); an IPv4-mapped IPv6 address becomes the IPv4 one. Every
request comes through here, so speed counts: `inet_pton` is ten times as fast as `ipaddress`.
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
    """An IP address, as canonical text and packed into bytes."""

    text: str
    #: 4 or 16 bytes in network order.
    packed: bytes


class ClientAddress(NamedTuple):
    """The address of a client. `source` says in words where the address was found, and `ignored` lists what
    was not believed, as (text, why). Texts that clients sent are cut to `MAX_ENTRY_CHARS` but not escaped."""

    ip: str
    packed: bytes
    source: str
    ignored: tuple[tuple[str, str], ...] = ()


class TrustedProxies:
    """The proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Client-Class are believed. Networks of the
    same prefix length are in one set, so that looking into a hundred is as quick as looking into one."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        sets: dict[int, dict[int, set[int]]] = {4: {}, 16: {}}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            prefixes = sets[network.max_prefixlen // 8].setdefault(shift, set())
            prefixes.add(int(network.network_address) >> shift)
        self._prefixes = {size: tuple(by_shift.items()) for size, by_shift in sets.items()}
        self._known_peers = {""}  # trusted peers, as text; the peer of a unix socket always is one

    def believes(self, peer: str) -> bool:
        """Returns whether the socket's peer is a trusted proxy. Up to `MAX_KNOWN_PEERS` trusted peers are
        remembered, so that most calls are quick."""
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
    """Parses a bare address, without blanks, port or zone. Returns None for any other text."""
    try:
        if ":" not in text:
            return Address(text, inet_pton(AF_INET, text))  # which takes only the canonical form
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return None
    if packed.startswith(_MAPPED):
        return Address(inet_ntop(AF_INET, packed[12:]), packed[12:])
    if packed.startswith(bytes(12)):  # here the C library writes dotted quads
        return Address(str(IPv6Address(packed)), packed)
    return Address(inet_ntop(AF_INET6, packed), packed)


def client_address(peer: str, forwarded_for: str | None, trusted: TrustedProxies) -> ClientAddress:
    """Finds the client's address. `peer` is the socket's peer, "" for a unix socket, which is always trusted;
    in `forwarded_for`, several X-Forwarded-For lines are joined by commas. Never raises. The address is
    `NOBODY` where none is known, as for a client of a unix socket without a usable header."""
    if not forwarded_for:
        return _peer_address(peer)
    if not trusted.believes(peer):
        claim = (forwarded_for[:MAX_ENTRY_CHARS], f"{peer[:MAX_ENTRY_CHARS]} is not a trusted proxy")
        found = _peer_address(peer)
        return found._replace(ignored=(*found.ignored, claim))
    if "," not in forwarded_for:  # the usual case; the walk would find the same, but not as quickly
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
    """Parses the address of a peer, without its zone. Returns None for the peer of a unix socket."""
    return parse_address(peer.partition("%")[0])


def _walk(found: ClientAddress, forwarded_for: str, trusted: TrustedProxies) -> ClientAddress:
    """Goes through the entries of X-Forwarded-For from right to left, to the first address that is not a
    trusted proxy's. `found` is the peer's address, which stands if no entry is an address."""
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
    """Returns the spread value of an address, 0 to 31: the low bits of the third byte of an IPv4 address, or
    of the sixth of an IPv6 one, so that all addresses of a /24 or a /48 have the same value. nginx computes
    the value likewise."""
    return packed[2 if len(packed) == 4 else 5] & 31


def family(packed: bytes) -> int:
    """Returns the IP version of a packed address, 4 or 6."""
    return 4 if len(packed) == 4 else 6

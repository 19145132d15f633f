"""Resolves the names of mirrors, and decides which addresses may be asked.

Mirror URLs come from pull requests, so a name may point anywhere. It is resolved once a round, its
addresses are checked, and connections go to exactly these addresses. So it is of no use to change a name
between the check and the connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from app.model import Family

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""A function from a host name to the texts of its addresses. It raises OSError if there are none."""

SOCKET_FAMILY: dict[Family, socket.AddressFamily] = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

# Addresses at which clouds and hosters serve instance metadata. They are never asked, whatever is allowed.
_METADATA = {
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
}
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_RELAY_6TO4 = ipaddress.ip_network("192.88.99.0/24")


def family_of(address: Address) -> Family:
    return "ipv4" if address.version == 4 else "ipv6"


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to an IPv6 address go to, or None."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or int(address) >> 32 == 0:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def refusal(address: Address, allow_private: bool) -> str | None:
    """Says why an address must not be asked, as the end of a sentence; None if it may be."""
    inner = _embedded(address) if isinstance(address, ipaddress.IPv6Address) else None
    if inner is not None and not (address.is_loopback or address.is_unspecified):
        why = refusal(inner, allow_private)
        return f"{why} (inside {address})" if why else None
    if address in _METADATA:
        return f"{address} is a cloud metadata address"
    if address.is_multicast or address.is_unspecified or address == ipaddress.ip_address("255.255.255.255"):
        return f"{address} is not the address of a host"
    if allow_private:
        return None
    if address.is_loopback:
        return f"{address} is a loopback address"
    if address.is_link_local:
        return f"{address} is a link-local address"
    public = address.is_global and not address.is_reserved
    if isinstance(address, ipaddress.IPv6Address):
        public = public and address in _GLOBAL_IPV6
    if not public or address in _RELAY_6TO4:
        return f"{address} is a private or reserved address"
    return None


@dataclass(frozen=True)
class Resolved:
    """The addresses that a host name resolved to."""

    #: The addresses that may be asked.
    usable: tuple[Address, ...] = ()
    #: For each of the others, its family and why it may not be asked.
    refused: tuple[tuple[Family, str], ...] = ()
    #: What is wrong if there is no usable address at all.
    fault: str | None = None

    def families(self) -> tuple[Family, ...]:
        """The families of the name's addresses, usable or not."""
        found = {family_of(a) for a in self.usable} | {family for family, _ in self.refused}
        return tuple(f for f in SOCKET_FAMILY if f in found)

    def of(self, family: Family) -> tuple[Address, ...]:
        return tuple(a for a in self.usable if family_of(a) == family)

    def refusal_of(self, family: Family) -> str | None:
        return next((why for refused, why in self.refused if refused == family), None)


async def system_lookup(host: str) -> Sequence[str]:
    """The addresses of a host by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Resolver:
    """Resolves each name once, for all mirrors of a round."""

    def __init__(self, lookup: Lookup, timeout_s: float) -> None:
        self._lookup = lookup
        self._timeout_s = timeout_s
        self._tasks: dict[str, asyncio.Task[Sequence[str] | str]] = {}

    async def resolve(self, host: str, allow_private: bool) -> Resolved:
        """The addresses of a host. It never raises: if a name has no addresses, the result says so."""
        texts: Sequence[str] | str
        try:
            texts = [str(ipaddress.ip_address(host))]
        except ValueError:
            if host not in self._tasks:
                self._tasks[host] = asyncio.create_task(self._ask(host))
            texts = await asyncio.shield(self._tasks[host])
        if isinstance(texts, str):
            return Resolved(fault=texts)
        usable: dict[Address, None] = {}
        refused: dict[tuple[Family, str], None] = {}
        for address in (ipaddress.ip_address(text.partition("%")[0]) for text in texts):
            why = refusal(address, allow_private)
            if why is None:
                usable[address] = None
            else:
                refused[family_of(address), why] = None
        fault = None if usable else "; ".join(why for _, why in refused) or f"{host} has no address"
        return Resolved(tuple(usable), tuple(refused), fault)

    def forget(self, host: str) -> None:
        """Forgets a name, so that it is looked up again the next time."""
        self._tasks.pop(host, None)

    async def _ask(self, host: str) -> Sequence[str] | str:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._lookup(host)
        except TimeoutError:
            return f"the name {host} did not resolve within {self._timeout_s:g} s"
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no reason given"
            return f"the name {host} does not resolve ({reason})"


class CheckedAddresses(AbstractResolver):
    """A resolver for aiohttp that knows only the addresses that were checked."""

    def __init__(self) -> None:
        self.checked: dict[str, Resolved] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        wanted: Family = "ipv6" if family == socket.AF_INET6 else "ipv4"
        checked = self.checked.get(host)
        addresses = checked.of(wanted) if checked else ()
        if not addresses:
            raise OSError(f"{host} has no checked {wanted} address")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Does nothing, because there is nothing to close."""


def has_route(family: Family) -> bool:
    """Returns whether this machine has a route to the internet over a family. It sends nothing: connecting a
    UDP socket only looks into the routing table."""
    probe_address = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}[family]
    try:
        with socket.socket(SOCKET_FAMILY[family], socket.SOCK_DGRAM) as sock:
            sock.connect((probe_address, 9))
    except OSError:
        return False
    return True

"""Resolves the names of mirrors, and decides which addresses may be asked.

Mirror URLs come from pull requests, so a host name may point anywhere. Each name is resolved once a round,
its addresses are checked, and connections go to exactly these addresses. So an attacker gains nothing by
changing what a name points to between the check and the connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from app.model import Family

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""A function from a host name to the texts of its addresses. It raises OSError if there are none."""

LOOKUPS_AT_ONCE = 128
ADDRESSES = 16
"""How many addresses of a name are looked at. Further ones are ignored."""

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
    """Returns the IPv4 address to which packets for an IPv6 address go (IPv4-mapped, IPv4-compatible, 6to4,
    Teredo or NAT64), or None if the address stands for no IPv4 address."""
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
    """Returns the reason why an address must not be asked, as the end of a sentence, or None if it may be
    asked. With `allow_private`, private and reserved addresses may be asked, but never cloud metadata
    services and addresses of no host."""
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
    #: For each address that may not be asked, its family and the reason.
    refused: tuple[tuple[Family, str], ...] = ()
    #: What is wrong if there is no usable address at all; otherwise None.
    fault: str | None = None

    def families(self) -> tuple[Family, ...]:
        """Returns the families of the name's addresses, usable or not, IPv4 first."""
        found = {family_of(a) for a in self.usable} | {family for family, _ in self.refused}
        return tuple(f for f in SOCKET_FAMILY if f in found)

    def of(self, family: Family) -> tuple[Address, ...]:
        return tuple(a for a in self.usable if family_of(a) == family)

    def refusal_of(self, family: Family) -> str | None:
        return next((why for refused, why in self.refused if refused == family), None)


async def system_lookup(host: str) -> Sequence[str]:
    """Asks the system's resolver for the addresses of a host. The resolver may take half a minute and cannot
    be told to stop, so each lookup has a thread of its own, which keeps neither other lookups waiting nor the
    process from ending."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look_up() -> None:
        addresses, failure = [], None
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = [str(sockaddr[0]) for *_, sockaddr in answers]
        except Exception as error:
            failure = error
        with suppress(RuntimeError):  # the prober has ended meanwhile
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=look_up, name=f"lookup {host}", daemon=True).start()
    return await found


class Lookups:
    """Looks up host names, at most `at_once` of them at the same time. A name that takes longer than
    `timeout_s` is given up, but counts as one of these until its lookup really ends. The time for which a
    name waits for its turn is not part of `timeout_s`, so slow names do not make other names fail."""

    def __init__(self, lookup: Lookup, timeout_s: float, at_once: int = LOOKUPS_AT_ONCE) -> None:
        self._lookup = lookup
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(at_once)

    async def ask(self, host: str) -> Sequence[str] | str:
        """Returns the addresses of a host, or the reason why there are none, as the end of a sentence."""
        await self._places.acquire()
        asking = asyncio.ensure_future(self._lookup(host))
        asking.add_done_callback(self._release)
        done, _ = await asyncio.wait({asking}, timeout=self._timeout_s)
        if not done:
            return f"the name {host} did not resolve within {self._timeout_s:g} s"
        try:
            return asking.result()[:ADDRESSES]
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no reason given"
            return f"the name {host} does not resolve ({reason})"

    def _release(self, asking: asyncio.Future[Sequence[str]]) -> None:
        self._places.release()
        if not asking.cancelled():
            asking.exception()  # of a name that was given up, no other code looks at it


class Resolver:
    """Resolves each name once, for all mirrors of a round."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._tasks: dict[str, asyncio.Task[Sequence[str] | str]] = {}

    async def resolve(self, host: str, allow_private: bool) -> Resolved:
        """Returns the addresses of a host, given as a name or as an address. Never raises: if there is no
        usable address, the result says why."""
        texts: Sequence[str] | str
        try:
            texts = [str(ipaddress.ip_address(host))]
        except ValueError:
            if host not in self._tasks:
                self._tasks[host] = asyncio.create_task(self._lookups.ask(host))
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
        """Forgets a name, so that the next `resolve` looks it up again."""
        self._tasks.pop(host, None)


class CheckedAddresses(AbstractResolver):
    """A resolver for aiohttp that knows only the addresses in `checked`, which the prober has found to be
    allowed."""

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
    """Returns whether this machine has a route to the internet over an address family. Nothing is sent,
    because connecting a UDP socket only looks into the routing table."""
    probe_address = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}[family]
    try:
        with socket.socket(SOCKET_FAMILY[family], socket.SOCK_DGRAM) as sock:
            sock.connect((probe_address, 9))
    except OSError:
        return False
    return True

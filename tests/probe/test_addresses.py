"""Which addresses the prober may ask, and that it asks no other."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest

from app.probe.addresses import Lookups, Resolver, refusal
from app.probe.fetch import Failure, Fetched, MirrorClient, Network, Request
from app.probe.hosts import Hosts
from tests.probe.fleet import LIMITS, Fleet

REFUSED = {
    "private": "10.1.2.3",
    "carrier-grade NAT": "100.64.0.1",
    "loopback": "127.0.0.1",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "metadata of a public-looking address": "168.63.129.16",
    "documentation": "192.0.2.1",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "unspecified": "0.0.0.0",
    "reserved": "240.0.0.1",
    "IPv6 loopback": "::1",
    "IPv6 unspecified": "::",
    "IPv6 link-local": "fe80::1",
    "IPv6 site-local": "fec0::1",
    "unique local": "fd00::1",
    "IPv6 multicast": "ff0e::1",
    "IPv6 metadata": "fd00:ec2::254",
    "IPv4-mapped": "::ffff:10.0.0.1",
    "IPv4-compatible": "::127.0.0.1",
    "NAT64 of a private address": "64:ff9b::10.0.0.1",
    "NAT64 of a metadata address": "64:ff9b::169.254.169.254",
    "local NAT64": "64:ff9b:1::1",
    "6to4 of a private address": "2002:a00:1::1",
}
ALLOWED = {
    "IPv4": "8.8.8.8",
    "IPv6": "2606:4700::1111",
    "IPv4-mapped": "::ffff:8.8.8.8",
    "NAT64 of a public address": "64:ff9b::8.8.8.8",
}
NEVER = {"metadata", "metadata of a public-looking address", "IPv6 metadata", "NAT64 of a metadata address"}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_addresses_inside_are_refused_by_name(text: str) -> None:
    """Whatever is not a host on the public internet is refused, and the reason names the address."""
    address = ipaddress.ip_address(text)
    why = refusal(address, allow_private=False)
    assert why is not None
    assert str(address) in why


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED)
def test_public_addresses_are_asked(text: str) -> None:
    """Also those that carry a public IPv4 address inside an IPv6 one."""
    assert refusal(ipaddress.ip_address(text), allow_private=False) is None


@pytest.mark.parametrize("kind", ["private", "loopback", "link-local", "unique local", "IPv6 loopback"])
def test_private_addresses_may_be_allowed(kind: str) -> None:
    """For private mirrors, and where the operator says so."""
    assert refusal(ipaddress.ip_address(REFUSED[kind]), allow_private=True) is None


@pytest.mark.parametrize("kind", sorted(NEVER))
def test_metadata_addresses_are_never_asked(kind: str) -> None:
    """No mirror is at an instance metadata service, whatever is allowed otherwise."""
    why = refusal(ipaddress.ip_address(REFUSED[kind]), allow_private=True)
    assert why is not None and "metadata" in why


def fetch(
    fleet: Fleet, resolver: Resolver, *urls: str, allow_private: bool = True
) -> list[Fetched | Failure]:
    async def ask() -> list[Fetched | Failure]:
        network = Network(limits=LIMITS)
        async with MirrorClient(network, resolver, Hosts(None), allow_private, "test") as client:
            return [await client.fetch(Request(url=url, family="ipv4")) for url in urls]

    return asyncio.run(ask())


def test_a_name_that_leads_inside_is_not_asked(fleet: Fleet) -> None:
    """The address counts, not the name: nothing is sent."""
    answer, *_ = fetch(
        fleet,
        Resolver(Lookups(fleet.lookup, 1.0)),
        fleet.http("inside.example.org") + "TIME",
        allow_private=False,
    )
    assert isinstance(answer, Failure)
    assert answer.reason == "127.0.0.1 is a loopback address"
    assert fleet.log == []


def test_connections_go_to_the_address_that_was_checked(fleet: Fleet) -> None:
    """A name that changes its answer after the check (DNS rebinding) is not looked up again."""
    answers = [["127.0.0.1"], ["169.254.169.254"], ["127.1.0.9"]]

    async def lookup(host: str) -> Sequence[str]:
        return answers.pop(0)

    url = fleet.http("rebinding.example.org") + "TIME"
    for answer in fetch(fleet, Resolver(Lookups(lookup, 1.0)), url, url):
        assert isinstance(answer, Fetched) and answer.status == 200
    assert len(answers) == 2


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]"])
def test_odd_spellings_of_an_address_do_not_pass(fleet: Fleet, host: str) -> None:
    """However an address inside is written, nothing is sent to it."""
    network = Network(limits=LIMITS)
    answer, *_ = fetch(
        fleet, Resolver(Lookups(network.lookup, 1.0)), f"http://{host}:{fleet.port}/TIME", allow_private=False
    )
    assert isinstance(answer, Failure)
    assert fleet.log == []

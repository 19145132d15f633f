"""Declared netblocks: what is read, and what nobody may declare."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model import Severity
from app.sources.fields import Fields
from app.sources.report import Report
from app.sources.subnets import MAX_SUBNETS, WIDEST, read_subnets
from app.sources.yaml_file import Mapping, Scalar, Sequence
from tests.sources.samples import LOCATED, read_sample


def read(*prefixes: str) -> tuple[tuple[str, ...], Report]:
    report = Report("some.yml")
    items: list[Mapping | Sequence | Scalar] = [Scalar(1, prefix) for prefix in prefixes]
    fields = Fields(Mapping(1, {"subnets": Sequence(1, items)}), report)
    return read_subnets(fields), report


@pytest.mark.parametrize(
    ("prefix", "canonical"),
    [
        pytest.param("8.8.0.0/16", "8.8.0.0/16", id="IPv4"),
        pytest.param("8.8.8.8", "8.8.8.8/32", id="single IPv4 address"),
        pytest.param("2001:0400:2410::/48", "2001:400:2410::/48", id="IPv6 with leading zeros"),
        pytest.param("2001:4860::8888", "2001:4860::8888/128", id="single IPv6 address"),
        pytest.param(f"8.0.0.0/{WIDEST[4]}", f"8.0.0.0/{WIDEST[4]}", id="widest IPv4"),
        pytest.param(f"2600::/{WIDEST[6]}", f"2600::/{WIDEST[6]}", id="widest IPv6"),
        pytest.param("10.0.0.0/8", "10.0.0.0/8", id="private, at any width"),
        pytest.param("127.0.0.0/8", "127.0.0.0/8", id="loopback"),
        pytest.param("203.0.113.0/24", "203.0.113.0/24", id="documentation"),
        pytest.param("fc00::/7", "fc00::/7", id="unique local IPv6"),
        pytest.param("2001:db8::/32", "2001:db8::/32", id="documentation IPv6"),
        pytest.param("::1", "::1/128", id="loopback IPv6"),
    ],
)
def test_netblocks_are_read(prefix: str, canonical: str) -> None:
    """As canonical prefixes; a single address is a netblock of its own."""
    subnets, report = read(prefix)
    assert report.findings == []
    assert subnets == (canonical,)


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        pytest.param("0.0.0.0/0", "too large", id="all of IPv4"),
        pytest.param("::/0", "too large", id="all of IPv6"),
        pytest.param("8.0.0.0/11", "too large", id="wide IPv4"),
        pytest.param("10.0.0.0/7", "too large", id="wider than a private range"),
        pytest.param("2600::/27", "too large", id="wide IPv6"),
        pytest.param("::/96", "public IPv6", id="IPv4 inside IPv6"),
        pytest.param("::ffff:0:0/96", "public IPv6", id="IPv4-mapped"),
        pytest.param("::ffff:8.8.8.8", "public IPv6", id="one IPv4-mapped address"),
        pytest.param("64:ff9b::/96", "public IPv6", id="NAT64"),
        pytest.param("2002:808::/32", "no client", id="6to4"),
        pytest.param("2001:0:808::/48", "no client", id="Teredo"),
        pytest.param("ff00::/28", "public IPv6", id="multicast IPv6"),
        pytest.param("224.0.0.0/24", "no client", id="multicast"),
        pytest.param("0.0.0.0/32", "no client", id="this host"),
        pytest.param("8.8.8.0/33", "not a netblock", id="prefix length"),
        pytest.param("8.8.8/24", "not a netblock", id="three numbers"),
        pytest.param("mirror.example.org", "not a netblock", id="host name"),
        pytest.param("8.8.8.0-8.8.8.255", "not a netblock", id="range"),
    ],
)
def test_what_nobody_may_declare_is_a_fault(prefix: str, words: str) -> None:
    """A mistake or an attack in a pull request must not take the world's clients."""
    subnets, report = read("8.8.4.0/24", prefix)
    assert subnets == ("8.8.4.0/24",)
    [finding] = report.findings
    assert finding.severity is Severity.FAULT
    assert words in finding.message
    assert prefix in finding.message


def test_host_bits_are_cleared_with_a_warning() -> None:
    """What was meant is plain, and what was read is said."""
    subnets, report = read("8.8.8.8/24", "2001:4860::8888/32")
    assert subnets == ("8.8.8.0/24", "2001:4860::/32")
    assert [finding.severity for finding in report.findings] == [Severity.WARNING] * 2
    assert "8.8.8.0/24" in report.findings[0].message


def test_repetitions_count_once() -> None:
    """In their first place."""
    assert read("8.8.8.0/24", "9.9.9.0/24", "8.8.8.0/24")[0] == ("8.8.8.0/24", "9.9.9.0/24")


@pytest.mark.parametrize(
    "prefixes",
    [
        pytest.param([f"8.{i << 4}.0.0/12" for i in range(5)], id="IPv4"),
        pytest.param([f"2600:{i << 4:x}::/28" for i in range(5)], id="IPv6"),
    ],
)
def test_many_large_netblocks_together_are_a_fault(prefixes: list[str]) -> None:
    """Cutting a large netblock into pieces does not get round the limit."""
    _, report = read(*prefixes[:4])
    assert not report.faulty
    _, report = read(*prefixes)
    assert "together" in report.findings[0].message
    assert report.faulty


def test_too_many_netblocks_are_a_fault() -> None:
    """The number is bounded."""
    prefixes = [f"8.8.{i >> 8}.{i & 255}" for i in range(MAX_SUBNETS + 1)]
    assert not read(*prefixes[:-1])[1].faulty
    assert read(*prefixes)[1].faulty


@pytest.mark.parametrize(
    ("text", "subnets", "severity"),
    [
        pytest.param("subnets: [8.8.8.0/24]", ("8.8.8.0/24",), [], id="list"),
        pytest.param("subnets: 8.8.8.0/24", ("8.8.8.0/24",), [], id="one, without a list"),
        pytest.param("subnets:", (), [], id="nothing"),
        pytest.param("subnets: []", (), [], id="empty list"),
        pytest.param("subnets: https://example.org/nets.txt", (), [Severity.WARNING], id="URL"),
        pytest.param("subnets: {a: b}", None, [Severity.FAULT], id="mapping"),
        pytest.param("subnets: [[8.8.8.0/24]]", None, [Severity.FAULT], id="list in a list"),
        pytest.param("subnets: [0.0.0.0/0]", None, [Severity.FAULT], id="too large"),
    ],
)
def test_subnets_in_a_mirror_file(
    tmp_path: Path, text: str, subnets: tuple[str, ...] | None, severity: list[Severity]
) -> None:
    """A list that stands at a URL is not fetched; a refused netblock makes the file unusable."""
    mirror, findings = read_sample(tmp_path, f"{LOCATED}{text}\n")
    assert [finding.severity for finding in findings] == severity
    assert (mirror.subnets if mirror else None) == subnets
    assert all(finding.line == 5 for finding in findings)


networks = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
)


@settings(max_examples=200, deadline=None)
@given(networks)
def test_what_is_accepted_is_never_wider_than_the_limit(
    network: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int],
) -> None:
    """Every accepted public netblock keeps to the limit, and holds the address that was written."""
    address, length = network
    subnets, _ = read(f"{address}/{length}")
    for subnet in subnets:
        read_back = ipaddress.ip_network(subnet)
        assert address in read_back
        assert (
            read_back.is_private
            or read_back.prefixlen >= WIDEST[address.version]
            or (
                read_back.subnet_of(ipaddress.IPv4Network("100.64.0.0/10"))
                if isinstance(read_back, ipaddress.IPv4Network)
                else read_back.is_link_local
            )
        )

"""How far AS numbers reach: as far as netblocks, and no farther."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.model import Mirror, Severity
from app.model.prefixes import CloudRange, parse_prefix
from app.sources.reach import asn_findings, by_asn

PREFIXES = [
    *((f"20.{n * 16}.0.0/12", 64496) for n in range(4)),
    ("20.64.0.0/32", 64497),
    *((f"21.{n}.0.0/16", 64498) for n in range(65)),
    *((f"2a{n:02x}::/28", 64499) for n in range(4)),
    ("2b00::/27", 64500),
    ("2b01::/27", 64501),
    ("2b02::/64", 64502),
    ("3.0.0.0/16", 64503),
    ("3.1.0.0/28", 64504),
    ("2600:1f18::/48", 64505),
]
CLOUDS = [
    CloudRange(prefix=parse_prefix(prefix), provider="aws", region="eu-west-1")
    for prefix in ("3.0.0.0/15", "2600:1f18::/33")
]


@pytest.mark.parametrize(
    ("asns", "monopoly", "says"),
    [
        pytest.param([64496], True, [], id="as much as is allowed"),
        pytest.param([64496, 64497], True, ["fault: asn: these ASes have more IPv4"], id="one more"),
        pytest.param([64498], True, ["fault: asn: these ASes have more IPv4"], id="in small pieces"),
        pytest.param([64496, 64498], True, ["fault: asn: these ASes have more IPv4"], id="one is too many"),
        pytest.param([64499], True, [], id="as much IPv6 as is allowed"),
        pytest.param([64499, 64502], True, ["fault: asn: these ASes have more IPv6"], id="more IPv6"),
        pytest.param([64500, 64501], True, [], id="two wide IPv6 prefixes"),
        pytest.param([64496, 64499], True, [], id="both families, each within its limit"),
        pytest.param(
            [64496, 64497, 64499, 64502],
            True,
            [
                "fault: asn: these ASes have more IPv4",
                "fault: asn: these ASes have more IPv6",
            ],
            id="both families, each beyond its limit",
        ),
        pytest.param([64496, 64498], False, ["warning: asn: these ASes have more IPv4"], id="no monopoly"),
        pytest.param([64511], True, [], id="an AS that the database does not know"),
        pytest.param([], True, [], id="none"),
        pytest.param(
            [64503],
            True,
            ["fault: asn: 3.0.0.0/16 of these ASes holds 65,536 addresses of cloud providers"],
            id="a provider's AS",
        ),
        pytest.param([64503], False, [], id="a provider's AS after its region"),
        pytest.param([64504], True, [], id="sixteen addresses of a provider"),
        pytest.param(
            [64505],
            True,
            ["fault: asn: 2600:1f18::/48 of these ASes holds IPv6 space"],
            id="a provider's IPv6",
        ),
    ],
)
def test_reach(asns: Sequence[int], monopoly: bool, says: list[str]) -> None:
    """The ASes of a mirror hold at most as many addresses as its netblocks may; above that none counts,
    which is a fault where clients would get no other mirror. A monopoly leaves clients in clouds alone."""
    mirrors = {
        "a.yml": Mirror(name="a.example.org", addresses={}, asns=tuple(asns), monopoly=monopoly),
        "b.yml": Mirror(name="b.example.org", addresses={}, asns=(64497,), monopoly=True),
    }
    found = asn_findings(mirrors, by_asn(PREFIXES), CLOUDS)
    assert [finding.file for finding in found] == ["a.yml"] * len(says)
    for finding, start in zip(found, says, strict=True):
        assert f"{finding.severity.value}: {finding.message}".startswith(start)


def test_the_message_says_what_is_allowed() -> None:
    """A person can tell from it what to change."""
    mirrors = {"a.yml": Mirror(name="a", addresses={}, asns=(64496, 64498), monopoly=True)}
    [finding] = asn_findings(mirrors, by_asn(PREFIXES), [])
    assert finding.severity is Severity.FAULT
    assert "which is 4 netblocks of /12; so none of the numbers counts" in finding.message

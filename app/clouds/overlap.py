"""Finds declared netblocks that overlap with cloud ranges, by mistake or as an attack in a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.clouds.space import CloudSpace
from app.model import Finding
from app.model.errors import fault
from app.model.prefixes import WIDTHS, CloudRange, Prefix, parse_prefix

# This is enough for a mirror's own instances in a cloud. Netblocks come before cloud regions, so a netblock
# over a provider's range would take the provider's clients away from their region.
CLOUD_ADDRESSES_ALLOWED = {4: 1 << 4, 6: 1 << 72}  # a /28 and a /56, all subnets of a mirror together


def netblock_findings(
    declared: Iterable[tuple[str, str, Sequence[str]]], clouds: Iterable[CloudRange]
) -> list[Finding]:
    """The faults of subnets that overlap with cloud ranges. `declared` are (file, mirror, subnets).

    A mirror's subnets together may hold at most 16 IPv4 addresses and one IPv6 /56 that providers publish
    as theirs. Above that, each of its subnets that holds any is refused.
    """
    ranges = list(clouds)
    spaces = {version: CloudSpace(version, ranges) for version in WIDTHS}
    findings = []
    for file, mirror, subnets in declared:
        totals = dict.fromkeys(WIDTHS, 0)
        shares = []
        for prefix in sorted({parse_prefix(text) for text in subnets}):
            addresses, largest = spaces[prefix.version].shared(prefix)
            if largest is not None:
                totals[prefix.version] += addresses
                shares.append((prefix, addresses, largest))
        for prefix, addresses, largest in shares:
            if totals[prefix.version] > CLOUD_ADDRESSES_ALLOWED[prefix.version]:
                findings.append(fault(file, _refusal(mirror, prefix, addresses, largest)))
    return findings


def _refusal(mirror: str, prefix: Prefix, addresses: int, largest: CloudRange) -> str:
    region = f" for {largest.region}" if largest.region else ""
    held = f"{addresses:,} addresses" if prefix.version == 4 else "IPv6 space"
    return (
        f"subnets: {prefix} of {mirror} holds {held} of cloud providers ({largest.prefix}, published by "
        f"{largest.provider}{region}), whose clients belong to the mirrors of their region. Allowed are 16 "
        f"such IPv4 addresses and one such IPv6 /56 for all subnets of a mirror together; a mirror that "
        f"serves a cloud region says so with cloud_type and cloud_regions"
    )

"""Finds declared netblocks that overlap with cloud ranges, by mistake or as an attack in a pull request."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from app.model import Finding
from app.model.errors import fault
from app.model.prefixes import WIDTHS, CloudRange, Prefix, parse_prefix

# This is enough for a mirror's own instances in a cloud. Netblocks come before cloud regions, so a netblock
# over a provider's range would take the provider's clients away from their region.
CLOUD_ADDRESSES_ALLOWED = {4: 1 << 4, 6: 1 << 72}  # a /28 and a /56, all subnets of a mirror together


class _CloudSpace:
    """The cloud ranges of one IP version, as sorted, disjoint intervals. A range inside another one is left
    out."""

    def __init__(self, ranges: Iterable[CloudRange]) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        self._ranges: list[CloudRange] = []
        for cloud_range in sorted(ranges, key=lambda r: (r.prefix.address, r.prefix.length)):
            if self._last and cloud_range.prefix.address <= self._last[-1]:
                continue
            self._first.append(cloud_range.prefix.address)
            self._last.append(cloud_range.prefix.last)
            self._ranges.append(cloud_range)

    def shared(self, prefix: Prefix) -> tuple[int, CloudRange | None]:
        """The number of addresses of a prefix that are in cloud ranges, and the range with most of them."""
        low = max(bisect_right(self._first, prefix.address) - 1, 0)
        high = bisect_right(self._first, prefix.last)
        addresses, largest, most = 0, None, 0
        for index in range(low, high):
            overlap = min(self._last[index], prefix.last) - max(self._first[index], prefix.address) + 1
            if overlap > 0:
                addresses += overlap
            if overlap > most:
                largest, most = self._ranges[index], overlap
        return addresses, largest


def netblock_findings(
    declared: Iterable[tuple[str, str, Sequence[str]]], clouds: Iterable[CloudRange]
) -> list[Finding]:
    """The faults of subnets that overlap with cloud ranges. `declared` are (file, mirror, subnets).

    A mirror's subnets together may hold at most 16 IPv4 addresses and one IPv6 /56 that providers publish
    as theirs. Above that, each of its subnets that holds any is refused.
    """
    ranges = list(clouds)
    spaces = {version: _CloudSpace(r for r in ranges if r.prefix.version == version) for version in WIDTHS}
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

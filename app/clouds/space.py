"""Tells which addresses the ranges of cloud providers cover."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from app.model.prefixes import CloudRange, Prefix


class CloudSpace:
    """The cloud ranges of one IP version, as sorted, disjoint intervals. A range inside another one is left
    out."""

    def __init__(self, version: int, ranges: Iterable[CloudRange]) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        self._ranges: list[CloudRange] = []
        own = (r for r in ranges if r.prefix.version == version)
        for cloud_range in sorted(own, key=lambda r: (r.prefix.address, r.prefix.length)):
            if self._last and cloud_range.prefix.address <= self._last[-1]:
                continue
            self._first.append(cloud_range.prefix.address)
            self._last.append(cloud_range.prefix.last)
            self._ranges.append(cloud_range)

    @property
    def addresses(self) -> int:
        """The number of addresses in all ranges."""
        return sum(self._last) - sum(self._first) + len(self._first)

    def shared(self, prefix: Prefix) -> tuple[int, CloudRange | None]:
        """Returns the number of addresses of a prefix that are in cloud ranges, and the range that has most
        of them; 0 and None if no address is."""
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

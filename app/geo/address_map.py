"""Maps of all addresses: which number holds for each of the 2^128 addresses, as a step function.

A map is three sorted arrays. `values[i]` holds from the address (`high[i]`, `low[i]`) up to the next one. The
first address is 0, and neighbours have different values. So a map of millions of networks is a few dozen
megabytes, and all that is done with it here is done by numpy. IPv4 is at ::/96.

The value 0 (`NOTHING`) means that nothing holds there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.geo.mmdb import Halves

NOTHING = 0
_SAMPLED, _PART = 1 << 10, 1 << 19  # one of so many networks is looked at to cut them into parts

PORTAL = 1 << 30
"""The values from here on stand for a whole subtree each (`address_tree`), so that the same value in the next
network does not make one network of both."""

_HALF, _LAST = (1 << 64) - 1, (1 << 128) - 1

Values = NDArray[np.uint32]


class AddressMap(NamedTuple):
    """A map of all addresses."""

    high: Halves
    low: Halves
    values: Values

    @property
    def says_nothing(self) -> bool:
        return len(self.values) == 1 and int(self.values[0]) == NOTHING

    def position(self, high: int, low: int) -> int:
        """Returns how many steps of the map begin before this address."""
        first = int(np.searchsorted(self.high, np.uint64(high), "left"))
        last = int(np.searchsorted(self.high, np.uint64(high), "right"))
        return first + int(np.searchsorted(self.low[first:last], np.uint64(low), "left"))


def nothing() -> AddressMap:
    """Returns a map in which nothing holds."""
    return AddressMap(np.zeros(1, np.uint64), np.zeros(1, np.uint64), np.zeros(1, np.uint32))


def map_of_networks(high: Halves, low: Halves, lengths: NDArray[np.uint8], values: Values) -> AddressMap:
    """Returns the map of networks that are disjoint, in any order. Outside of them nothing holds. Many
    networks are mapped part by part, because that takes much less memory."""
    key = high * 2.0**64 + low  # not exact, but in the order of the addresses
    cuts = np.sort(key[::_SAMPLED])[_PART // _SAMPLED :: _PART // _SAMPLED]
    part_of = np.searchsorted(cuts, key, "right").astype(np.uint16)
    del key
    maps = [nothing()]
    for number in range(len(cuts) + 1):
        rows = part_of == number
        maps.append(_map_of_part(high[rows], low[rows], lengths[rows], values[rows]))
    return _merged(_joined(maps))


def _map_of_part(high: Halves, low: Halves, lengths: NDArray[np.uint8], values: Values) -> AddressMap:
    """Returns the steps at which these networks begin and end."""
    order = _order(high, low)
    high, low, values = high[order], low[order], values[order]
    end_high, end_low = _ends(high, low, lengths[order])
    # A step to NOTHING follows each network that the next one does not follow at once.
    gap = np.empty(len(high), np.bool_)
    gap[:-1] = (end_high[:-1] != high[1:]) | (end_low[:-1] != low[1:])
    gap[-1:] = (end_high[-1:] | end_low[-1:]) != 0
    size = len(high) + int(gap.sum())
    at = np.arange(len(high))
    at[1:] += np.cumsum(gap[:-1])
    joined = AddressMap(np.zeros(size, np.uint64), np.zeros(size, np.uint64), np.zeros(size, np.uint32))
    for column, starts, ends in ((joined.high, high, end_high), (joined.low, low, end_low)):
        column[at] = starts
        column[at[gap] + 1] = ends[gap]
    joined.values[at] = values
    return _merged(joined)


def overlaid(maps: Sequence[AddressMap]) -> AddressMap:
    """Returns the map in which the first map counts that says anything of an address."""
    result = nothing()
    for other in maps:
        if result.says_nothing:
            result = other
        elif not other.says_nothing:
            result = _overlay(result, other)
    return result


def _overlay(above: AddressMap, below: AddressMap) -> AddressMap:
    high = np.concatenate([above.high, below.high])
    low = np.concatenate([above.low, below.low])
    order = _order(high, low)
    high, low = high[order], low[order]
    of_above = order < len(above.values)
    values = above.values[np.cumsum(of_above) - 1]
    values = np.where(values == NOTHING, below.values[np.maximum(np.cumsum(~of_above), 1) - 1], values)
    return _merged(AddressMap(high, low, values))


def ipv4_part(whole: AddressMap) -> AddressMap:
    """Returns what a map says of ::/96, as a map of its own."""
    return _steps(whole, None, whole.position(0, 1 << 32))


def with_part(whole: AddressMap, high: int, low: int, length: int, part: AddressMap) -> AddressMap:
    """Returns a map in which another one has replaced what is said of one prefix. The addresses of `part` are
    in this prefix, and its first address is that of the prefix."""
    end = (high << 64 | low) + (1 << (128 - length))
    first, last = whole.position(high, low), len(whole.values)
    parts = [_steps(whole, None, first), part]
    if end <= _LAST:
        last = whole.position(end >> 64, end & _HALF)
        # What held before the prefix's end holds after it, unless a step begins there, which then counts.
        parts.append(constant(end >> 64, end & _HALF, int(whole.values[last - 1])))
    return _merged(_joined([*parts, _steps(whole, last, None)]))


def part(whole: AddressMap, high: int, low: int, length: int) -> AddressMap:
    """Returns what a map says of one prefix. Its first address is that of the prefix."""
    end = (high << 64 | low) + (1 << (128 - length))
    first = whole.position(high, low + 1)
    last = whole.position(end >> 64, end & _HALF) if end <= _LAST else len(whole.values)
    begin = constant(high, low, int(whole.values[first - 1]))
    return _joined([begin, _steps(whole, first, last)])


def translated(steps: AddressMap, table: NDArray[np.uint32]) -> AddressMap:
    """Returns a map in which `table` says what each value is now, other than portals."""
    is_portal = steps.values >= PORTAL
    values = np.where(is_portal, steps.values, table[np.where(is_portal, 0, steps.values)])
    return _merged(steps._replace(values=values))


def constant(high: int, low: int, value: int) -> AddressMap:
    """Returns a part with one value, for `with_part`."""
    return AddressMap(np.array([high], np.uint64), np.array([low], np.uint64), np.array([value], np.uint32))


def shifted(ipv4: AddressMap, high: int, low: int, length: int) -> AddressMap:
    """Returns a map of IPv4 as the part for a prefix in which the IPv4 addresses follow the first `length`
    bits, for `with_part`."""
    shift = 96 - length
    number, none = ipv4.low, np.zeros_like(ipv4.low)
    if shift >= 64:
        upper, lower = number << np.uint64(shift - 64), none
    else:
        upper = number >> np.uint64(64 - shift) if shift > 32 else none
        lower = number << np.uint64(shift)
    return AddressMap(upper | np.uint64(high), lower | np.uint64(low), ipv4.values)


def _steps(whole: AddressMap, first: int | None, last: int | None) -> AddressMap:
    part = slice(first, last)
    return AddressMap(whole.high[part], whole.low[part], whole.values[part])


def _joined(maps: Sequence[AddressMap]) -> AddressMap:
    high, low, values = zip(*maps, strict=True)
    return AddressMap(np.concatenate(high), np.concatenate(low), np.concatenate(values))


def _order(high: Halves, low: Halves) -> NDArray[np.intp]:
    """Returns the order of addresses. Equal ones stay in order."""
    if not high.any():
        return np.argsort(low, kind="stable")
    return np.lexsort((low, high)) if low.any() else np.argsort(high, kind="stable")


def _ends(high: Halves, low: Halves, lengths: NDArray[np.uint8]) -> tuple[Halves, Halves]:
    """Returns the first addresses after these networks; after the last of all addresses comes 0."""
    long = lengths > 64
    one = np.uint64(1)
    end_high = high + np.where(long, 0, one << (64 - np.minimum(lengths, 64)).astype(np.uint64))
    end_low = low + np.where(long, one << (128 - np.maximum(lengths, 65)).astype(np.uint64), 0)
    end_high += long & (end_low == 0)
    return end_high, end_low


def _merged(steps: AddressMap) -> AddressMap:
    """Returns a map without the steps that change nothing. Of two steps at one address, the last counts."""
    high, low, values = steps
    last = np.ones(len(high), np.bool_)
    last[:-1] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    if not last.all():
        high, low, values = high[last], low[last], values[last]
    changes = np.ones(len(values), np.bool_)
    changes[1:] = (values[1:] != values[:-1]) | (values[1:] >= PORTAL)
    return AddressMap(high[changes], low[changes], values[changes])

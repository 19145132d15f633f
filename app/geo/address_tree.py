"""Grows the search tree of an address map by numpy, because a map has millions of steps.

A tree has a node for each prefix in which a step of the map begins, other than at the prefix's first address.
Let a step be at an address whose last set bit is the m-th one. Then it is inside of the prefixes of this
address that are shorter than m bits. It needs a node for each of them, and shares those with the steps before
it which their common bits allow. So each step adds a chain of nodes, from depth `first` down to depth m - 1.
The chains follow each other in the order of their steps: then a node comes before its subtree, and the left
subtree before the right one. That is quick to look up, as the nodes of a small subtree are in few pages.

Only the links between chains are left to find, level by level: a node's right child may begin the chain of a
later step, and where a node has no child, the value of the map is there.

Many small subtrees are equal, such as those of providers that cut all their networks in the same way. In the
end each subtree is kept once: that makes the database of a vendor less than half as large, and quicker, as
more of it is in the processor's cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.geo.address_map import AddressMap
from app.geo.mmdb import Halves

Children = NDArray[np.int32]
"""Two references for each node: the number of a node in the tree or, if it is negative, -1 minus a value."""


class _Chains(NamedTuple):
    """The chains of nodes that the steps of a map need. The step at the first address needs none, and is left
    out."""

    high: Halves
    low: Halves
    #: The depth of the first node of each chain, and the depth after that of its last node.
    first: NDArray[np.int16]
    end: NDArray[np.int16]
    #: The number of the first node of each chain.
    number: NDArray[np.int64]


def grow(steps: AddressMap, width: int) -> Children:
    """Returns the tree of a map of addresses of `width` bits, 32 or 128. The root is node 0. A map with one
    value alone has no node."""
    chains = _chains(steps, width)
    total = int((chains.end - chains.first).sum(dtype=np.int64))
    children = np.empty((total, 2), np.int32)
    alive = np.arange(len(chains.high), dtype=np.int32)  # the steps inside of a prefix of this depth
    parents, parent_of = np.zeros(0, np.int64), alive
    for depth in range(width):
        kept = chains.end[alive] > depth
        alive, parent_of = alive[kept], parent_of[kept]
        if not len(alive):
            break
        is_first = chains.first[alive] <= depth  # the first step inside of its prefix
        starts = np.flatnonzero(is_first)
        firsts = alive[starts]
        numbers = chains.number[firsts] + (depth - chains.first[firsts])
        if depth > 0:
            side = _bit(chains.high[firsts], chains.low[firsts], width - depth)
            children[parents[parent_of[starts]], side] = numbers
        ends = np.append(starts[1:], len(alive)) - 1
        # Before the first step inside of a prefix there is what the step before it says, and after the last
        # one what that one says. Where there is a node instead, the next level puts it there.
        children[numbers, 0] = -1 - steps.values[firsts].astype(np.int32)
        children[numbers, 1] = -1 - steps.values[alive[ends] + 1].astype(np.int32)
        parents, parent_of = numbers, np.cumsum(is_first, dtype=np.int32) - 1
    return children


def shared(children: Children) -> Children:
    """Returns the same tree with each subtree in it only once. The root is node 0 again. Changes `children`,
    because they are large."""
    order, counts = _by_height(children)
    same = np.arange(len(children), dtype=np.int32)  # the first node with an equal subtree
    for nodes in np.split(order, np.cumsum(counts)[:-1]):  # first those whose children are leaves
        below = children[nodes]
        below = np.where(below < 0, below, same[np.maximum(below, 0)])
        children[nodes] = below
        keys = below[:, 0].astype(np.int64) << 32 | below[:, 1].astype(np.uint32)
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        same[nodes] = nodes[first][which]
    kept = same == np.arange(len(children))
    numbers = np.cumsum(kept, dtype=np.int32) - 1
    children = children[kept]
    return np.where(children < 0, children, numbers[np.maximum(children, 0)])


def _by_height(children: Children) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the nodes in the order of their height, which is how deep the tree goes below them, and how
    many nodes there are of each height."""
    levels = [np.zeros(min(len(children), 1), np.int32)]
    while len(levels[-1]):
        below = children[levels[-1]].ravel()
        levels.append(below[below >= 0])
    heights = np.zeros(len(children), np.uint8)
    for nodes in reversed(levels):
        below = children[nodes]
        heights[nodes] = np.where(below < 0, 0, heights[np.maximum(below, 0)] + 1).max(axis=1, initial=0)
    return np.argsort(heights, kind="stable"), np.bincount(heights)


def _chains(steps: AddressMap, width: int) -> _Chains:
    high, low = steps.high[1:], steps.low[1:]
    end = width - _trailing_zeros(high, low)
    common = width - _bit_length(high ^ steps.high[:-1], low ^ steps.low[:-1])
    first = np.zeros(len(high), np.int16)
    first[1:] = np.minimum(common[1:], end[:-1] - 1) + 1
    sizes = (end - first).astype(np.int64)
    return _Chains(high, low, first, end, np.cumsum(sizes) - sizes)


def _bit(high: Halves, low: Halves, position: int) -> NDArray[np.intp]:
    """Returns one bit of each address, counted from its last bit, which is 0."""
    half, at = (high, position - 64) if position >= 64 else (low, position)
    return (half >> np.uint64(at) & np.uint64(1)).astype(np.intp)


def _trailing_zeros(high: Halves, low: Halves) -> NDArray[np.int16]:
    """Returns the number of zero bits at the end of each address. No address may be 0."""
    half = np.where(low != 0, low, high)
    lowest = half & (~half + np.uint64(1))
    below: NDArray[np.int16] = np.bitwise_count(lowest - np.uint64(1)).astype(np.int16)
    below[low == 0] += 64
    return below


def _bit_length(high: Halves, low: Halves) -> NDArray[np.int16]:
    """Returns the number of bits that each address has from its first set bit on."""
    half = np.where(high != 0, high, low)
    for shift in (1, 2, 4, 8, 16, 32):
        half |= half >> np.uint64(shift)
    length: NDArray[np.int16] = np.bitwise_count(half).astype(np.int16)
    length[high != 0] += 64
    return length

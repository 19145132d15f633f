"""Builds a binary search tree over address prefixes, and writes it as an MMDB file.

In the tree of the library mmdb_writer, a network replaces what was inserted before, but here, what nested
prefixes say has to be combined; and that tree is ten times slower. The tree here is grown from sorted
prefixes: their list is cut in two at each bit, and the state (what is known so far) is handed down. Two equal
leaves become one. So a tree depends only on what it says, not on the order of its input, and its leaves are
the disjoint pieces of all prefixes.

While the tree grows, the root is the last node; in the file it is the first. A node is a pair of references.
A reference to a node is the node's number. A reference to a leaf is -1 minus the leaf's value, where the
value 0 means that nothing is known. The format is in https://maxmind.github.io/MaxMind-DB/ .
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

from app.geo.mmdb_encoding import MmdbEncoding

S = TypeVar("S")  # a state: what is known of an address; it is handed down, and given to `leaf` at the end
C = TypeVar("C")  # what a prefix changes in the state

Nodes = list[tuple[int, int]]


class Grower(Generic[S, C]):
    """Grows trees into one list of nodes.

    `change` takes the state above a prefix and what the prefix changes, and returns the state below it.
    `leaf` returns the value for a state, a number. A prefix may also be a *portal*: a reference to a subtree
    that was grown before. The subtree is put there whatever other prefixes say, and longer prefixes inside it
    are ignored.
    """

    def __init__(self, change: Callable[[S, C], S], leaf: Callable[[S], int]) -> None:
        self.nodes: Nodes = []
        self._change = change
        self._leaf = leaf

    def grow(
        self,
        width: int,
        changes: Mapping[tuple[int, int], C],
        start: S,
        portals: Mapping[tuple[int, int], int] | None = None,
    ) -> int:
        """Grows a tree over addresses of `width` bits and returns the reference to its root. `start` is the
        state outside of all prefixes. The keys of `changes` and `portals` are (address, length), host bits
        zero."""
        self._width = width
        self._portals = portals or {}
        self._changes = changes
        self._keys = sorted({*changes, *self._portals})
        return self._subtree(0, len(self._keys), 0, 0, start)

    def _subtree(self, low: int, high: int, address: int, depth: int, state: S) -> int:
        """Grows the tree below the prefix `address`/`depth`, and returns the reference to it. The keys inside
        that prefix are the sorted keys from `low` up to, but not including, `high`."""
        if low < high and self._keys[low] == (address, depth):
            portal = self._portals.get((address, depth))
            if portal is not None:
                return portal
            state = self._change(state, self._changes[address, depth])
            low += 1
        if low == high:
            return -1 - self._leaf(state)
        if high - low == 1:
            return self._chain(self._keys[low], depth, state)
        upper = address | (1 << (self._width - depth - 1))
        middle = bisect_left(self._keys, (upper, 0), low, high)
        left = self._subtree(low, middle, address, depth + 1, state)
        right = self._subtree(middle, high, upper, depth + 1, state)
        return self._node(left, right)

    def _chain(self, key: tuple[int, int], depth: int, state: S) -> int:
        """Grows a subtree with a single prefix in it, and returns the reference to it. Most nodes are in such
        subtrees, so they are made in a loop rather than by recursion."""
        address, length = key
        reference = self._portals.get(key)
        if reference is None:
            reference = -1 - self._leaf(self._change(state, self._changes[key]))
        around = -1 - self._leaf(state)
        for bit in range(self._width - length, self._width - depth):
            sides = (around, reference) if address >> bit & 1 else (reference, around)
            reference = self._node(*sides)
        return reference

    def _node(self, left: int, right: int) -> int:
        if left == right and left < 0:
            return left
        self.nodes.append((left, right))
        return len(self.nodes) - 1


def encode_mmdb(
    nodes: Nodes,
    root: int,
    records: Sequence[str | dict[str, str]],
    metadata: Mapping[str, object],
    smallest_record: int = 24,
) -> bytes:
    """Returns an IPv6 tree as the bytes of an MMDB file. The value of a leaf is the number of its record in
    `records`, counted from 1. `metadata` and `smallest_record` are those of `MmdbEncoding`."""
    if root < 0:  # the same everywhere; a file has at least one node
        nodes = [*nodes, (root, root)]
    count = len(nodes)
    encoding = MmdbEncoding(count, records, metadata, smallest_record)
    children = np.array(nodes[::-1], np.int64)
    is_leaf = children < 0
    numbers = count - 1 - children
    numbers[is_leaf] = encoding.references[-1 - children[is_leaf]]
    return encoding.nodes(numbers) + encoding.tail

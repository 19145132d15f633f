"""Maps of all addresses and the search trees that are grown of them, against what their networks say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from app.geo import address_map
from app.geo.address_map import NOTHING, PORTAL, AddressMap
from app.geo.address_tree import Children, grow, shared

WIDTH = 128


class Net(NamedTuple):
    address: int
    length: int
    value: int

    def holds(self, address: int) -> bool:
        return address >> (WIDTH - self.length) == self.address >> (WIDTH - self.length)


def halves(address: int) -> tuple[int, int]:
    return address >> 64, address & (2**64 - 1)


def map_of(networks: Sequence[Net]) -> AddressMap:
    return address_map.map_of_networks(
        np.array([net.address >> 64 for net in networks], np.uint64),
        np.array([net.address & (2**64 - 1) for net in networks], np.uint64),
        np.array([net.length for net in networks], np.uint8),
        np.array([net.value for net in networks], np.uint32),
    )


def disjoint(rng: random.Random, ipv4: bool) -> list[Net]:
    """Disjoint networks in any order: dense ones, which fill a prefix as a tree is split, or sparse ones."""
    networks: list[Net] = []
    least = 96 if ipv4 else 1

    def split(address: int, length: int) -> None:
        if length < WIDTH and len(networks) < 40 and rng.random() < (0.9 if length < least + 5 else 0.6):
            split(address, length + 1)
            split(address | 1 << (WIDTH - length - 1), length + 1)
        elif rng.random() < 0.7:
            networks.append(Net(address, length, rng.randrange(1, 4)))

    if rng.random() < 0.6:
        split(0, least)
    else:
        for _ in range(rng.randrange(20)):
            length = rng.randrange(least, WIDTH + 1)
            new = Net(rng.getrandbits(length - least + 1) << (WIDTH - length), length, rng.randrange(1, 4))
            if not any(net.holds(new.address) or new.holds(net.address) for net in networks):
                networks.append(new)
    rng.shuffle(networks)
    return networks


def asked(rng: random.Random, networks: Sequence[Net]) -> list[int]:
    """The edges of all networks, what is beside them, and some addresses between."""
    edges = [edge for net in networks for edge in (net.address, net.address + (1 << (WIDTH - net.length)))]
    near = [edge + step for edge in edges for step in (-1, 0, 1)]
    random_ones = [rng.getrandbits(WIDTH) for _ in range(20)]
    return [address for address in (*near, *random_ones) if 0 <= address < 1 << WIDTH]


def value_at(steps: AddressMap, address: int) -> int:
    return (
        int(steps.values[steps.position(*halves(address + 1)) - 1])
        if address < 2**WIDTH - 1
        else int(steps.values[-1])
    )


def found(tree: Children, address: int, width: int) -> int:
    node = 0
    for bit in reversed(range(width)):
        node = int(tree[node, address >> bit & 1])
        if node < 0:
            return -1 - node
    raise AssertionError("the tree is deeper than an address")


@pytest.mark.parametrize("ipv4", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_a_map_and_its_tree_say_what_the_networks_say(seed: int, *, ipv4: bool) -> None:
    """Of each address, and nothing where there is no network. Neighbours in the map are different, no node of
    the tree has two equal leaves, and no two nodes are equal once subtrees are shared."""
    rng = random.Random(seed)
    networks = disjoint(rng, ipv4)
    steps = map_of(networks)
    width = 32 if ipv4 else WIDTH
    tree = grow(address_map.ipv4_part(steps) if ipv4 else steps, width)
    small = shared(tree.copy())
    for address in asked(rng, networks):
        expected = next((net.value for net in networks if net.holds(address)), NOTHING)
        assert value_at(steps, address) == expected
        if len(tree) and address < 1 << width:
            assert found(tree, address, width) == found(small, address, width) == expected
    assert len(small) <= len(tree)
    assert len(set(map(tuple, small.tolist()))) == len(small)
    assert (steps.values[1:] != steps.values[:-1]).all()
    assert not ((tree[:, 0] == tree[:, 1]) & (tree[:, 0] < 0)).any()


@pytest.mark.parametrize("seed", range(25))
def test_the_first_map_counts(seed: int) -> None:
    """Of maps laid over each other the first one counts that says anything."""
    rng = random.Random(seed)
    layers = [disjoint(rng, ipv4=seed % 2 == 0) for _ in range(3)]
    steps = address_map.overlaid([map_of(networks) for networks in layers])
    for address in (a for networks in layers for a in asked(rng, networks)):
        holding = (net.value for networks in layers for net in networks if net.holds(address))
        assert value_at(steps, address) == next(holding, NOTHING)


@pytest.mark.parametrize("seed", range(25))
def test_a_part_is_replaced(seed: int) -> None:
    """What a map says of one prefix can be taken out, and put into another map, which stays as it is beside
    the prefix. A subtree stays apart from an equal one beside it."""
    rng = random.Random(seed)
    one, other = disjoint(rng, ipv4=False), disjoint(rng, ipv4=False)
    length = rng.randrange(1, 100)
    prefix = Net(rng.getrandbits(length) << (WIDTH - length), length, 0)
    if other and rng.random() < 0.5:
        prefix = rng.choice(other)
    first, second = map_of(one), map_of(other)
    part = address_map.part(second, *halves(prefix.address), prefix.length)
    mixed = address_map.with_part(first, *halves(prefix.address), prefix.length, part)
    for address in asked(rng, [*one, *other, prefix]):
        assert value_at(mixed, address) == value_at(second if prefix.holds(address) else first, address)
    subtree = address_map.constant(*halves(prefix.address), PORTAL)
    mixed = address_map.with_part(mixed, *halves(prefix.address), prefix.length, subtree)
    assert value_at(mixed, prefix.address) == PORTAL


@pytest.mark.parametrize("length", [1, 16, 31, 32, 33, 48, 63, 64, 65, 95, 96])
def test_ipv4_in_a_prefix(length: int) -> None:
    """The IPv4 addresses follow the bits of the prefix, wherever in the address these end."""
    rng = random.Random(length)
    networks = disjoint(rng, ipv4=True)
    ipv4 = address_map.ipv4_part(map_of(networks))
    prefix = (1 << length) - 1 << (WIDTH - length)
    part = address_map.shifted(ipv4, *halves(prefix), length)
    mixed = address_map.with_part(address_map.nothing(), *halves(prefix), length, part)
    for address in (a for a in asked(rng, networks) if a < 2**32):
        rest = rng.getrandbits(96 - length)
        assert value_at(mixed, prefix | address << (96 - length) | rest) == value_at(ipv4, address)
    assert value_at(mixed, 0) == NOTHING

"""Makes the small database in which nginx looks up the last parts of a client's class: spread and family.

nginx has no arithmetic, so it looks up `17|4` as it looks up a place. The spread is five bits of the address
(`request.address.spread`): a tree of 31 nodes for each family. The bits before them do not matter, so above
that tree a single node stands for all addresses on each level. IPv4 is at ::/96, as in every MMDB file.
Nothing is known of IPv4-mapped addresses, because the service takes such a client for an IPv4 client.
"""

from __future__ import annotations

from app.geo.search_tree import Nodes, encode_mmdb

_BITS = 5
_SPREADS = 1 << _BITS
_BEFORE = {4: 19, 6: 43}  # the bits before the spread, which is in the third or sixth byte
_MAPPED = 80  # the first of the 16 bits that are set in the prefix of IPv4-mapped addresses
_NOTHING = -1  # a leaf, as `search_tree` writes one


def build_spreads() -> bytes:
    """Returns the database, an MMDB file whose records are texts. It is always the same."""
    nodes: Nodes = []
    ipv4, wide = _tree(nodes, 4, _BITS), _tree(nodes, 6, _BITS)
    for _ in range(_BEFORE[4]):
        ipv4 = _node(nodes, ipv4, ipv4)
    mapped = _NOTHING
    for _ in range(15):
        mapped = _node(nodes, _leaf(6, 0), mapped)

    root = ipv4  # and then, bit by bit, the addresses that begin with ever fewer zeros
    for zeros in range(95, -1, -1):
        if zeros == _MAPPED:
            others = mapped
        elif zeros >= _BEFORE[6] + _BITS:
            others = _leaf(6, 0)
        elif zeros >= _BEFORE[6]:
            others = _tree(nodes, 6, _BEFORE[6] + _BITS - 1 - zeros, first=1)
        else:
            others, wide = wide, _node(nodes, wide, wide)
        root = _node(nodes, root, others)

    metadata = {
        "database_type": "Mirrorwise-Spreads",
        "description": {"en": "Spread and family of addresses"},
        "build_epoch": 1,  # fixed, so that the content is always the same
    }
    records = [f"{spread}|{family}" for family in (4, 6) for spread in range(_SPREADS)]
    return encode_mmdb(nodes, root, records, metadata)


def _tree(nodes: Nodes, family: int, bits: int, first: int = 0) -> int:
    """Grows the tree over the last `bits` bits of a spread, of which `first` are the bits before. Returns the
    reference to it."""
    if bits == 0:
        return _leaf(family, first)
    halves = (_tree(nodes, family, bits - 1, first << 1 | bit) for bit in (0, 1))
    return _node(nodes, *halves)


def _node(nodes: Nodes, left: int, right: int) -> int:
    nodes.append((left, right))
    return len(nodes) - 1


def _leaf(family: int, spread: int) -> int:
    """Returns the reference to a leaf. Its record is the one of this number, counted from 1."""
    return -1 - (1 + spread + (_SPREADS if family == 6 else 0))

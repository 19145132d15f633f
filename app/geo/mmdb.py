"""Opens MMDB files and walks over their search trees.

maxminddb (its C extension where there is one) looks addresses up. The walk over all networks is our own:
maxminddb's walk makes a network object and a record for each network, which takes minutes for a city
database. Here, many nodes of one depth are one numpy array, and a record is decoded only when the caller
asks for it, by looking up one of its addresses.

The format is in https://maxmind.github.io/MaxMind-DB/ . A tree for IPv4 alone is walked as if it were at
::/96 of an IPv6 tree, so that all addresses here have 128 bits: a high and a low half.

Opened files are mapped, so they must not be truncated or rewritten: open only verified copies. The C
extension (maxminddb 3.2.0) crashes on some damaged records, such as maps with keys that are not text. So
metadata and samples, by which a file is judged, are read with the pure Python reader.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import maxminddb
import numpy as np
from numpy.typing import NDArray

from app.model import GeoError

# The errors of a lookup in a damaged database. maxminddb's own error is a RuntimeError, and bad text is a
# ValueError; SystemError comes from the C extension, the others from the pure Python reader.
LOOKUP_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    SystemError,
)

_LAST_EPOCH = 253_402_300_799  # the end of the year 9999: nothing later becomes a date
_METADATA_MARKER = b"\xab\xcd\xefMaxMind.com"
DATA_SEPARATOR = 16  # bytes of zeros between the tree and the data

_BATCH = 1 << 17  # nodes walked at once: enough for numpy to be quick, and few enough for the memory

Halves = NDArray[np.uint64]


class Level(NamedTuple):
    """Some or all networks of one family and prefix length, as parallel arrays.

    `records` are positions in the data section; networks with equal positions have the same record.
    `high` and `low` are the halves of the first address, with IPv4 in ::/96. `walked` is the share of
    the tree that has been walked so far, 0 to 1.
    """

    version: Literal[4, 6]
    length: int
    records: NDArray[np.uint32]
    high: Halves
    low: Halves
    walked: float


class Alias(NamedTuple):
    """A prefix of an IPv6 tree in which its IPv4 networks are once more. `high` and `low` are the halves of
    the first address."""

    high: int
    low: int
    length: int


def holds_ipv4(address: str) -> bool:
    """Returns whether an IPv6 address, in its canonical text, lies in ::/96, where MMDB files have IPv4. No
    client has such an address, and a lookup must not find what is known of the IPv4 address in it. The
    loopback address ::1 does not count, because a file may know it."""
    return address.startswith("::") and address.count(":") <= 3 and address != "::1" and "." not in address


class MmdbFile:
    """An opened MMDB file. Messages call it by `name`, by default its path. Opening raises GeoError if the
    file is unusable."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        try:
            with maxminddb.Reader(path, maxminddb.MODE_MMAP) as reader:
                self.metadata = reader.metadata()
            self.reader = maxminddb.open_database(path)
        except OSError as error:
            raise GeoError(f"{self.name}: cannot be opened: {error.strerror or error}") from error
        except LOOKUP_ERRORS as error:  # whose words name the path of the copy that is looked at
            problem = "is no MaxMind database, or is cut short or damaged"
            raise GeoError(f"{self.name}: {problem} ({path.stat().st_size:,} bytes)") from error
        self._node_bytes = self.metadata.record_size // 4
        self._tree_bytes = self.metadata.node_count * self._node_bytes
        self._check_metadata()

    def _check_metadata(self) -> None:
        metadata, size = self.metadata, self.path.stat().st_size
        for key, value, good in (
            ("database_type", metadata.database_type, isinstance(metadata.database_type, str)),
            ("ip_version", metadata.ip_version, metadata.ip_version in (4, 6)),
            ("record_size", metadata.record_size, metadata.record_size in (24, 28, 32)),
            ("node_count", metadata.node_count, 0 < self._tree_bytes + DATA_SEPARATOR <= size),
            ("build_epoch", metadata.build_epoch, 0 <= metadata.build_epoch <= _LAST_EPOCH),
        ):
            if not good:
                raise GeoError(f"{self.name}: its metadata make no sense: {key} is {value!r}")

    @property
    def by_extension(self) -> bool:
        """Whether maxminddb's C extension reads the file; pure Python takes ten times as long."""
        return not isinstance(self.reader, maxminddb.Reader)

    def data(self) -> bytes:
        """Returns the data section, which has all records. Raises GeoError if the file has no end to it."""
        with self.path.open("rb") as file:
            file.seek(self._tree_bytes + DATA_SEPARATOR)
            data, marker, _ = file.read().rpartition(_METADATA_MARKER)
        if not marker:
            raise GeoError(f"{self.name}: its metadata overlap with its search tree")
        return data

    def sample(self, size: int) -> list[Any]:
        """Returns records from all over the tree, always the same ones; of a small database, all records.

        At most `size` nodes are followed on each of the 32 to 128 levels. Raises GeoError at the first record
        that cannot be read; it never crashes.
        """
        records = []
        with maxminddb.Reader(self.path, maxminddb.MODE_MMAP) as reader:
            for level in self.walk(size):
                for address in texts(self.metadata.ip_version, level.high, level.low):
                    try:
                        record = reader.get(address)
                    except LOOKUP_ERRORS as error:
                        raise GeoError(
                            f"{self.name}: the record of {address} cannot be read: {error}"
                        ) from error
                    if not _keys_are_text(record):
                        raise GeoError(f"{self.name}: the record of {address} has a key that is not text")
                    records.append(record)
        return records

    def walk(self, sample: int | None = None, aliases: list[Alias] | None = None) -> Iterator[Level]:
        """Yields all networks of the database, in no particular order. With `sample`, at most that many nodes
        are followed on each level of the tree.

        If an IPv6 tree contains its IPv4 networks again (::ffff:0:0/96, 2002::/16), they are walked only
        once, and the prefixes where that is so are added to `aliases`. Raises GeoError if the tree is
        damaged.
        """
        count = self.metadata.node_count
        tree = np.memmap(self.path, np.uint8, "r", shape=(count, self._node_bytes))
        ipv6 = self.metadata.ip_version == 6
        ipv4 = self._ipv4_root(tree) if ipv6 else None
        start = np.zeros(1, np.uint32), np.zeros(1, np.uint64), np.zeros(1, np.uint64)
        pending = [(1 if ipv6 else 97, *start)]
        visited = 0
        while pending:
            depth, nodes, high, low = pending.pop()
            if sample is not None and len(nodes) > sample:
                kept = np.linspace(0, len(nodes) - 1, sample).astype(np.intp)
                nodes, high, low = nodes[kept], high[kept], low[kept]
            visited += len(nodes)
            if depth > 128:
                raise GeoError(f"{self.name}: its search tree is deeper than an address is long")
            if visited > 4 * count:  # sharing a few nodes is legal; this many is a loop
                raise GeoError(f"{self.name}: its search tree has a loop")
            children = _children(tree[nodes]).ravel()
            high, low = _addresses_below(high, low, depth)
            if ipv4 is not None:
                own = (children != ipv4) | ((high | low) == 0)
                if aliases is not None and not own.all():
                    aliases += [Alias(*at, depth) for at in _pairs(high[~own], low[~own])]
                children, high, low = children[own], high[own], low[own]
            leaf = children > count
            if leaf.any():
                records = self._records(children[leaf])
                yield from _levels(depth, records, high[leaf], low[leaf], min(visited / count, 1.0))
            inner = children < count
            children, high, low = children[inner], high[inner], low[inner]
            for at in range(0, len(children), _BATCH):
                part = slice(at, at + _BATCH)
                pending.append((depth + 1, children[part], high[part], low[part]))

    def _records(self, leaves: NDArray[np.uint32]) -> NDArray[np.uint32]:
        records = leaves - np.uint32(self.metadata.node_count)
        room = self.path.stat().st_size - self._tree_bytes
        if int(records.min()) < DATA_SEPARATOR or int(records.max()) >= room:
            raise GeoError(f"{self.name}: its search tree points outside of the data")
        return records

    def _ipv4_root(self, tree: NDArray[np.uint8]) -> int | None:
        node = 0
        for _ in range(96):
            node = int(_children(tree[node : node + 1])[0, 0])
            if node >= self.metadata.node_count:
                return None
        return node


class DistinctRecords:
    """Reads each distinct record of a file once, however many networks have it.

    `read` turns a record into a number, and only these numbers are remembered and returned. A record that
    cannot be decoded has the number 0.
    """

    def __init__(self, file: MmdbFile, read: Callable[[Any], int]) -> None:
        self._file = file
        self._read = read
        self._known: dict[int, int] = {}

    def of_networks(self, level: Level) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Reads the records of the networks of one level of the tree. Returns the numbers that stand for the
        distinct records, and for each network the index, in these numbers, of its own."""
        records, first, inverse = np.unique(level.records, return_index=True, return_inverse=True)
        positions = records.tolist()
        new = [index for index, position in enumerate(positions) if position not in self._known]
        at = first[new]
        addresses = texts(self._file.metadata.ip_version, level.high[at], level.low[at])
        for index, address in zip(new, addresses, strict=True):
            try:
                self._known[positions[index]] = self._read(self._file.reader.get(address))
            except LOOKUP_ERRORS:
                self._known[positions[index]] = 0
        return np.array([self._known[position] for position in positions], np.int64), inverse


def texts(ip_version: int, high: Halves, low: Halves) -> list[str]:
    """Returns addresses as the texts by which a database of this IP version is asked for them."""
    packed = np.stack([high, low], axis=1).astype(">u8").tobytes()
    if ip_version == 4:
        return [socket.inet_ntop(socket.AF_INET, packed[i - 4 : i]) for i in range(16, len(packed) + 1, 16)]
    return [socket.inet_ntop(socket.AF_INET6, packed[i : i + 16]) for i in range(0, len(packed), 16)]


def _keys_are_text(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_keys_are_text, value.values()))
    return not isinstance(value, list) or all(map(_keys_are_text, value))


def _children(nodes: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Returns the left and right records of nodes, shape (nodes, 2), out of the nodes' bytes, a row for each
    node."""
    byte = nodes.astype(np.uint32)
    if byte.shape[1] == 8:
        left = byte[:, 0] << 24 | byte[:, 1] << 16 | byte[:, 2] << 8 | byte[:, 3]
        right = byte[:, 4] << 24 | byte[:, 5] << 16 | byte[:, 6] << 8 | byte[:, 7]
    else:
        left = byte[:, 0] << 16 | byte[:, 1] << 8 | byte[:, 2]
        right = byte[:, -3] << 16 | byte[:, -2] << 8 | byte[:, -1]
        if byte.shape[1] == 7:  # the middle byte holds the highest four bits of both
            left |= (byte[:, 3] & 0xF0) << 20
            right |= (byte[:, 3] & 0x0F) << 24
    return np.stack([left, right], axis=1)


def _addresses_below(high: Halves, low: Halves, depth: int) -> tuple[Halves, Halves]:
    """Returns the first addresses of both halves of each network, in the order of `_children(…).ravel()`.
    `depth` is the prefix length of the halves."""
    high, low = np.repeat(high, 2), np.repeat(low, 2)
    if depth <= 64:
        high[1::2] |= np.uint64(1 << (64 - depth))
    else:
        low[1::2] |= np.uint64(1 << (128 - depth))
    return high, low


def _pairs(high: Halves, low: Halves) -> list[tuple[int, int]]:
    return list(zip(high.tolist(), low.tolist(), strict=True))


def _levels(
    depth: int, records: NDArray[np.uint32], high: Halves, low: Halves, walked: float
) -> Iterator[Level]:
    ipv4 = (high == 0) & (low < np.uint64(1 << 32)) if depth >= 96 else np.zeros(len(records), np.bool_)
    if ipv4.any():
        yield Level(4, depth - 96, records[ipv4], high[ipv4], low[ipv4], walked)
    if not ipv4.all():
        yield Level(6, depth, records[~ipv4], high[~ipv4], low[~ipv4], walked)

"""Holds all prefixes of an ASN database in a few packed arrays, because there are half a million of them."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.geo.mmdb import DistinctRecords, MmdbFile
from app.geo.vendors import asn_of
from app.model import GeoError

_COLUMNS = {"family": np.uint8, "length": np.uint8, "high": np.uint64, "low": np.uint64, "asn": np.uint32}


@dataclass(frozen=True, eq=False)
class PrefixTable:
    """Address prefixes with their AS numbers, as parallel arrays. `family` is 4 or 6. `high` and `low` are
    the 64-bit halves of the first address. IPv4 addresses are in ::/96, but `length` counts as usual for
    IPv4."""

    SCHEMA: ClassVar[int] = 1

    family: NDArray[np.uint8]
    length: NDArray[np.uint8]
    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    asn: NDArray[np.uint32]

    @classmethod
    def scan(cls, files: Sequence[MmdbFile]) -> Self:
        """Collects all prefixes with an AS number. A record that cannot be read counts as one without.
        Raises GeoError if a search tree is damaged."""
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in _COLUMNS}
        for file in files:
            records = DistinctRecords(file, lambda record: asn_of(record) or 0)
            for level in file.walk():
                distinct, inverse = records.of_networks(level)
                numbers = distinct[inverse].astype(np.uint32)
                kept = numbers > 0
                columns["asn"].append(numbers[kept])
                columns["high"].append(level.high[kept])
                columns["low"].append(level.low[kept])
                columns["family"].append(np.full(kept.sum(), level.version, np.uint8))
                columns["length"].append(np.full(kept.sum(), level.length, np.uint8))
        empty = {name: np.empty(0, dtype) for name, dtype in _COLUMNS.items()}
        return cls(**{name: np.concatenate([empty[name], *parts]) for name, parts in columns.items()})

    def select(self, wanted: Collection[int] | None) -> Iterator[tuple[str, int]]:
        """Yields the prefixes of the wanted ASes, each as (prefix, AS number). Yields all prefixes if
        `wanted` is None."""
        rows: Any = slice(None) if wanted is None else np.isin(self.asn, np.array(list(wanted), np.uint32))
        packed = np.stack([self.high[rows], self.low[rows]], axis=1).astype(">u8").tobytes()
        numbers, lengths = self.asn[rows].tolist(), self.length[rows].tolist()
        for row, family in enumerate(self.family[rows].tolist()):
            address = packed[row * 16 : row * 16 + 16]
            text = (
                socket.inet_ntop(socket.AF_INET6, address)
                if family == 6
                else socket.inet_ntop(socket.AF_INET, address[12:])
            )
            yield f"{text}/{lengths[row]}", numbers[row]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode({name: getattr(self, name).tobytes() for name in _COLUMNS})

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Reads a table that `encode` wrote. Raises GeoError if it is damaged."""
        try:
            columns = msgspec.msgpack.decode(content, type=dict[str, bytes])
            arrays = {name: np.frombuffer(columns[name], dtype) for name, dtype in _COLUMNS.items()}
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            raise GeoError(f"kept prefixes of the ASN database are damaged: {error}") from error
        return cls(**arrays)

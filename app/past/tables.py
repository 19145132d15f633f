"""Rewrites the tables of a snapshot, so that a snapshot packs well against another one.

Nearly all of a snapshot are the best mirrors of each place and their costs, best first. When a price moves by
20 km, the costs of that mirror change in every place, and with them the order: hardly a byte stays where it
was. So here the mirrors of each place are named by their indexes in the base, in this order, which changes
seldom. In place of each cost stands its difference from the cost that the mirror had in the base there, moved
as its price has moved: that is zero, or nearly so. The order by cost is found again by sorting.

All of this is exact, to the bit: a difference is one of bit patterns, not of numbers.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

CHUNK = 512  # places at once: the costs of all mirrors at all places would take hundreds of megabytes

Candidates = npt.NDArray[np.uint16]
Costs = npt.NDArray[np.float32]


class _Mirror(msgspec.Struct):
    name: str
    load_km: float


class _Places(msgspec.Struct):
    count: int
    width: int
    #: Both are views into the decoded bytes.
    candidates: memoryview
    costs: memoryview


class _Encoded(msgspec.Struct):
    """The part of an encoded snapshot that matters here; it is in snapshots of any schema up to now."""

    mirrors: tuple[_Mirror, ...]
    places: _Places


_DECODER = msgspec.msgpack.Decoder(_Encoded)


class _Tables:
    """The tables of an encoded snapshot, or of rewritten content. Raises ValueError if it has none."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        encoded = _DECODER.decode(data)
        self.places = encoded.places
        shape = encoded.places.count, encoded.places.width
        self.candidates: Candidates = np.frombuffer(encoded.places.candidates, "<u2").reshape(shape)
        self.load_km = np.array([mirror.load_km for mirror in encoded.mirrors], np.float32)
        self.number = {mirror.name: index for index, mirror in enumerate(encoded.mirrors)}

    @property
    def costs(self) -> Costs:
        return np.frombuffer(self.places.costs, "<f4").reshape(self.candidates.shape)

    def with_tables(self, candidates: bytes, costs: bytes) -> bytes:
        """Returns the same bytes with other tables of the same sizes."""
        data = bytearray(self._data)
        begin = _address(self._data)
        for former, content in ((self.places.candidates, candidates), (self.places.costs, costs)):
            start = _address(former) - begin
            data[start : start + len(former)] = content
        return bytes(data)

    def numbers_in(self, base: _Tables | None) -> npt.NDArray[np.uint16]:
        """Returns the number of each mirror in rewritten content: its index in the base or, if it is not
        there, one behind all of the base's."""
        known = base.number if base is not None else {}
        numbers = [known.get(name, len(known) + index) for name, index in self.number.items()]
        return np.array(numbers, np.uint16)


def _address(content: bytes | memoryview) -> int:
    return int(np.frombuffer(content, np.uint8).__array_interface__["data"][0])


def rewritten(data: bytes, base: bytes | None) -> bytes:
    """Returns an encoded snapshot with its tables rewritten, against those of another one if there is one.
    Raises ValueError if `restored` would not give the very same bytes back."""
    tables, known = _Tables(data), _Tables(base) if base is not None else None
    numbers = tables.numbers_in(known)[tables.candidates]
    order = np.argsort(numbers, axis=1)
    numbers = np.take_along_axis(numbers, order, axis=1)
    costs = np.take_along_axis(tables.costs, order, axis=1)
    bits = costs.view(np.int32) - _expected(numbers, tables, known).view(np.int32)
    folded = (bits << 1) ^ (bits >> 31)  # a small number of either sign has small bytes
    planes = folded.astype("<i4").view(np.uint8).reshape(-1, 4).T
    content = tables.with_tables(numbers.astype("<u2").tobytes(), planes.tobytes())
    if restored(content, base) != data:
        raise ValueError("the tables of this snapshot are of another kind")
    return content


def restored(content: bytes, base: bytes | None) -> bytes:
    """Returns the encoded snapshot of which `rewritten` made this content with the same base. Raises
    ValueError or IndexError for anything else."""
    tables, known = _Tables(content), _Tables(base) if base is not None else None
    numbers = tables.candidates
    planes = np.frombuffer(tables.places.costs, np.uint8).reshape(4, -1)
    folded = np.ascontiguousarray(planes.T).view("<u4").reshape(numbers.shape)
    bits = (folded >> 1).view(np.int32) ^ -(folded & 1).view(np.int32)
    costs = (bits + _expected(numbers, tables, known).view(np.int32)).view(np.float32)
    of_mirrors = tables.numbers_in(known)
    indexes = np.zeros(int(of_mirrors.max(initial=0)) + 1, np.uint16)
    indexes[of_mirrors] = np.arange(len(of_mirrors))
    candidates = indexes[numbers]
    order = np.lexsort((candidates, costs), axis=1)
    return tables.with_tables(
        np.take_along_axis(candidates, order, axis=1).astype("<u2").tobytes(),
        np.take_along_axis(costs, order, axis=1).astype("<f4").tobytes(),
    )


def alike(base: bytes) -> bytes:
    """Returns a base in a form that is much like content that was rewritten against it. Raises ValueError."""
    known = _Tables(base)
    candidates = np.sort(known.candidates, axis=1).astype("<u2")
    return known.with_tables(candidates.tobytes(), bytes(len(known.places.costs)))


def _expected(numbers: Candidates, tables: _Tables, base: _Tables | None) -> Costs:
    """Returns the cost that each candidate, by its number in rewritten content, would have if only prices had
    changed since the base; 0 where that is not known."""
    expected = np.zeros(numbers.shape, np.float32)
    if base is None or len(base.candidates) != len(numbers):
        return expected
    size = len(base.number)
    load_km = np.zeros(size + int(tables.numbers_in(base).max(initial=0)) + 1, np.float32)
    load_km[tables.numbers_in(base)] = tables.load_km
    moved_km = load_km[:size] - base.load_km
    for start in range(0, len(numbers), CHUNK):
        rows = slice(start, start + CHUNK)
        had = base.candidates[rows].astype(np.intp)
        costs = np.zeros((len(had), size + 1), np.float32)
        np.put_along_axis(costs, had, base.costs[rows] + moved_km[had], axis=1)
        expected[rows] = np.take_along_axis(costs, np.minimum(numbers[rows], size).astype(np.intp), axis=1)
    return expected

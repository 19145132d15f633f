"""Snapshots with rewritten tables: they come back to the bit, and pack well against each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.past.packing import PastError, header_of, pack_snapshot, unpack
from app.past.tables import restored, rewritten
from app.snapshot.schema import Snapshot, encode
from tests.builders import TOWN_CELLS, TOWNS, Network, a_mirror

CELLS = {
    f"{country}/{int(latitude) + shift}/{int(longitude)}": (latitude + shift, longitude)
    for country, latitude, longitude in TOWNS.values()
    for shift in range(-8, 9)
}
NAMES = [(f"m{number:03}", town) for number in range(12) for town in TOWNS]
MIRRORS = [
    a_mirror(f"{name}-{town.replace(' ', '')}", town, weight=1 + n) for n, (name, town) in enumerate(NAMES)
]
PRICES = {mirror.name: 20.0 * (number % 7) for number, mirror in enumerate(MIRRORS)}


def snapshot(without: int = 0, **changes: object) -> bytes:
    """144 mirrors for some hundred places, but for the first ones."""
    settings = {"cells": CELLS, "load_km": PRICES, **changes}
    return encode(Network(mirrors=MIRRORS[without:], **settings).compile())  # type: ignore[arg-type]


def moved() -> bytes:
    """A third of the prices has moved."""
    moves = {name: km + 20 * (number % 3 == 0) for number, (name, km) in enumerate(PRICES.items())}
    return snapshot(load_km=moves)


def one_more() -> bytes:
    """A mirror whose name is in the middle moves the indexes of all behind it."""
    return encode(
        Network(mirrors=[*MIRRORS, a_mirror("m005-a", "paris")], cells=CELLS, load_km=PRICES).compile()
    )


def others() -> bytes:
    return encode(Network(mirrors=[a_mirror("x", "paris"), a_mirror("y", "tokyo")], cells=CELLS).compile())


@pytest.fixture(scope="module")
def base() -> bytes:
    return snapshot()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(snapshot, id="the same"),
        pytest.param(moved, id="other prices"),
        pytest.param(one_more, id="a mirror more"),
        pytest.param(lambda: snapshot(without=30), id="fewer mirrors"),
        pytest.param(others, id="quite others"),
        pytest.param(lambda: snapshot(cells=TOWN_CELLS), id="other places"),
        pytest.param(lambda: encode(Network(mirrors=[], cells=CELLS).compile()), id="no mirror"),
    ],
)
def test_to_the_bit(base: bytes, other: Callable[[], bytes]) -> None:
    """Whatever has changed since the base, and also with the two exchanged."""
    data = other()
    for one, against in ((data, base), (base, data), (data, None)):
        assert restored(rewritten(one, against), against) == one


@pytest.mark.parametrize("other", [moved, one_more], ids=["other prices", "a mirror more"])
def test_little_is_left(base: bytes, other: Callable[[], bytes], tmp_path: Path) -> None:
    """A snapshot with other prices takes a tenth of one alone, although hardly a cost is what it was."""
    first, second = tmp_path / "first", tmp_path / "second"
    data = other()
    pack_snapshot(first, base, (), None)
    pack_snapshot(second, data, ("a" * 64,), first)
    assert unpack(second) == data and header_of(second).databases == ("a" * 64,)
    assert second.stat().st_size < first.stat().st_size / 8


def test_what_is_no_snapshot_is_packed_as_it_is(base: bytes, tmp_path: Path) -> None:
    """So is a snapshot whose tables this version cannot rewrite."""
    decoded = msgspec.msgpack.decode(base, type=Snapshot)
    places = msgspec.structs.replace(decoded.places, candidates=decoded.places.candidates[::-1])
    unordered = encode(msgspec.structs.replace(decoded, places=places))
    for number, content in enumerate((b"", b"\x80", b"anything", unordered)):
        path = tmp_path / str(number)
        pack_snapshot(path, content, (), None)
        assert unpack(path) == content and not header_of(path).rewritten


def test_every_damage_is_noticed_or_harmless(base: bytes, tmp_path: Path) -> None:
    """Each single byte that is spoilt gives the content or an error, and no other exception."""
    path = tmp_path / "packed"
    pack_snapshot(path, base, (), None)
    packed = path.read_bytes()
    for position in [*range(60), *range(60, len(packed), len(packed) // 60)]:
        spoilt = bytearray(packed)
        spoilt[position] ^= 0xFF
        path.write_bytes(spoilt)
        try:
            unpack(path)
        except PastError as error:
            assert str(path) in str(error)

"""AlmaLinux's 530 mirrors and DB-IP's places of the whole world: who is sent where."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from app.geo.places import PlaceTable
from app.logs import Faults
from app.model import ClientClass
from app.ranking import ranking
from app.request.parameters import ParameterReader
from app.request.question import Parser, Question
from app.settings import read_settings
from app.snapshot.compile import compile_snapshot
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import encode, generation_of
from app.worker.reader import InputReader
from tests.builders import NOW, select
from tests.once import Scanned

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Real:
    """`data`: the snapshot encoded; `unlocated`: mirrors of which nobody knows where they are."""

    data: bytes
    snapshot: LoadedSnapshot
    places: PlaceTable
    question: Question
    compile_s: float

    def served(self, place: str, spread: int, question: Question | None = None) -> list[int]:
        client = ClientClass(place=place, network="", spread=spread, family=4)
        return select(self.snapshot, client, question or self.question).mirrors

    def countries_served(self, place: str, spread: int) -> list[str | None]:
        return [self.snapshot.mirrors[index].country for index in self.served(place, spread)]

    def biggest_cell(self, country: str) -> str:
        """Where most of a country's clients are."""
        clients = {
            name: count
            for name, count in zip(self.places.names, self.places.clients.tolist(), strict=True)
            if name.startswith(f"{country}/")
        }
        return max(clients, key=lambda name: clients[name])


@pytest.fixture(scope="session")
def real(
    real_data: Path, dbip: list[Path], scanned_dbip: Scanned, tmp_path_factory: pytest.TempPathFactory
) -> Real:
    folder = tmp_path_factory.mktemp("real")
    for name, target in (
        ("config.yml", "almalinux/config.yml"),
        ("mirrors.d", "almalinux/mirrors.d"),
        ("cloud", "cloud"),
    ):
        (folder / name).symlink_to(real_data / target)
    var = scanned_dbip.copied(tmp_path_factory.mktemp("scanned") / "var")
    settings = read_settings(
        {"MIRRORWISE_DATA": str(folder), "MIRRORWISE_VAR": str(var), "GEOIP_CITY": ",".join(map(str, dbip))}
    )
    faults = Faults(logging.getLogger(__name__))
    reader = InputReader(settings, faults)
    inputs = reader.read(NOW.timestamp(), {})
    reader.geo.scan(wait=True)
    assert faults.current == {}
    places = reader.geo.places
    assert places is not None
    inputs = replace(inputs, places=places)
    began = time.perf_counter()
    data = encode(compile_snapshot(inputs))
    compile_s = time.perf_counter() - began
    snapshot = LoadedSnapshot(generation_of(data), data)
    parser = Parser(snapshot.config, ParameterReader(snapshot.policy))
    question = parser.parse_list({"arch": "x86_64"}, "9", "baseos")
    return Real(data, snapshot, places, question, compile_s)


def test_size_and_time(real: Real, capsys: pytest.CaptureFixture[str]) -> None:
    """All mirrors and places are in the snapshot; what it costs is printed."""
    began = time.perf_counter()
    again = LoadedSnapshot(real.snapshot.generation, real.data)
    decode_ms = 1000 * (time.perf_counter() - began)
    began = time.perf_counter()
    for row in range(0, len(again.rows), 10):
        again.near(row, row % 32)
    near_us = 1e6 * (time.perf_counter() - began) / len(range(0, len(again.rows), 10))
    with capsys.disabled():
        print(  # noqa: T201 - for whoever looks at the time
            f"\n{len(again.mirrors)} mirrors, {len(again.rows)} places, {len(real.data) / 1e6:.1f} MB:"
            f" compiled in {real.compile_s:.2f} s, decoded in {decode_ms:.1f} ms, {near_us:.0f} us an order"
        )
    assert len(again.mirrors) == 530
    assert set(real.places.names) <= set(again.rows)
    assert again.rows == real.snapshot.rows


def test_ranking_on_demand_costs_what_was_compiled(real: Real) -> None:
    """Bit for bit, in places all over the world."""
    snapshot = real.snapshot
    for row in range(0, len(snapshot.rows), 40):
        stored = dict(zip(snapshot._candidates[row].tolist(), snapshot._costs[row].tolist(), strict=True))
        ranked = snapshot.rank(row, 0, snapshot.rankable)
        on_demand = dict(zip(ranked.indexes, ranked.terms.total()[0].tolist(), strict=True))
        assert {index: on_demand[index] for index in stored} == stored
        near, _ = snapshot.near(row, 0)
        assert near == ranked.indexes[: len(near)]


def test_every_public_mirror_that_is_somewhere_is_in_somebodys_list(real: Real) -> None:
    """Nobody runs a mirror for nothing: the clients around it have it in their lists."""
    snapshot = real.snapshot
    cells = [row for name, row in snapshot.rows.items() if "/" in name and not name.startswith("@")]
    points = snapshot.points_of(cells)
    names = list(snapshot.rows)
    missing = []
    located = [index for index in snapshot.rankable if snapshot.mirrors[index].coordinates]
    for index in located:
        vector = snapshot.table.vectors[:, index]
        own = points.country == snapshot.table.country[index]
        near = int(np.argmax(np.where(own if own.any() else True, vector @ points.vectors, -2)))
        place = names[cells[near]]
        if not any(index in real.served(place, spread) for spread in range(ranking.SPREADS)):
            missing.append((snapshot.mirrors[index].name, place))
    assert len(located) > 400
    assert missing == []


def test_mirrors_that_are_nowhere_are_still_served(real: Real) -> None:
    """Without a location a mirror comes last everywhere, but for clients of whom nothing is known."""
    snapshot = real.snapshot
    nowhere = {index for index in snapshot.rankable if snapshot.mirrors[index].coordinates is None}
    order = snapshot.far(snapshot.row_of("DE/50/8"), 0)
    assert set(order[-len(nowhere) :]) == nowhere
    longest = msgspec.structs.replace(real.question, limit=50)
    served = {index for spread in range(32) for index in real.served("", spread, longest)}
    assert nowhere <= served


COUNTRIES = [
    *("US", "DE", "FR", "GB", "NL", "PL", "SE", "IT", "ES", "CZ"),
    *("CH", "BR", "CA", "AU", "JP", "KR", "IN", "ZA", "TR", "ID"),
]


@pytest.mark.parametrize("country", COUNTRIES)
def test_own_country_first(real: Real, country: str) -> None:
    """In the place with most of a country's clients, its own mirrors come first, whatever the spread,
    and nearly all of them are in the list, if there are not more than it is long."""
    own = sum(real.snapshot.mirrors[index].country == country for index in real.snapshot.rankable)
    assert own > 0
    place = real.biggest_cell(country)
    for spread in range(32):
        countries = real.countries_served(place, spread)
        assert countries[0] == country
        assert countries.count(country) >= 0.8 * min(own, len(countries))


def test_luxembourg(real: Real) -> None:
    """A Luxembourg client gets mirrors in LU, DE, BE, FR and NL, and at times one that is not farther
    away than these; not random Europe."""
    place = real.biggest_cell("LU")
    near = {"LU", "DE", "BE", "FR", "NL"}
    lists = [real.countries_served(place, spread) for spread in range(32)]
    assert {countries[0] for countries in lists} <= near
    together = Counter(country for countries in lists for country in countries)
    assert sum(together[country] for country in near) >= 0.95 * together.total()
    row = real.snapshot.row_of(place)
    indexes = sorted({index for spread in range(32) for index in real.served(place, spread)})
    assert real.snapshot.rank(row, 0, indexes).terms.distance.max() < 550

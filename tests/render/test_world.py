"""The ground of all maps: where land is, and where a point is on a map."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from app.model import Coordinates
from app.render.world import CONTINENTS, NORTH, SOUTH, WIDTH, WORLD, View, around, picture

Ring = list[tuple[int, int]]
LAND = Path(__file__).parents[2] / "app" / "render" / "land.path"
LARGEST_BYTES = 40_000


def at(north: float, east: float) -> Coordinates:
    return Coordinates(latitude=north, longitude=east)


def rings() -> Iterator[Ring]:
    """The outlines, as a browser would go along them, in tenths of a degree."""
    for start, steps in re.findall(r"M([^l]+)l([^z]+)z", LAND.read_text(encoding="ascii")):
        east, north = map(int, re.findall(r"-?\d+", start))
        ring = [(east, north)]
        numbers = [int(number) for number in re.findall(r"-?\d+", steps)]
        for eastward, northward in zip(numbers[::2], numbers[1::2], strict=True):
            east, north = east + eastward, north + northward
            ring.append((east, north))
        yield ring


def is_land(north: float, east: float) -> bool:
    """Whether a point is inside of an odd number of outlines."""
    x, y = (east + 169) % 360 * 10 - 1690, north * 10
    crossed = 0
    for ring in rings():
        for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                crossed += 1
    return crossed % 2 == 1


@pytest.mark.parametrize(
    ("north", "east", "expected"),
    [
        pytest.param(50.1, 8.7, True, id="Frankfurt"),
        pytest.param(-23.5, -46.9, True, id="Sao Paulo"),
        pytest.param(-25.3, 131.0, True, id="Uluru"),
        pytest.param(66.5, -173.0, True, id="Chukotka, beyond 180 degrees"),
        pytest.param(64.9, -164.0, True, id="Alaska, beside it"),
        pytest.param(30.0, -40.0, False, id="the Atlantic"),
        pytest.param(0.0, -140.0, False, id="the Pacific"),
        pytest.param(42.0, 51.0, False, id="the Caspian Sea"),
    ],
)
def test_land_is_land(north: float, east: float, expected: bool) -> None:
    """The outlines have land where land is, and water where water is, on both sides of the date line."""
    assert is_land(north, east) is expected


def test_the_outlines_are_small() -> None:
    """They stand in every page with a map, and end where the map of the world does."""
    assert len(LAND.read_bytes()) <= LARGEST_BYTES
    assert all(north > SOUTH * 10 for ring in rings() for _, north in ring)


@pytest.mark.parametrize(
    ("north", "east", "x", "y"),
    [
        pytest.param(NORTH, -169, 0, 3.5, id="the upper left corner"),
        pytest.param(SOUTH + 1, -169.001, WIDTH, 500.5, id="the lower right corner"),
        pytest.param(12, 11, 500, 252, id="the middle"),
        pytest.param(12, 371, 500, 252, id="once more around"),
        pytest.param(-90, 11, 500, 500.5, id="the South Pole is at the edge"),
    ],
)
def test_a_point_is_where_it_is(north: float, east: float, x: float, y: float) -> None:
    """The map of the world is cut at 169 degrees west, and has a place for every point."""
    assert WORLD.point(at(north, east)) == pytest.approx((x, y), abs=0.1)
    assert WORLD.has(at(north, east))


FRANKFURT, AUCKLAND, SUVA, SEATTLE = at(50.1, 8.7), at(-36.8, 174.8), at(-18.1, 178.4), at(47.6, -122.3)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([FRANKFURT], id="one"),
        pytest.param([FRANKFURT, at(48.1, 11.6), at(52.5, 13.4)], id="near ones"),
        pytest.param([AUCKLAND, SEATTLE, SUVA], id="across the date line"),
        pytest.param([SEATTLE, at(35.7, 139.7)], id="across the date line, to the west"),
        pytest.param([FRANKFURT, AUCKLAND, SEATTLE, at(-33, -70), at(1.3, 103.8)], id="all over the world"),
        pytest.param([at(78.2, 15.6)], id="the far north"),
        pytest.param([at(-54.8, -68.3), at(64.1, -21.9)], id="from south to north"),
    ],
)
def test_a_part_of_the_world_has_its_points(points: list[Coordinates]) -> None:
    """The part of the world around some points has all of them on it, none of them at its edge, and no way
    from the first of them is longer than half the map."""
    view = around(points)
    here, _ = view.point(points[0])
    for point in points:
        x, y = view.point(point)
        assert 20 <= x <= WIDTH - 20
        assert 5 <= y <= view.height - 5
        assert abs(x - here) <= 0.8 * WIDTH if len(points) < 5 else WIDTH / 2


def test_a_small_part_is_true_to_shape() -> None:
    """Around a town in the north, as many kilometres are as long from west to east as from south to north."""
    view = around([at(60, 25)])
    km_per_degree = 111.2
    east = (view.x(26) - view.x(25)) / (km_per_degree / 2)
    north = (view.y(60) - view.y(61)) / km_per_degree
    assert east == pytest.approx(north, rel=0.02)


@pytest.mark.parametrize(
    ("view", "times"),
    [
        pytest.param(WORLD, 1, id="the world"),
        pytest.param(CONTINENTS["EU"], 1, id="Europe"),
        pytest.param(around([AUCKLAND, SEATTLE]), 2, id="across the cut"),
        pytest.param(around([SEATTLE, at(35.7, 139.7)]), 2, id="across the cut, to the west"),
    ],
)
def test_land_goes_on_beyond_the_cut(view: View, times: int) -> None:
    """Where a map shows both sides of the cut, both have their land."""
    svg = picture("a map", view)
    assert svg.count('class="land"') + svg.count("<use") == times


def test_the_continents_are_in_the_world() -> None:
    """No map of a continent ends outside of the world."""
    for view in CONTINENTS.values():
        south = view.north - view.height / view.per_degree / view.stretch
        assert view.north <= NORTH
        assert south >= SOUTH

"""The pictures on pages: SVG made of numbers alone."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from app.model import MirrorDay
from app.render import pictures
from app.render.pictures import SECONDS_OF_DAY as DAY_S
from app.render.pictures import Cell

NUMBER = re.compile(r"-?[0-9.]+")


def drawn(path: str) -> set[Cell]:
    """The cells that a path of degrees covers, as a browser would go along it."""
    cells: set[Cell] = set()
    x = y = 0
    for letter, given in re.findall(r"([Mmh])([^Mmh]*)", path):
        numbers = [int(number) for number in NUMBER.findall(given)]
        match letter:
            case "M":
                x, y = numbers
            case "m":
                x, y = x + numbers[0], y + numbers[1]
            case "h":
                cells |= {(y, (east + 180) % 360 - 180) for east in range(x, x + numbers[0])}
                x += numbers[0]
    return cells


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own picture


def shades(svg: str) -> dict[float, set[Cell]]:
    """The cells of each opacity."""
    paths = (path for path in parsed(svg).iter("path") if "opacity" in path.attrib)
    return {float(path.attrib["opacity"]): drawn(path.attrib["d"]) for path in paths}


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param({(50, 8)}, id="one"),
        pytest.param({(50, 8), (50, 9), (50, 10)}, id="neighbours"),
        pytest.param({(50, 8), (50, 10)}, id="a gap"),
        pytest.param({(0, 0), (-1, -1), (-1, 0), (0, -1)}, id="around the origin"),
        pytest.param({(83, -180), (-60, 179), (12, 179), (12, -180)}, id="edges"),
    ],
)
def test_a_map_has_its_cells(cells: set[Cell]) -> None:
    """Each cell is drawn where it is, and no other."""
    assert shades(pictures.world(dict.fromkeys(cells, 5), "a map").svg) == {0.2: cells}


def test_more_is_darker() -> None:
    """The shades go in equal ratios from the smallest number to the largest, and each cell has its own."""
    numbers = {(0, east): 10**east for east in range(1, 7)}
    world = pictures.world(numbers, "a map")
    assert world.shades == (10, 100, 1000, 10_000, 100_000)
    found = shades(world.svg)
    assert list(found) == sorted(found)
    assert [sorted(cells) for cells in found.values()] == [
        [(0, 1)],
        [(0, 2)],
        [(0, 3)],
        [(0, 4)],
        [(0, 5), (0, 6)],
    ]


def test_an_empty_map() -> None:
    """Nothing is drawn but the land, and there are no shades."""
    world = pictures.world({}, "a map")
    assert (world.shades, shades(world.svg)) == ((), {})


@pytest.mark.parametrize(
    ("largest", "top"),
    [(0, 4), (1, 4), (4, 4), (7, 8), (10, 10), (11, 20), (21, 25), (26, 30), (99, 100), (123_456, 200_000)],
)
def test_the_top_is_a_round_number(largest: int, top: int) -> None:
    """The picture ends at a number that people can read, not far above the largest."""
    assert pictures.columns([0, largest], "numbers").top == top


def test_columns_are_as_high_as_their_numbers() -> None:
    """Each number has its column, in order; nothing has none."""
    svg = parsed(pictures.columns([100, 0, 25], "numbers").svg)
    data = svg.findall("path")[1].attrib["d"]
    assert data == "M0.5 100v-100M2.5 100v-25"
    assert svg.attrib["viewBox"] == "0 0 3 100"


def test_a_bar_and_its_mark() -> None:
    """A bar is as long as its part, and the mark stands at its own."""
    svg = parsed(pictures.bar(0.5, 0.25))
    assert [path.attrib["d"] for path in svg] == ["M0 6h50", "M25 0v12"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([MirrorDay()], {}, id="not known"),
        pytest.param([MirrorDay(up_s=DAY_S)] * 2, {"ok": "M0.5 100v-100M1.5 100v-100"}, id="up"),
        pytest.param(
            [MirrorDay(up_s=DAY_S // 2, stale_s=DAY_S // 4, out_s=DAY_S // 4)],
            {"ok": "M0.5 100v-50", "warn": "M0.5 50v-25", "bad": "M0.5 25v-25"},
            id="one above the other",
        ),
        pytest.param(
            [MirrorDay(), MirrorDay(out_s=DAY_S // 2)], {"bad": "M1.5 100v-50"}, id="half a day known"
        ),
    ],
)
def test_conditions(days: list[MirrorDay], expected: dict[str, str]) -> None:
    """Each day is a column of up, stale and out, whose heights are their parts of the day."""
    svg = str(pictures.conditions(days, "Up, stale and out by day"))
    assert dict(re.findall(r'<path class="(\w+)" d="([^"]+)"/>', svg)) == expected
    assert 'role="img" aria-label="Up, stale and out by day"' in svg

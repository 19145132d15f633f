"""Makes the outlines of the world's land that maps are drawn on: `app/render/land.path`.

    npm pack world-atlas@2.0.2 && tar -xzf world-atlas-2.0.2.tgz package/land-110m.json
    python data/make_outlines.py package/land-110m.json

The outlines are Natural Earth's 1:110m land (naturalearthdata.com, public domain), in the TopoJSON form in
which the package has them (https://github.com/topojson/topojson-specification). They are simplified by the
algorithm of Ramer, Douglas and Peucker and become the path of an SVG, in tenths of a degree east and north.
The world is cut where a map of it ends, at 169° W, which is almost all water.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

Point = tuple[float, float]
"""Degrees east and north."""

RESULT = Path(__file__).parents[1] / "app" / "render" / "land.path"
CUT = -169
SOUTHERNMOST = -60
"""Antarctica is left out: the maps end here."""
TOLERANCE = 0.12
"""How far the simplified outline may be from the real one, in degrees."""
PER_DEGREE = 10


def rings(topology: dict[str, Any]) -> Iterator[list[Point]]:
    """Yields the outline of each piece of land, and of each inland sea."""
    arcs = [list(_points(arc, topology["transform"])) for arc in topology["arcs"]]
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"]:
            for numbers in polygon:
                yield [point for number in numbers for point in _directed(arcs, number)[1:]]


def _points(arc: list[list[int]], transform: dict[str, list[float]]) -> Iterator[Point]:
    """Yields the points of an arc, which is written as the way from each to the next."""
    (east_scale, north_scale), (west, south) = transform["scale"], transform["translate"]
    east = north = 0
    for eastward, northward in arc:
        east, north = east + eastward, north + northward
        yield west + east * east_scale, south + north * north_scale


def _directed(arcs: list[list[Point]], number: int) -> list[Point]:
    """Returns an arc; one whose number is the complement of another's is the same arc backwards."""
    return arcs[number] if number >= 0 else arcs[~number][::-1]


def placed(ring: list[Point]) -> list[Point]:
    """Returns an outline in one piece, although degrees east jump by 360 at the date line, on the side of the
    cut on which most of it is."""
    easts = [ring[0][0]]
    for east, _ in ring[1:]:
        easts.append(easts[-1] + (east - easts[-1] + 180) % 360 - 180)
    turn = (sum(easts) / len(easts) - CUT) // 360 * 360
    return [(east - turn, north) for east, (_, north) in zip(easts, ring, strict=True)]


def simplified(ring: list[Point]) -> list[Point]:
    """Returns an outline without the points that are within `TOLERANCE` of the line between others."""
    farthest = max(range(len(ring)), key=lambda i: abs(complex(*ring[i]) - complex(*ring[0])))
    there, back = ring[: farthest + 1], [*ring[farthest:], ring[0]]
    return _simplified(there)[:-1] + _simplified(back)[:-1]


def _simplified(line: list[Point]) -> list[Point]:
    kept, spans = {0, len(line) - 1}, [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        between = range(first + 1, last)
        worst = max(between, key=lambda i: _distance(line[i], line[first], line[last]), default=None)
        if worst is not None and _distance(line[worst], line[first], line[last]) > TOLERANCE:
            kept.add(worst)
            spans += [(first, worst), (worst, last)]
    return [line[i] for i in sorted(kept)]


def _distance(point: Point, begin: Point, end: Point) -> float:
    """Returns the distance of a point from the line between two others."""
    way, there = complex(*end) - complex(*begin), complex(*point) - complex(*begin)
    part = (there * way.conjugate()).real / abs(way) ** 2 if way else 0.0
    return abs(there - min(1.0, max(0.0, part)) * way)


def path_of(ring: list[Point]) -> str:
    """Returns the path of an outline: its first point, and from there the way from each to the next."""
    points = [(round(east * PER_DEGREE), round(north * PER_DEGREE)) for east, north in ring]
    points = [point for point, following in pairwise([*points, points[0]]) if point != following]
    if len(points) < 3:
        return ""
    steps = "".join(_signed(b[0] - a[0]) + _signed(b[1] - a[1]) for a, b in pairwise(points))
    return f"M{points[0][0]}{_signed(points[0][1])}l{steps.lstrip()}z"


def _signed(number: int) -> str:
    """Returns a number as it stands behind another one in a path: a minus sign parts them too."""
    return f" {number}" if number >= 0 else str(number)


if __name__ == "__main__":
    land = [placed(ring) for ring in rings(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))]
    land = [ring for ring in land if max(north for _, north in ring) > SOUTHERNMOST]
    RESULT.write_text(
        "\n".join(filter(None, (path_of(simplified(r)) for r in land))) + "\n", encoding="utf-8"
    )

"""Draws the world, and parts of it, as the ground of all maps on pages.

The projection is the equirectangular one: degrees are straight and of equal length, and a degree north is
as long as it is in the middle of the map. So cells of degrees stay rectangles, whatever part of the world is
shown. Every map is `WIDTH` units wide: what is drawn on it, such as a dot, has the same size on each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from math import cos, radians
from pathlib import Path

from markupsafe import Markup, escape

from app.model import Coordinates

WIDTH = 1000
NORTH, SOUTH = 84, -60
"""The degrees between which the world is shown: people live on no others."""
CUT = -169
"""The degrees east where a map of the world is cut, which is in the Bering Strait (data/make_outlines.py)."""
_PER_DEGREE = 10  # the outlines' unit
_NARROWEST = 18
_ROOM = 1.3
"""How much larger than what it shows a part of the world is."""
_FLATTEST = 60
"""The degrees north or south from which on a degree north is drawn as here: otherwise the far north would be
nothing but a band."""


@dataclass(frozen=True)
class View:
    """The part of the world that a map shows."""

    #: The degrees east of its left edge, and north of its upper edge.
    west: float
    north: float
    #: How many degrees it shows from west to east.
    degrees: float
    #: How many times as long as a degree east a degree north is.
    stretch: float
    #: The height of the map, in units.
    height: int

    @cached_property
    def per_degree(self) -> float:
        """The length of a degree east, in units."""
        return WIDTH / self.degrees

    def x(self, east: float) -> float:
        """Returns how far from the left edge a meridian is; the meridian 0.01 degrees west of that edge is at
        the right end of a map of the world."""
        return (east - self.west) % 360 * self.per_degree

    def y(self, north: float) -> float:
        """Returns how far below the upper edge a parallel is."""
        return (self.north - north) * self.per_degree * self.stretch

    def point(self, where: Coordinates) -> tuple[float, float]:
        """Returns where a point is on the map. What is farther north or south than the world is shown is at
        the edge."""
        return self.x(where.longitude), self.y(min(NORTH - 1, max(SOUTH + 1, where.latitude)))

    def has(self, where: Coordinates) -> bool:
        """Returns whether the map shows a point."""
        x, y = self.point(where)
        return 0 <= x <= WIDTH and 0 <= y <= self.height

    def turned(self, east: int) -> int:
        """Returns the degrees east of a meridian as the same meridian has them right of `west`."""
        return int((east - self.west) % 360 + self.west)


WORLD = View(west=CUT, north=NORTH, degrees=360, stretch=1.26, height=504)
"""The whole world. It is true to shape at 37.5° north and south, which distorts it least on the whole."""

CONTINENTS = {
    "AF": View(west=-45, north=40, degrees=125, stretch=1.05, height=650),
    "AS": View(west=22, north=62, degrees=132, stretch=1.15, height=650),
    "EU": View(west=-26, north=71.5, degrees=76, stretch=1.5, height=740),
    "NA": View(west=-150, north=66, degrees=110, stretch=1.26, height=690),
    "OC": View(west=105, north=12, degrees=96, stretch=1.1, height=690),
    "SA": View(west=-112, north=15, degrees=110, stretch=1.08, height=710),
}
"""The part of the world in which most of each continent is, by the continent's code."""


def around(points: Iterable[Coordinates], height: int = 504) -> View:
    """Returns the smallest part of the world that shows all of these points, with some room around them. The
    first one is not far from the middle, so that no way from there leads around the back of the Earth."""
    points = list(points)
    first = points[0].longitude
    easts = [(point.longitude - first + 180) % 360 - 180 for point in points]
    norths = [min(NORTH, max(SOUTH, point.latitude)) for point in points]
    middle = (max(norths) + min(norths)) / 2
    stretch = 1 / cos(radians(min(_FLATTEST, abs(middle))))
    flat = WIDTH / height * stretch  # degrees from west to east for each from north to south
    degrees = max(
        _NARROWEST * stretch, (max(easts) - min(easts)) * _ROOM, (max(norths) - min(norths)) * _ROOM * flat
    )
    if degrees > 360 or degrees / flat > NORTH - SOUTH:
        return View(first - 180, NORTH, 360, WORLD.stretch, WORLD.height)
    north = min(NORTH, max(SOUTH + degrees / flat, middle + degrees / flat / 2))
    west = first + (max(easts) + min(easts)) / 2 - degrees / 2
    return View(round(west, 1), round(north, 1), round(degrees, 1), round(stretch, 2), height)


def picture(title: str, view: View, *content: str, is_plain: bool = False) -> Markup:
    """Draws a part of the world with content on it, which is SVG. `title` says to those who cannot see it
    what the picture is. A plain one has no links in it."""
    kind, role = ("map plain", "img") if is_plain else ("map", "group")
    said = f'class="{kind}" role="{role}" aria-label="{escape(title)}"'
    begin = f'<svg {said} viewBox="0 0 {WIDTH} {view.height}">'
    return Markup("".join((begin, _land(view), *content, "</svg>")))  # noqa: S704 - content is SVG


def on_degrees(view: View, content: Markup, per_degree: int = 1) -> Markup:
    """Returns what is drawn in degrees, or so many parts of one, east and north, as it is on the map."""
    x, y = view.per_degree / per_degree, view.per_degree * view.stretch / per_degree
    matrix = f"{x:.4g} 0 0 {-y:.4g} {-view.west * view.per_degree:.1f} {view.y(0):.1f}"
    return Markup('<g transform="matrix({})">{}</g>').format(matrix, content)


def _land(view: View) -> Markup:
    """Draws the land. Where a map goes beyond the cut, the land is drawn there once more."""
    beyond = [
        turn for turn in (-360, 360) if view.west < CUT + 360 + turn and view.west + view.degrees > CUT + turn
    ]
    name = Markup(' id="land"') if beyond else ""
    land = Markup('<path class="land"{} d="{}"/>').format(name, _outlines())
    land += Markup("").join(
        Markup('<use href="#land" x="{}"/>').format(turn * _PER_DEGREE) for turn in beyond
    )
    return on_degrees(view, land, _PER_DEGREE)


@cache
def _outlines() -> Markup:
    """Returns the path of the world's land, in tenths of a degree."""
    return escape((Path(__file__).parent / "land.path").read_text(encoding="ascii").replace("\n", ""))

"""Draws mirrors on maps of the world, as SVG.

A mirror is a dot as large as its share of clients. Its shape and colour say how it is. Where mirrors of one
country stand so close that their dots would lie on each other, one ring stands for all of them: it has their
number in it, and its arcs are the parts of them that are well or not. Dots of different countries stay apart,
and the smaller one lies on top, so that a small country's mirror is seen beside a large neighbour's.

A map only repeats what stands in a table on its page. Texts of mirror files are in titles and in the
addresses of links alone, and are escaped there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from math import cos, hypot, inf, pi, sin, sqrt
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from app.explain.explanation import Explanation
from app.explain.mirror_report import MirrorSummary
from app.model import Coordinates
from app.model.network import CloudRegion
from app.render import facts
from app.render.statistics import country_name
from app.render.world import WIDTH, WORLD, View, around, picture
from app.snapshot.loaded import LoadedSnapshot

MEANINGS = {
    "ok": "served",
    "warn": "degraded: not in all lists",
    "bad": "at fault: stale, broken or unreachable",
    "off": "other: switched off, empty, or not asked yet",
}
"""What the colours of dots mean (`facts.STATUS_KINDS`), in the order around a ring."""
KINDS = {kind: meaning.partition(":")[0] for kind, meaning in MEANINGS.items()}
"""The same in a word."""
_LEAST, _LARGEST = 4.0, 17.0
_OF_ALL = 55.0
"""The radius that a dot for all clients would have if none were the largest."""
_ALONE = 0.01
"""The share as which a mirror is drawn that is alone on its map."""
_RING = 3.0
"""The least width of a ring."""
_DIGIT = 3.0
"""Half of the room that each digit of a ring's number needs."""
_CORNERS = {"warn": (4, 0.0, 1.25), "bad": (3, 0.5, 1.5), "off": (4, 0.125, 1.25)}
"""The shape of the dot of one mirror by its kind, where it is no disc: a diamond, a triangle, a square. Their
corners, their turn, and how much larger they are drawn than a disc, so that all have about the same area."""
_NAMED = 6
"""How many mirrors a title names at most."""


class MirrorMark(NamedTuple):
    """A mirror, as a map shows it."""

    mirror: str
    where: Coordinates
    country: str | None
    city: str | None
    #: Its status in a word, and one of KINDS.
    status: str
    kind: str
    #: Its part of all clients, or of all mirrors where no shares are known.
    share: float
    #: Its place in the client's list, if the map is of one.
    position: int | None = None


class _Dot(NamedTuple):
    """The marks that one dot stands for, and where on the map it is."""

    marks: tuple[MirrorMark, ...]
    x: float
    y: float
    #: The part of all clients that the marks have together.
    share: float
    radius: float

    @property
    def hole(self) -> float:
        """The radius of the hole of a ring, in which its number stands."""
        return _hole(len(self.marks))

    def with_(self, other: _Dot) -> _Dot:
        """Returns one dot for the marks of both, in the middle of them."""
        mine, theirs = len(self.marks), len(other.marks)
        x = (self.x * mine + other.x * theirs) / (mine + theirs)
        y = (self.y * mine + other.y * theirs) / (mine + theirs)
        return _dot(self.marks + other.marks, x, y, self.share + other.share)


def _dot(marks: tuple[MirrorMark, ...], x: float, y: float, share: float) -> _Dot:
    """Returns the dot for these marks, as large as their share."""
    needed = _LEAST if len(marks) == 1 else _RING + _hole(len(marks))
    return _Dot(marks, x, y, share, max(needed, min(_LARGEST, _OF_ALL * sqrt(share))))


def _hole(number: int) -> float:
    return 1.5 + _DIGIT * len(str(number))


# --- what is on a map ------------------------------------------------------------------------------


def marks_of(summaries: Sequence[MirrorSummary]) -> list[MirrorMark]:
    """Returns the marks of these mirrors, but of those of which it is not known where they are. Where no
    mirror's share of clients is known, all are drawn as if they had the same."""
    same = 1 / len(summaries) if all(one.share is None for one in summaries) and summaries else 0.0
    found = ((one, _point(one.location.latitude, one.location.longitude)) for one in summaries)
    return [
        MirrorMark(
            mirror=one.mirror,
            where=where,
            country=one.location.country,
            city=one.location.city,
            status=one.status,
            kind=facts.STATUS_KINDS[one.status],
            share=one.share or same,
        )
        for one, where in found
        if where is not None
    ]


def of_answer(explanation: Explanation, snapshot: LoadedSnapshot) -> Markup | None:
    """Draws the mirrors of a client's list, in their order, with a line from the client to each; None if it
    is not known where any of them is."""
    marks = []
    for entry in explanation.served:
        where = snapshot.mirrors[snapshot.number[entry.mirror]].coordinates if entry.mirror else None
        if entry.mirror and where:
            marks.append(
                MirrorMark(
                    entry.mirror, where, entry.country, entry.city, "listed", "ok", 0.0, entry.position
                )
            )
    if not marks:
        return None
    client = snapshot.point_of(explanation.ranked_from)
    view = around([*([client] if client else []), *(mark.where for mark in marks)])
    return MirrorMap("The mirrors of this list, and the client", marks, view, client=client).drawn()


def of_mirror(summary: MirrorSummary) -> Markup | None:
    """Draws one mirror and the land around it; None if it is not known where it is."""
    marks = marks_of([msgspec.structs.replace(summary, share=_ALONE)])
    view = around([mark.where for mark in marks], 400) if marks else None
    return MirrorMap("Where this mirror is", marks, view).drawn() if view else None


def _point(latitude: float | None, longitude: float | None) -> Coordinates | None:
    if latitude is None or longitude is None:
        return None
    return Coordinates(latitude=latitude, longitude=longitude)


# --- the drawing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MirrorMap:
    """A map with mirrors on it."""

    #: What it shows, for those who cannot see it.
    title: str
    marks: Iterable[MirrorMark]
    #: All of the marks are in it.
    view: View = WORLD
    #: The cloud regions that it shows, and where they are.
    regions: Mapping[CloudRegion, Coordinates] = field(default_factory=dict)
    #: The client whose list the mirrors are; a line leads from there to each.
    client: Coordinates | None = None
    #: Whether it has neither numbers nor links, because it is shown small.
    is_plain: bool = False

    def drawn(self) -> Markup:
        """Draws the map."""
        view, client = self.view, self.client
        dots = _dots(self.marks, view)
        squares = [_region(view, name, where) for name, where in self.regions.items() if view.has(where)]
        lines = [_line(view, client, dot) for dot in dots] if client else []
        shapes = [_shape(dot) if self.is_plain else _linked(dot) for dot in dots]
        here = [_client(view, client)] if client else []
        return picture(self.title, view, *squares, *here, *lines, *shapes, is_plain=self.is_plain)


def _dots(marks: Iterable[MirrorMark], view: View) -> list[_Dot]:
    """Returns the dots of these marks, the largest first. Marks are taken together where they are in one
    country, and their dots would touch."""
    by_country: dict[str | None, list[_Dot]] = {}
    for mark in marks:
        alone = _dot((mark,), *view.point(mark.where), mark.share)
        by_country.setdefault(mark.country, []).append(alone)
    dots = [dot for country in by_country.values() for dot in _merged(country)]
    return sorted(dots, key=lambda dot: (-dot.radius, dot.x, dot.y))


def _merged(dots: Iterable[_Dot]) -> list[_Dot]:
    """Returns dots of which no two touch: those that do become one. The largest come first, so that small
    ones join them; the same marks always give the same dots."""
    waiting = sorted(dots, key=lambda dot: (dot.radius, dot.marks[0].mirror))
    apart: list[_Dot] = []
    while waiting:
        dot = waiting.pop()
        x, y = dot.x, dot.y
        gaps = [hypot(x - other.x, y - other.y) - other.radius for other in apart]
        least = min(gaps, default=inf)
        if least >= dot.radius:
            apart.append(dot)
        else:
            waiting.append(dot.with_(apart.pop(gaps.index(least))))
    return apart


def _linked(dot: _Dot) -> str:
    """Draws a dot that says what it is and leads to its mirror, or to its country."""
    places = _places(dot)
    beside = _beside(dot, places) if places else _number(dot) if len(dot.marks) > 1 else ""
    words = f"{places} in the list: {_words(dot)}" if places else _words(dot)
    return f'<a href="{escape(_target(dot))}"><title>{escape(words)}</title>{_shape(dot)}{beside}</a>'


def _target(dot: _Dot) -> str:
    if len(dot.marks) == 1:
        return f"/mirrors/{quote(dot.marks[0].mirror)}"
    country = dot.marks[0].country
    return f"/mirrors?country={country}" if country else "/mirrors"


def _words(dot: _Dot) -> str:
    """Returns what a dot stands for, in words."""
    first = dot.marks[0]
    if len(dot.marks) == 1:
        where = ", ".join(filter(None, (first.city, first.country)))
        return f"{first.mirror} ({where}), {first.status}" if where else f"{first.mirror}, {first.status}"
    counts = Counter(mark.kind for mark in dot.marks)
    where = f" in {country_name(first.country)}" if first.country else ""
    said = "; ".join(f"{counts[kind]} {words}" for kind, words in KINDS.items() if counts[kind])
    names = sorted(mark.mirror for mark in dot.marks)[:_NAMED]
    more = f" and {len(dot.marks) - _NAMED} more" if len(dot.marks) > _NAMED else ""
    return f"{len(dot.marks)} mirrors{where}. {said}: {', '.join(names)}{more}"


def _places(dot: _Dot) -> str:
    """Returns the places of a dot's mirrors in the client's list, such as "1-3, 5"."""
    places = sorted(mark.position for mark in dot.marks if mark.position is not None)
    runs = groupby(enumerate(places), key=lambda numbered: numbered[1] - numbered[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(run) for _, run in runs)]
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in ends)


# --- shapes ----------------------------------------------------------------------------------------


def sample(kind: str) -> Markup:
    """Draws the dot of a mirror of one of KINDS, or the square of a "region", for a legend."""
    middle = Coordinates(latitude=0, longitude=0)
    dot = _dot((MirrorMark("", middle, None, None, "", kind, 0.0),), 7, 7, 0.0)
    shape = _square(dot.x, dot.y) if kind == "region" else _shape(dot)
    svg = f'<svg class="sample" viewBox="0 0 14 14" aria-hidden="true">{shape}</svg>'
    return Markup(svg)  # noqa: S704 - words and numbers of ours


def _shape(dot: _Dot) -> str:
    """Draws the dot of one mirror: a disc, a diamond, a triangle or a square, all of about the same area; or
    the disc of several."""
    if len(dot.marks) > 1:
        return _pie(dot)
    kind = dot.marks[0].kind
    if kind not in _CORNERS:
        return _circle(kind, dot.x, dot.y, dot.radius)
    corners, turn, larger = _CORNERS[kind]
    path = _polygon(dot, dot.radius * larger, corners, turn)
    return _path(kind, path)


def _polygon(dot: _Dot, radius: float, corners: int, turn: float) -> str:
    """Returns the path of a regular polygon, which stands on a corner but for so much of a whole turn."""
    angles = [2 * pi * (corner / corners + turn) for corner in range(corners)]
    points = (f"{dot.x + radius * sin(angle):.1f} {dot.y + radius * cos(angle):.1f}" for angle in angles)
    return f"M{'L'.join(points)}z"


def _number(dot: _Dot) -> str:
    """Makes a disc a ring, with the number of its mirrors in it."""
    number = f'<text x="{dot.x:.1f}" y="{dot.y + 3.5:.1f}">{len(dot.marks)}</text>'
    return _circle("on", dot.x, dot.y, dot.hole) + number


def _pie(dot: _Dot) -> str:
    """Draws a disc whose parts are those of its mirrors that are of each kind."""
    counts = Counter(mark.kind for mark in dot.marks)
    kinds = [kind for kind in KINDS if counts[kind]]
    if len(kinds) == 1:
        return _circle(kinds[0], dot.x, dot.y, dot.radius)
    parts, begin = "", 0.0
    for kind in kinds:
        end = begin + counts[kind] / len(dot.marks)
        parts += _path(kind, _sector(dot, begin, end))
        begin = end
    return parts


def _sector(dot: _Dot, begin: float, end: float) -> str:
    """Returns the path of the part of a disc between two parts of a turn, clockwise from the top."""
    r = dot.radius
    x, y = dot.x + r * sin(2 * pi * begin), dot.y - r * cos(2 * pi * begin)
    to_x, to_y = dot.x + r * sin(2 * pi * end), dot.y - r * cos(2 * pi * end)
    is_large = int(end - begin > 0.5)
    arc = f"A{r:.1f} {r:.1f} 0 {is_large} 1 {to_x:.1f} {to_y:.1f}"
    return f"M{dot.x:.1f} {dot.y:.1f}L{x:.1f} {y:.1f}{arc}z"


def _beside(dot: _Dot, places: str) -> str:
    """Writes beside a dot which places its mirrors have in the client's list."""
    left = dot.x > WIDTH * 0.85
    x = dot.x - dot.radius - 5 if left else dot.x + dot.radius + 5
    side = "place before" if left else "place"
    return f'<text class="{side}" x="{x:.1f}" y="{dot.y + 5:.1f}">{places}</text>'


def _line(view: View, client: Coordinates, dot: _Dot) -> str:
    x, y = view.point(client)
    return _path("way", f"M{x:.1f} {y:.1f}L{dot.x:.1f} {dot.y:.1f}")


def _client(view: View, client: Coordinates) -> str:
    return f"<g><title>the client</title>{_circle('client', *view.point(client), 12)}</g>"


def _region(view: View, region: CloudRegion, where: Coordinates) -> str:
    return f"<g><title>cloud region {escape(str(region))}</title>{_square(*view.point(where))}</g>"


def _square(x: float, y: float) -> str:
    return _path("region", f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z")


def _path(kind: str, path: str) -> str:
    return f'<path class="{kind}" d="{path}"/>'


def _circle(kind: str, x: float, y: float, radius: float) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'

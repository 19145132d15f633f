"""Draws the pictures on pages, as SVG.

A picture takes its colour from the style sheet and has no words in it: these stand beside it in HTML, so
that they are as large as all others, however wide the page is. What a picture shows, it shows by length or
by lightness, and the numbers are in a table below.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10

from markupsafe import Markup

from app.model import MirrorDay
from app.render.world import NORTH, SOUTH, WORLD, on_degrees, picture

BAR_PX = 100
"""The length of the bar in a row of a table that stands for the largest of its numbers."""
SHADES = 5
SECONDS_OF_DAY = 24 * 3600
COLUMNS_HEIGHT = 100
_STEPS = (1, 2, 2.5, 3, 4, 5, 6, 8, 10)

Cell = tuple[int, int]
"""A cell of one degree, by the degrees north and east of its south-west corner."""


def bar(part: float, mark: float | None = None) -> Markup:
    """Draws the bar of a number in a row of a table. `part` is the number as a part of the largest one, and
    `mark` another number, at which a line is drawn."""
    line = f"M0 6h{part * BAR_PX:.0f}"
    tick = "" if mark is None else f'<path class="tick" d="M{mark * BAR_PX:.0f} 0v12"/>'
    return Markup(f'<svg class="bar"><path d="{line}"/>{tick}</svg>')  # noqa: S704 - numbers alone


@dataclass(frozen=True)
class Columns:
    """A picture of numbers that follow one another in time: a column for each."""

    svg: Markup
    #: The number at which the picture ends at the top. Lines are drawn at each quarter of it.
    top: int


def columns(numbers: Sequence[int], title: str) -> Columns:
    """Draws a column for each number. `title` says to those who cannot see it what the picture is."""
    top = _round_up(max(numbers, default=0))
    heights = [round(number / top * COLUMNS_HEIGHT, 1) for number in numbers]
    path = "".join(f"M{x + 0.5} {COLUMNS_HEIGHT}v{-height:g}" for x, height in enumerate(heights) if height)
    width = max(1, len(numbers))
    lines = "".join(f"M0 {COLUMNS_HEIGHT * quarter / 4:g}h{width}" for quarter in range(5))
    shape = (
        f'<svg class="columns" role="img" aria-label="{title}" viewBox="0 0 {width} {COLUMNS_HEIGHT}" '
        f'preserveAspectRatio="none"><path class="grid" d="{lines}"/><path class="data" d="{path}"/></svg>'
    )
    return Columns(Markup(shape), top)  # noqa: S704 - numbers, and a title of ours


@dataclass(frozen=True)
class Curve:
    """A line in a picture of curves. It begins with 0 at the left edge, and goes a step to the right with
    each of its heights, which are from 0 to 1. `kind` decides how it looks."""

    kind: str
    heights: Sequence[float]


def curves(lines: Iterable[Curve], steps: int, title: str) -> Markup:
    """Draws lines over each other, the last one on top. `steps` is the width of the picture, and `title` says
    to those who cannot see it what the picture is."""
    path = '<path class="{}" d="M0 100{}"/>'
    drawn = "".join(
        path.format(line.kind, "".join(f"L{x} {100 - 100 * y:.1f}" for x, y in enumerate(line.heights, 1)))
        for line in lines
    )
    grid = "".join(f"M0 {25 * quarter}h{steps}" for quarter in range(5))
    return Markup(  # noqa: S704 - numbers, and words of ours
        f'<svg class="curves" role="img" aria-label="{title}" viewBox="0 0 {steps} 100" '
        f'preserveAspectRatio="none"><path class="grid" d="{grid}"/>{drawn}</svg>'
    )


def conditions(days: Sequence[MirrorDay], title: str) -> Markup:
    """Draws for each day, from the bottom to the top, for how much of it a mirror was up, stale, and out.
    What is not known is left empty."""
    width = max(1, len(days))
    paths = dict.fromkeys(("ok", "warn", "bad"), "")
    for x, day in enumerate(days):
        below = 0.0
        for kind, seconds in zip(paths, (day.up_s, day.stale_s, day.out_s), strict=True):
            height = seconds / SECONDS_OF_DAY * COLUMNS_HEIGHT
            if height:
                paths[kind] += f"M{x + 0.5} {COLUMNS_HEIGHT - below:.4g}v-{height:.4g}"
            below += height
    drawn = "".join(f'<path class="{kind}" d="{path}"/>' for kind, path in paths.items() if path)
    shape = (
        f'<svg class="conditions" role="img" aria-label="{title}" viewBox="0 0 {width} {COLUMNS_HEIGHT}" '
        f'preserveAspectRatio="none">{drawn}</svg>'
    )
    return Markup(shape)  # noqa: S704 - numbers, and a title of ours


def _round_up(number: int) -> int:
    """Returns the least round number that is not below `number`, so that its quarters are plain too."""
    if number <= 4:
        return 4
    power = int(10 ** int(log10(number)))
    step = next(step for step in _STEPS if step * power >= number or step == _STEPS[-1])
    return max(4, ceil(step * power))


@dataclass(frozen=True)
class Map:
    """A map of the world, each cell of which is the darker (in the dark: the lighter) the more it has."""

    svg: Markup
    #: The least number of each shade, from the lightest shade to the darkest.
    shades: tuple[int, ...]


def world(numbers: Mapping[Cell, int], title: str) -> Map:
    """Draws numbers on the world. `numbers` are by cell; cells without one stay empty. The shades
    are steps of equal ratio: otherwise, one large town would leave all else in the lightest shade."""
    shades = _shades(numbers.values())
    cells: dict[int, list[Cell]] = defaultdict(list)
    for (north, east), number in numbers.items():
        if SOUTH <= north < NORTH:
            cells[max(0, bisect(shades, number) - 1)].append((north, WORLD.turned(east)))
    path = Markup('<path opacity="{:g}" d="{}"/>')
    drawn = Markup("").join(path.format(shade_opacity(shade), _runs(cells[shade])) for shade in sorted(cells))
    heat = Markup('<g class="heat" transform="translate(0 .5)">{}</g>').format(drawn)
    return Map(picture(title, WORLD, on_degrees(WORLD, heat), is_plain=True), shades)


def shade_opacity(shade: int) -> float:
    """Returns the opacity with which a shade is drawn."""
    return round(0.2 + 0.8 * shade / (SHADES - 1), 2)


def swatch(shade: int) -> Markup:
    """Draws a shade for the legend of a map."""
    opacity = f'opacity="{shade_opacity(shade):g}"'
    return Markup(f'<svg class="swatch"><path {opacity} d="M0 6h12"/></svg>')  # noqa: S704 - numbers alone


def _shades(numbers: Iterable[int]) -> tuple[int, ...]:
    """Returns the least number of each shade, without the shades that would be the same."""
    known = sorted(number for number in numbers if number > 0)
    if not known:
        return ()
    least, ratio = known[0], known[-1] / known[0]
    return tuple(dict.fromkeys(ceil(round(least * ratio ** (shade / SHADES), 6)) for shade in range(SHADES)))


def _runs(cells: Iterable[Cell]) -> str:
    """Returns the path of these cells, from north to south. Neighbours in the west and east are one line, and
    each line begins where it does relative to the end of the one before, which takes the fewest letters."""
    rows: dict[int, list[int]] = defaultdict(list)
    for north, east in cells:
        rows[north].append(east)
    path, x, y = ["M0 0"], 0, 0
    for north in sorted(rows, reverse=True):
        for begin, end in _spans(rows[north]):
            path.append(f"m{begin - x}{_signed(north - y)}h{end - begin}")
            x, y = end, north
    return "".join(path)


def _spans(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yields the first number of each run of successive numbers, and the number behind its last."""
    begin = end = None
    for number in sorted(numbers):
        if end is not None and begin is not None and number != end:
            yield begin, end
            begin = None
        begin, end = number if begin is None else begin, number + 1
    if begin is not None and end is not None:
        yield begin, end


def _signed(number: int) -> str:
    """Returns a number as it stands behind another one in a path: a minus sign parts them too."""
    return f" {number}" if number >= 0 else str(number)

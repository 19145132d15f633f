"""The script that makes the outlines of land that maps are drawn on."""

from __future__ import annotations

import importlib.util
import re
from itertools import pairwise
from math import cos, hypot, pi, sin
from types import ModuleType

import pytest

from tests.conftest import ROOT

Ring = list[tuple[float, float]]


@pytest.fixture(scope="module")
def outlines() -> ModuleType:
    """data/make_outlines.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("make_outlines", ROOT / "data" / "make_outlines.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CIRCLE = [(20 + 10 * cos(2 * pi * n / 400), 40 + 10 * sin(2 * pi * n / 400)) for n in range(400)]
SQUARE = [(10.0, 10.0), (11.0, 10.0), (12.0, 10.0), (12.0, 12.0), (10.0, 12.0), (10.0, 11.0)]


@pytest.mark.parametrize("ring", [CIRCLE, SQUARE], ids=["circle", "square"])
def test_a_simplified_outline_is_near_the_real_one(outlines: ModuleType, ring: Ring) -> None:
    """It has fewer points, all of them of the outline, and each point that is left out is near its lines."""
    found: Ring = outlines.simplified(ring)
    assert len(found) < len(ring)
    assert set(found) <= set(ring)
    for point in ring:
        nearest = min(outlines._distance(point, a, b) for a, b in pairwise([*found, found[0]]))
        assert nearest <= outlines.TOLERANCE


def test_corners_stay(outlines: ModuleType) -> None:
    """Of a square, only what lies on its sides is left out."""
    assert set(outlines.simplified(SQUARE)) == {(10, 10), (12, 10), (12, 12), (10, 12)}


@pytest.mark.parametrize(
    ("ring", "expected"),
    [
        pytest.param([(10, 0), (20, 0), (20, 5)], [(10, 0), (20, 0), (20, 5)], id="far from the cut"),
        pytest.param([(-175, 60), (-171, 60), (-173, 65)], [(185, 60), (189, 60), (187, 65)], id="beyond it"),
        pytest.param([(170, 60), (-175, 60), (175, 65)], [(170, 60), (185, 60), (175, 65)], id="across 180"),
        pytest.param([(-175, 60), (170, 60), (160, 65)], [(185, 60), (170, 60), (160, 65)], id="from there"),
        pytest.param([(-160, 60), (-150, 60), (-155, 65)], [(-160, 60), (-150, 60), (-155, 65)], id="Alaska"),
    ],
)
def test_an_outline_is_in_one_piece(outlines: ModuleType, ring: Ring, expected: Ring) -> None:
    """No outline jumps at the date line, and each is on the side of the map's cut that most of it is on."""
    assert outlines.placed(ring) == expected


def test_arcs_are_put_together(outlines: ModuleType) -> None:
    """An outline is made of arcs, of which some are gone along backwards."""
    topology = {
        "transform": {"scale": [0.5, 0.5], "translate": [-10, 0]},
        "arcs": [[[20, 0], [10, 0], [0, 10]], [[20, 0], [0, 10], [10, 0]]],
        "objects": {"land": {"geometries": [{"arcs": [[[0, -2]]]}]}},
    }
    assert list(outlines.rings(topology)) == [[(5, 0), (5, 5), (0, 5), (0, 0)]]


def test_a_path_leads_along_the_outline(outlines: ModuleType) -> None:
    """The path's first point and the ways from there are the outline, in tenths of a degree; what is too
    small to be seen has none."""
    path = outlines.path_of([(1.04, -2), (3, -2.5), (3, 1)])
    assert path == "M10-20l20-5 0 35z"
    assert re.fullmatch(r"M[-0-9 ]+l[-0-9 ]+z", outlines.path_of(CIRCLE))
    assert outlines.path_of([(1, 1), (1.01, 1), (1, 1.01)]) == ""


def test_distances_are_from_the_line_not_beyond_it(outlines: ModuleType) -> None:
    """Beyond its ends, a line is as far away as its end."""
    assert outlines._distance((5, 3), (0, 0), (10, 0)) == pytest.approx(3)
    assert outlines._distance((13, 4), (0, 0), (10, 0)) == pytest.approx(hypot(3, 4))
    assert outlines._distance((3, 4), (0, 0), (0, 0)) == pytest.approx(5)

"""Mirrors on maps: each is there, once, where it is, and says how it is."""

from __future__ import annotations

import random
import re
from itertools import combinations
from math import hypot
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from app.model import Coordinates
from app.model.countries import countries
from app.model.network import CloudRegion
from app.render import maps
from app.render.maps import KINDS, MirrorMap, MirrorMark
from app.render.world import CONTINENTS, WORLD, View, around

TOWNS = {
    "frankfurt": ("DE", 50.11, 8.68),
    "berlin": ("DE", 52.52, 13.40),
    "luxembourg": ("LU", 49.61, 6.13),
    "singapore": ("SG", 1.35, 103.82),
    "johor": ("MY", 1.49, 103.74),
    "suva": ("FJ", -18.14, 178.44),
    "nowhere": (None, 0.0, -30.0),
}


def a_mark(
    name: str, town: str = "frankfurt", kind: str = "ok", share: float = 0.01, position: int | None = None
) -> MirrorMark:
    country, north, east = TOWNS[town]
    where = Coordinates(latitude=north, longitude=east)
    return MirrorMark(f"{name}.example.org", where, country, town, "some status", kind, share, position)


def crowd(number: int) -> list[MirrorMark]:
    """Mirrors of all countries, many of them close to each other."""
    draw = random.Random(5)
    codes = sorted(countries())
    found = []
    for n in range(number):
        code = codes[int(draw.paretovariate(0.7)) % len(codes)]
        centre = countries()[code].centre
        where = Coordinates(
            latitude=max(-90, min(90, centre.latitude + draw.gauss(0, 3))),
            longitude=(centre.longitude + draw.gauss(0, 5) + 180) % 360 - 180,
        )
        found.append(
            MirrorMark(
                f"m{n}.example.org",
                where,
                code,
                "Town",
                "ok",
                draw.choice(list(KINDS)),
                draw.random() / number,
            )
        )
    return found


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own picture


def titles(svg: str) -> list[str]:
    return [title.text or "" for title in parsed(svg).iter("title")]


def links(svg: str) -> list[str]:
    return [link.attrib["href"] for link in parsed(svg).iter("a")]


def drawn(*marks: MirrorMark, view: View = WORLD) -> str:
    return MirrorMap("a map", marks, view).drawn()


# --- one dot or several ----------------------------------------------------------------------------


def test_mirrors_of_one_place_are_one_ring_with_their_number() -> None:
    """Mirrors of one country that stand close are one ring: it has their number, and leads to the country."""
    svg = drawn(a_mark("a"), a_mark("b"), a_mark("c", "singapore"))
    assert links(svg) == ["/mirrors?country=DE", "/mirrors/c.example.org"]
    assert [text.text for text in parsed(svg).iter("text")] == ["2"]
    assert titles(svg)[0].startswith("2 mirrors in Germany (DE). 2 served: a.example.org, b.example.org")


def test_a_small_country_is_seen_beside_a_large_neighbour() -> None:
    """Mirrors of two countries are never one dot, and the smaller one is drawn last, on top."""
    many = [a_mark(f"m{n}", "johor", share=0.05) for n in range(30)]
    svg = drawn(a_mark("s", "singapore", share=0.0001), *many)
    assert links(svg) == ["/mirrors?country=MY", "/mirrors/s.example.org"]
    large, small = (
        float(circle.attrib["r"]) for circle in parsed(svg).iter("circle") if circle.attrib["class"] == "ok"
    )
    assert large > small


@pytest.mark.parametrize("view", [WORLD, CONTINENTS["EU"], CONTINENTS["OC"]], ids=["world", "EU", "OC"])
def test_dots_of_one_country_do_not_touch(view: View) -> None:
    """However many mirrors there are, each that the map shows is in one dot, and no two dots of a country
    touch."""
    marks = [mark for mark in crowd(530) if view.has(mark.where)]
    dots = maps._dots(marks, view)
    assert sorted(mark.mirror for dot in dots for mark in dot.marks) == sorted(mark.mirror for mark in marks)
    for one, other in combinations(dots, 2):
        assert {mark.country for mark in one.marks} != {mark.country for mark in other.marks} or (
            hypot(one.x - other.x, one.y - other.y) >= one.radius + other.radius
        )


def test_the_order_of_mirrors_decides_nothing() -> None:
    """The same mirrors are the same picture, in whatever order they come."""
    marks = crowd(200)
    shuffled = random.Random(1).sample(marks, len(marks))
    assert drawn(*marks) == drawn(*shuffled)


def test_a_larger_share_is_a_larger_dot() -> None:
    """Dots grow with the share of clients, from a least size that can be seen to a largest one."""
    radii = [maps._dot((a_mark("a"),), 0, 0, share).radius for share in (0, 0.001, 0.01, 0.05, 0.9)]
    assert radii == sorted(radii)
    assert len(set(radii[1:])) > 2
    assert radii[0] >= 4
    assert radii[-1] <= 30


# --- how mirrors are -------------------------------------------------------------------------------


def test_each_kind_has_its_shape() -> None:
    """What the colour of a dot says, its shape says too."""
    shapes = {}
    for kind in KINDS:
        link = next(parsed(drawn(a_mark("a", kind=kind))).iter("a"))
        shape = link[1]
        assert shape.attrib["class"] == kind
        shapes[kind] = shape.tag + re.sub(r"[0-9. -]", "", shape.attrib.get("d", ""))
    corners = {kind: shape.count("L") for kind, shape in shapes.items()}
    assert corners == {"ok": 0, "warn": 3, "bad": 2, "off": 3}
    diamond, square = (drawn(a_mark("a", kind=kind)) for kind in ("warn", "off"))
    assert diamond.replace('"warn"', "") != square.replace('"off"', "")


def test_a_ring_shows_how_many_are_well() -> None:
    """The arcs of a ring are as long as the parts of its mirrors that are of each kind."""
    marks = [a_mark(f"m{n}", kind=kind) for n, kind in enumerate(["ok", "ok", "bad", "off"])]
    svg = drawn(*marks)
    ring = next(parsed(svg).iter("a"))
    assert [shape.attrib["class"] for shape in ring if "class" in shape.attrib] == ["ok", "bad", "off", "on"]
    assert "4 mirrors in Germany (DE). 2 served; 1 at fault; 1 other" in titles(svg)[0]


def test_a_title_names_a_few() -> None:
    """A ring of very many mirrors does not name all of them."""
    title = titles(drawn(*(a_mark(f"m{n}") for n in range(60))))[0]
    assert title.count(".example.org") == 6
    assert title.endswith("and 54 more")


def test_a_mirror_in_no_country() -> None:
    """Mirrors of which no country is known have their dot, and a ring of them leads to all mirrors."""
    assert links(drawn(a_mark("a", "nowhere"))) == ["/mirrors/a.example.org"]
    svg = drawn(a_mark("a", "nowhere"), a_mark("b", "nowhere"))
    assert links(svg) == ["/mirrors"]
    assert titles(svg)[0].startswith("2 mirrors. 2 served: ")


# --- the client and its list -----------------------------------------------------------------------


def test_a_list_has_lines_and_places() -> None:
    """From the client a line leads to each mirror of its list, which has its place in the list beside it."""
    client = Coordinates(latitude=48.1, longitude=11.6)
    marks = [a_mark(name, position=place) for name, place in (("a", 1), ("c", 3), ("d", 4), ("e", 5))]
    marks.append(a_mark("b", "berlin", position=2))
    view = around([client, *(mark.where for mark in marks)])
    svg = parsed(MirrorMap("a list", marks, view, client=client).drawn())
    assert len([path for path in svg.iter("path") if path.attrib["class"] == "way"]) == 2
    places = [text.text for text in svg.iter("text") if text.attrib.get("class", "").startswith("place")]
    assert sorted(filter(None, places)) == ["1, 3-5", "2"]
    assert [circle.attrib["class"] for circle in svg.iter("circle")].count("client") == 1


def test_regions_are_squares_with_their_names() -> None:
    """Each cloud region that the map shows is a square, which says which one it is."""
    regions = {
        CloudRegion("aws", "eu-central-1"): Coordinates(latitude=50.1, longitude=8.7),
        CloudRegion("aws", "us-east-1"): Coordinates(latitude=38.9, longitude=-77.4),
    }
    assert titles(MirrorMap("a map", [], WORLD, regions).drawn()) == [
        "cloud region aws:eu-central-1",
        "cloud region aws:us-east-1",
    ]
    assert len(titles(MirrorMap("a map", [], CONTINENTS["EU"], regions).drawn())) == 1


def test_a_plain_map_is_a_picture() -> None:
    """A map that is shown small has no links, numbers or titles, and has one name as a whole."""
    svg = parsed(MirrorMap("all mirrors", crowd(50), is_plain=True).drawn())
    assert (svg.attrib["role"], svg.attrib["aria-label"]) == ("img", "all mirrors")
    assert not [element for element in svg.iter() if element.tag in ("a", "text", "title")]


# --- texts of others -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "evil",
    [
        '<script>alert("1")</script>',
        '"/><a href="javascript:alert(1)">',
        "&lt;x&gt;",
        "{0}{marks}",
        "\u202eevil",
    ],
)
def test_texts_of_mirror_files_are_texts(evil: str) -> None:
    """Whatever a mirror, its city or its status is called, it is text in a title, and no address."""
    where = Coordinates(latitude=50, longitude=8)
    mark = MirrorMark(evil, where, None, evil, evil, "ok", 0.1)
    svg = drawn(mark)
    assert {element.tag for element in parsed(svg).iter()} == {"svg", "g", "path", "a", "title", "circle"}
    assert titles(svg) == [f"{evil} ({evil}), {evil}"]
    assert [unquote(link) for link in links(svg)] == [f"/mirrors/{evil}"]
    assert links(svg)[0].startswith("/mirrors/")


def test_nothing_is_inline_style_or_from_elsewhere() -> None:
    """A map is made of attributes that the strict policy lets through, and refers to nothing outside."""
    svg = MirrorMap(
        "a map", crowd(100), regions={CloudRegion("aws", "x"): Coordinates(latitude=1, longitude=1)}
    ).drawn()
    for element in parsed(svg).iter():
        assert not [name for name in element.attrib if name == "style" or name.startswith("on")]
        assert element.attrib.get("href", "/").startswith(("/", "#"))

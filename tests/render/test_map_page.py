"""The page with the map of all mirrors: small, quick, and complete without its map."""

from __future__ import annotations

import gzip
import random
import re
import time
from collections import Counter

import msgspec
import pytest

from app.explain.mirror_report import Location, MirrorCloud, MirrorSummary, mirror_summaries
from app.model.countries import countries
from app.model.fates import Overall
from app.model.network import CloudRegion
from app.render import facts
from app.render.html import Frame
from app.render.map_page import CloudRow, cloud_rows, country_rows, map_page, regions_of
from tests.builders import a_mirror, in_cloud, load

LARGEST_BYTES = 60_000
LONGEST_S = 0.040
EVIL = '<script>alert("1")</script>'
BASE = mirror_summaries(load(a_mirror("any")), {})[0]
NETWORK = load(in_cloud("aws", None, "aws"), in_cloud("frankfurt", None, "aws", "eu-central-1"))


def a_summary(
    name: str, country: str | None = "DE", status: Overall = "ok", **changes: object
) -> MirrorSummary:
    """A mirror in the centre of a country."""
    known = countries().get(country or "")
    location = Location(
        latitude=known.centre.latitude if known else None,
        longitude=known.centre.longitude if known else None,
        country=country,
        continent=known.continent if known else None,
        city="Town",
        taken_from=None,
    )
    host = f"{name}.example.org"
    return msgspec.structs.replace(BASE, mirror=host, status=status, location=location, **changes)


def crowd(number: int) -> list[MirrorSummary]:
    """Mirrors in mixed states all over the world, most of them in a few countries, each in a town."""
    draw = random.Random(8)
    codes = sorted(countries())
    found = []
    for n in range(number):
        one = a_summary(
            f"mirror-{n}.some-long-name",
            codes[int(draw.paretovariate(0.8)) % len(codes)],
            draw.choices(list(facts.STATUS_KINDS), [80, 5, 2, 5, 5, 1, 1, 1])[0],
            share=draw.random() / number,
        )
        north, east = one.location.latitude or 0.0, one.location.longitude or 0.0
        place = msgspec.structs.replace(
            one.location,
            latitude=max(-89.0, min(89.0, north + draw.gauss(0, 3))),
            longitude=max(-179.0, min(179.0, east + draw.gauss(0, 4))),
            city=f"Town Number {draw.randrange(60)}",
        )
        found.append(msgspec.structs.replace(one, location=place))
    return found


def rendered(*summaries: MirrorSummary, continent: str = "") -> str:
    return map_page(Frame(), summaries, NETWORK, continent).at(0.0).decode()


def test_a_large_network_is_small_and_quick() -> None:
    """With 530 mirrors all over the world the page has at most 60 KB, compressed, and takes at most 40 ms of
    a processor."""
    summaries = crowd(530)
    took_s = []
    for _ in range(5):
        began = time.process_time()
        page = map_page(Frame(), summaries, NETWORK).at(0.0)
        took_s.append(time.process_time() - began)
    assert len(gzip.compress(page, 6)) <= LARGEST_BYTES
    assert min(took_s) <= LONGEST_S


def test_countries_are_counted() -> None:
    """Each country has a row with the number of its mirrors of each kind, their share and their cities."""
    summaries = crowd(530)
    rows = {row.code: row for row in country_rows(summaries)}
    assert {code: row.mirrors for code, row in rows.items()} == Counter(
        one.location.country for one in summaries
    )
    for code, row in rows.items():
        mine = [one for one in summaries if one.location.country == code]
        kinds = Counter(facts.STATUS_KINDS[one.status] for one in mine)
        assert {kind: number for kind, number in row.kinds.items() if number} == kinds
        assert row.share == pytest.approx(sum(one.share or 0.0 for one in mine))
        assert set(re.sub(r" \(\d+\)", "", row.cities).split(", ")) == {one.location.city for one in mine}


def test_countries_are_in_order_of_their_names() -> None:
    """Mirrors of which no country is known come last."""
    rows = country_rows(
        [a_summary("a", None), a_summary("b", "US"), a_summary("c", "AT"), a_summary("d", "DE")]
    )
    assert [row.name for row in rows] == [
        "Austria (AT)",
        "Germany (DE)",
        "United States (US)",
        "country unknown",
    ]


def test_where_no_share_is_known() -> None:
    """Then none is shown, and the page does not say that dots are as large as shares."""
    assert country_rows([a_summary("a")])[0].share is None
    assert "share of all clients" not in rendered(a_summary("a"))
    assert "share of all clients" in rendered(a_summary("a", share=0.5))


def test_mirrors_that_are_nowhere() -> None:
    """Of mirrors that the map cannot show, the page says how many there are; the table has them."""
    page = rendered(a_summary("a"), a_summary("b", None))
    assert "1 mirror is not shown, because nothing says where it is." in page
    assert "country unknown" in page
    assert "not shown" not in rendered(a_summary("a"))


def test_a_continent_has_its_mirrors_alone() -> None:
    """The map of a continent shows the mirrors of its table, whoever else is in that part of the world, and
    says of how many that is not so."""
    there = [a_summary("a", "ES"), a_summary("b", "MA"), a_summary("c", "GL"), a_summary("d", "DE")]
    east = msgspec.structs.replace(there[0].location, country="RU", longitude=131.9)
    page = rendered(
        *there, msgspec.structs.replace(there[0], mirror="e.example.org", location=east), continent="EU"
    )
    shown = re.findall(r'<a href="/mirrors/([a-z]).example.org"><title>', page)
    assert sorted(shown) == ["a", "d"]
    assert "1 mirror is not shown, because nothing says where it is, or beyond the edge" in page
    assert re.findall(r'"/mirrors\?country=([A-Z]+)"', page) == ["DE", "RU", "ES"]


def test_clouds() -> None:
    """Regions with mirrors in their cloud are on the map, and in a table by provider."""
    regions = regions_of(NETWORK)
    assert CloudRegion("aws", "eu-central-1") in regions
    assert CloudRegion("aws", "us-east-1") in regions
    assert not [name for name in regions if name.provider != "aws" or name.border_group]
    cloud = MirrorCloud(provider="aws", regions=())
    rows = cloud_rows([a_summary("a"), a_summary("b", cloud=cloud)], regions)
    assert [(row.provider, row.mirrors) for row in rows] == [("aws", ["b.example.org"])]
    assert "eu-central-1" in rows[0].regions
    assert cloud_rows([a_summary("a")], regions) == []
    assert rendered(a_summary("a"), a_summary("b", cloud=cloud)).count("cloud region aws:") == len(regions)


def test_a_cloud_without_known_regions() -> None:
    """Its mirrors are in the table all the same."""
    cloud = MirrorCloud(provider="aws", regions=("x",))
    assert cloud_rows([a_summary("a", cloud=cloud)], []) == [CloudRow("aws", ["a.example.org"], [])]


@pytest.mark.parametrize("field", ["mirror", "city"])
def test_texts_of_mirror_files_are_texts(field: str) -> None:
    """Whatever stands in a mirror file is text on the page."""
    one = a_summary("a")
    if field == "mirror":
        evil = msgspec.structs.replace(one, mirror=EVIL, cloud=MirrorCloud(provider="aws", regions=()))
    else:
        evil = msgspec.structs.replace(one, location=msgspec.structs.replace(one.location, city=EVIL))
    page = rendered(evil, a_summary("b"))
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page


def test_the_chosen_part_of_the_world_is_marked() -> None:
    """Of the links to the parts of the world, the page's own is the current one."""
    for continent, words in (("", "World"), ("EU", "Europe")):
        page = rendered(a_summary("a"), continent=continent)
        assert re.findall(r'aria-current="true">([^<]+)<', page) == [words]

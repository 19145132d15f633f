"""The page with the map of all mirrors, and the one with the map of a client's list."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.explain.mirror_report import MirrorSummary
from app.render.html import Page
from app.render.map_page import map_page
from app.render.maps import MEANINGS
from app.render.world import CONTINENTS
from tests.servers import Answer
from tests.web.asking import FRANKFURT, LUXEMBOURG, NOWHERE, TOKYO, Ask, application, asking, mirrors_in

PRIVATE = b"mirror.corp.example.com"
PAGE = {"Accept": "text/html"}


def mirrors(ask: Ask) -> list[MirrorSummary]:
    return msgspec.json.decode(ask("/mirrors").body, type=list[MirrorSummary])


def table(answer: Answer, name: str = "countries") -> str:
    assert answer.status == 200
    found = re.search(rf'<table (?:class="stack" )?id="{name}">.*?</table>', answer.body.decode(), re.DOTALL)
    assert found, name
    return found[0]


@pytest.mark.parametrize("headers", [PAGE, {}, {"Accept": "application/json"}, {"Accept": "text/plain"}])
def test_a_map_is_a_page(ask: Ask, headers: dict[str, str]) -> None:
    """Whatever the client prefers: a map is nothing else."""
    answer = ask("/map", headers=headers)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.count(b'<svg class="map"') == 1
    assert PRIVATE not in answer.body


def test_the_table_says_what_the_map_shows(ask: Ask) -> None:
    """Each country with its number of mirrors and its cities is in the table, and leads to its mirrors."""
    rows = table(ask("/map"))
    by_country: dict[str, list[MirrorSummary]] = {}
    for mirror in mirrors(ask):
        by_country.setdefault(mirror.location.country or "", []).append(mirror)
    assert len(by_country) > 20
    for country, found in by_country.items():
        if country:
            row = next(row for row in rows.split("<tr>") if f'href="/mirrors?country={country}"' in row)
            assert f'<td class="km">{len(found)}</td>' in row
            assert all(one.location.city in row for one in found if one.location.city)


def test_every_mirror_has_its_place(ask: Ask) -> None:
    """Each mirror is on the map, alone or in a ring of its country, unless nothing says where it is, and the
    page says of how many that is so."""
    body = ask("/map").body.decode()
    found = mirrors(ask)
    titles = re.findall(r"<a href=\"[^\"]*\"><title>([^<]*)</title>", body)
    alone = [title for title in titles if not re.match(r"\d+ mirrors", title)]
    rings = [int(title.split()[0]) for title in titles if title not in alone]
    known = [one for one in found if one.location.latitude is not None]
    assert len(alone) + sum(rings) == len(known)
    assert "nothing says where they are" not in body or len(known) < len(found)


@pytest.mark.parametrize("continent", CONTINENTS)
def test_a_continent(ask: Ask, continent: str) -> None:
    """The map of a continent has the continent's countries in its table."""
    rows = table(ask(f"/map?continent={continent}"))
    expected = {one.location.country for one in mirrors(ask) if one.location.continent == continent}
    assert set(re.findall(r"country=([A-Z]{2})", rows)) == expected


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/map?continent=XX", b"AF, AN, AS, EU, NA, OC, SA"),
        ("/map?continent=<script>", b"AF, AN, AS, EU, NA, OC, SA"),
        ("/map?ip=nonsense", b"ip"),
        (f"/map?ip={FRANKFURT}&release=99", b"99"),
    ],
)
def test_what_cannot_be_shown(ask: Ask, target: str, said: bytes) -> None:
    """What is wrong is said, and what is allowed."""
    answer = ask(target)
    assert answer.status in (400, 404)
    assert said in answer.body


@pytest.mark.parametrize("address", [FRANKFURT, LUXEMBOURG, TOKYO])
def test_the_list_of_a_client(ask: Ask, address: str) -> None:
    """With `ip=`, the map shows the list that this address gets: a line for each place where mirrors are, and
    the mirrors in the list's order in the table."""
    answer = ask(f"/map?ip={address}")
    listed = re.findall(r'href="/mirrors/([^"]+)"', table(answer, "mirrors"))
    assert listed == mirrors_in_list(ask, address)
    assert answer.body.count(b'class="client"') == 1
    assert 1 <= answer.body.count(b'class="way"') <= len(listed)
    assert f"Mirrors for {address}".encode() in answer.body


def mirrors_in_list(ask: Ask, address: str) -> list[str]:
    names = {one.mirror: [url.split("/")[2] for url in one.urls.values()] for one in mirrors(ask)}
    hosts = mirrors_in(ask(f"/mirrorlist/10/baseos?ip={address}"))
    return [next(name for name, known in names.items() if host in known) for host in hosts]


def test_a_client_of_whom_nothing_is_known(ask: Ask) -> None:
    """Its mirrors are on the map, but neither the client nor lines."""
    answer = ask(f"/map?ip={NOWHERE}")
    assert answer.body.count(b'<svg class="map"') == 1
    assert b'class="client"' not in answer.body
    assert b'class="way"' not in answer.body


def test_what_is_kept(ask: Ask) -> None:
    """The map of all mirrors is sent once to each client; what is about one address is kept by no one."""
    first = ask("/map")
    again = ask("/map", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    own = ask(f"/map?ip={FRANKFURT}")
    assert (own.headers["Cache-Control"], own.headers["ETag"]) == ("no-store", None)


def test_each_map_is_made_once(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients ask, in whatever form: the map of the world and of each continent is made once."""
    made: list[str] = []

    def counted(*arguments: Any) -> Page:
        made.append(arguments[-1])
        return map_page(*arguments)

    monkeypatch.setattr("app.web.mirrors.map_page", counted)
    ask = asking(application(published))
    for client in (FRANKFURT, TOKYO, LUXEMBOURG):
        for target in ("/map", "/map?continent=EU", "/map?continent=eu&x=1", "/map?ip="):
            ask(target, headers={**PAGE, "X-Forwarded-For": client})
    assert made == ["", "EU"]


def test_the_legend_has_every_kind(ask: Ask) -> None:
    """What shapes and colours mean stands below the map in words."""
    body = ask("/map").body.decode()
    assert all(f"</svg> {words}" in body for words in MEANINGS.values())

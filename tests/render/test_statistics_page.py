"""The page of statistics: small, quick, and legible without script, colour or pictures."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from html.parser import HTMLParser

import msgspec
import pytest

from app.render import html, statistics
from app.render.html import Frame
from app.snapshot.statistics import OTHER, Requests, Statistics
from app.worker.statistics import Shown, statistics_of
from tests.served import TODAY, a_year

NAMES = tuple(f"mirror-{number}.some-long-name.example.org" for number in range(400))
YEAR, MIRRORS = statistics_of(
    a_year(NAMES),
    Shown(10, NAMES, {name: 1 / (number + 2) / 10 for number, name in enumerate(NAMES)}),
    datetime(2026, 11, 27, 12, tzinfo=UTC),
)
LARGEST_BYTES = 150_000


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.words: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def rendered(found: Statistics) -> bytes:
    return html.statistics_page(Frame(), found).at(0)


def altered(**changes: object) -> Statistics:
    return msgspec.structs.replace(YEAR, **changes)


def test_a_year_fits_on_a_page() -> None:
    """With as many places as a city database has, 400 mirrors and all countries, the page is at most 150 KB,
    pictures and all, and is made in a fraction of a second."""
    rendered(YEAR)  # the templates are compiled
    started = time.process_time()
    page = rendered(YEAR)
    took_s = time.process_time() - started
    assert len(page) <= LARGEST_BYTES
    assert took_s < 0.5


def test_nothing_is_executed_or_fetched() -> None:
    """The page has neither script nor inline style, and its style sheet is all that it loads, so that the
    strict policy lets all of it be seen."""
    page = Page(rendered(YEAR))
    assert not {"script", "img", "iframe", "object", "style"} & set(page.tags)
    assert page.tags.count("link") == 1
    assert not [name for name in page.attributes if name == "style" or name.startswith("on")]


def test_each_picture_has_its_numbers_in_a_table() -> None:
    """Without pictures nothing is lost: the columns' and the map's largest numbers stand in tables."""
    page = Page(rendered(YEAR))
    for number in (
        *(one.requests for one in YEAR.days[-28:]),
        *(one.number for one in YEAR.weeks),
        *(one.requests for one in YEAR.places[:30]),
        *(one.requests for one in YEAR.countries),
        *(one.requests for one in YEAR.mirrors[:40]),
    ):
        assert f"{number:,}" in page.words


def test_pictures_say_what_they_are() -> None:
    """Each large picture has a name for those who cannot see it."""
    page = rendered(YEAR).decode()
    large = re.findall(r'<svg class="(?:map plain|columns)"[^>]*>', page)
    assert len(large) == 3
    assert all('role="img" aria-label="' in svg for svg in large)


@pytest.mark.parametrize("part", ["places", "countries", "releases", "repos", "arches", "software"])
def test_names_are_escaped(part: str) -> None:
    """Whatever a name is, it is text on the page, in its table and in its CSV file."""
    evil = '<script>alert("1")</script>'
    page = rendered(altered(**{part: (Requests(name=evil, requests=5),)}))
    assert "script" not in Page(page).tags
    assert b"alert" in page


def test_nothing_counted_yet() -> None:
    """An empty document is a page too."""
    empty = altered(
        **dict.fromkeys(("days", "places", "countries", "releases", "repos", "arches"), ()),
        **dict.fromkeys(("software", "mirrors", "weeks"), ()),
    )
    assert b"No system has said yet" in rendered(empty)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("DE/50/8", "Germany (DE), 50-51° N, 8-9° E"),
        ("AR/-35/-59", "Argentina (AR), 34-35° S, 58-59° W"),
        ("GB/51/-1", "United Kingdom (GB), 51-52° N, 0-1° W"),
        ("DE", "Germany (DE)"),
        ("~EU", "Europe, country unknown"),
        ("unknown", "unknown"),
        (OTHER, OTHER),
    ],
)
def test_places_in_words(place: str, words: str) -> None:
    """A cell is named by its edges, all else by its name."""
    assert statistics.place_name(place) == words


def test_cells_of_several_countries_are_one() -> None:
    """On the map a cell has the requests of all countries that share it."""
    places = (
        Requests(name="DE/47/7", requests=5),
        Requests(name="CH/47/7", requests=3),
        Requests(name="CH", requests=9),
    )
    assert statistics.by_cell(places) == {(47, 7): 8}


def test_largest_differences() -> None:
    """They come first, whether a mirror is sent more than planned or less."""
    shares = [msgspec.structs.replace(YEAR.mirrors[0], mirror=name) for name in "abcd"]
    a, b, c, d = (
        msgspec.structs.replace(one, sent=sent, planned=planned)
        for one, (sent, planned) in zip(
            shares, [(0.1, 0.1), (0.1, 0.3), (0.2, 0.15), (None, None)], strict=True
        )
    )
    assert statistics.differences([a, b, c, d]) == [b, c]


@pytest.mark.parametrize("name", statistics.TABLES)
def test_tables_as_csv(name: str) -> None:
    """Each table has a head and a line for each row, and ends in a line feed."""
    lines = statistics.table(YEAR, name).decode().split("\n")
    columns = statistics.TABLES[name][0]
    rows = sum(len(week.systems) for week in YEAR.weeks) if name == "systems" else len(getattr(YEAR, name))
    assert lines[0] == ",".join(columns)
    assert len(lines) == rows + 2
    assert lines[-1] == ""


def test_values_in_csv() -> None:
    """Days are written as ISO 8601 has them, what is not known is empty, and commas are quoted."""
    shares = msgspec.structs.replace(YEAR.mirrors[0], sent=None, planned=None, mirror="a", requests=7)
    odd = altered(mirrors=(shares,), software=(Requests(name="a, b", requests=1),))
    assert statistics.table(odd, "mirrors") == b"mirror,requests,sent,planned\na,7,,\n"
    assert statistics.table(odd, "software") == b'software,requests\n"a, b",1\n'
    assert statistics.table(odd, "days").decode().splitlines()[-1].startswith(f"{TODAY},")

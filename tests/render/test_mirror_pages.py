"""The page of all mirrors, and the page of one."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from app.explain.advice import ADVICE
from app.explain.mirror_report import MirrorReport, mirror_report, mirror_summaries
from app.explain.mirror_search import find
from app.model import Content, Endpoint, Exclusion, Mirror, MirrorState, Overall, Status
from app.render import content_grid, mirror_pages
from app.render.html import Frame, coded
from app.request.mirror_filter import read_filter
from app.snapshot.loaded import LoadedSnapshot
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config
from tests.builders import NOW, ROUND, Network, a_mirror, a_state, in_cloud, load

SINCE = NOW - timedelta(days=3)
HOSTILE = "\"><script>alert(1)</script>'\u202e" + "w" * 200


class _Page(HTMLParser):
    """The tags of a page, where its links lead, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: dict[str, str] = {}
        self.text = ""
        self._link = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("td", "th", "li"):
            self.text += " "
        if tag == "a":
            self._link = dict(attrs)["href"] or ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._link:
            self.links[self._link] = self.links.get(self._link, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = ""

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def report_of(mirror: Mirror, *states: MirrorState) -> MirrorReport:
    snapshot = Network(mirrors=[mirror], states=states, last_round=ROUND).load()
    return mirror_report(snapshot, 0, {state.mirror: state for state in states}, None)


def page_of(mirror: Mirror, *states: MirrorState) -> _Page:
    return _Page(mirror_pages.mirror_page(Frame(), report_of(mirror, *states)).at(0.0))


def all_of(snapshot: LoadedSnapshot, states: list[MirrorState] | None = None, **parameters: str) -> bytes:
    verdicts = {state.mirror: state for state in states or ()}
    summaries = mirror_summaries(snapshot, verdicts)
    chosen = read_filter(snapshot.config, parameters)
    found = find(snapshot, summaries, chosen)
    return mirror_pages.mirrors_page(Frame(), snapshot.config, summaries, chosen, found).at(0.0)


# --- one mirror ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mirror", "states", "says"),
    [
        pytest.param(
            a_mirror("m", "paris"),
            [a_state("m", since=SINCE)],
            [
                "Served since 2026-11-17 10:15 UTC.",
                "It was last asked at 2026-11-20 10:15 UTC; then it was as new as the origin.",
            ],
            id="well",
        ),
        pytest.param(
            a_mirror("m", "paris"),
            [a_state("m", Status.STALE, timedelta(hours=31.2), since=SINCE)],
            [
                "Not served: stale since 2026-11-17 10:15 UTC.",
                "Why: 31.2 h old, 12 h allowed",
                "What you can do: sync more often, and see whether the sync fails or leaves out TIME.",
            ],
            id="stale",
        ),
        pytest.param(
            a_mirror("m", "paris"),
            [a_state("m", Status.UNREACHABLE, reason="connection refused", since=SINCE, failures=4)],
            [
                "Not served: unreachable since 2026-11-17 10:15 UTC.",
                "Why: connection refused",
                "What you can do: mend the host, its DNS, firewall or certificate.",
                "4 failures in a row",
            ],
            id="unreachable",
        ),
        pytest.param(
            a_mirror("m", "paris", disabled=True),
            [],
            ["Not served: disabled.", "What you can do: take that out when the mirror is back."],
            id="disabled",
        ),
        pytest.param(
            a_mirror("m", "paris"),
            [],
            ["Not served: not probed.", "wait for the next round.", "It has not been asked yet."],
            id="new",
        ),
        pytest.param(
            a_mirror("m", "paris"),
            [
                a_state(
                    "m",
                    Status.DEGRADED,
                    since=SINCE,
                    content={"9.8/baseos/x86_64": Content.MISSING, "9.8/nfv/x86_64": Content.CORRUPT},
                    isos={"9.8/x86_64": False, "9.8/aarch64": True},
                    asked_again={"9.8/baseos/x86_64": NOW + timedelta(hours=1)},
                )
            ],
            [
                "Degraded: served, but not for all that it is meant to have, since 2026-11-17 10:15 UTC.",
                "2 missing: 9.8/baseos/x86_64, ISOs of 9.8/x86_64.",
                "What you can do: sync it, or correct repos,",
                "1 damaged: 9.8/nfv/x86_64. What you can do: check the path in address,",
                "It will be asked again for 9.8/baseos/x86_64 about 2026-11-20 11:15 UTC.",
            ],
            id="degraded",
        ),
    ],
)
def test_status_in_words_first(mirror: Mirror, states: list[MirrorState], says: list[str]) -> None:
    """A mirror's page begins with whether it is served and since when, why not, and what to do about it."""
    words = page_of(mirror, *states).words
    for sentence in says:
        assert sentence in words
    assert words.index(says[0]) < words.index("What it has") < words.index("Addresses")


def test_every_status_has_advice() -> None:
    """Whatever keeps a mirror out of all lists, its page knows what to do."""
    kept_out = {*get_args(Overall)} - {"ok", "degraded"}
    assert {Exclusion(status) for status in kept_out} <= ADVICE.keys()
    assert set(ADVICE) == set(Exclusion)


def test_code_in_sentences() -> None:
    """What stands between backticks is code; all else is text."""
    assert coded("its `TIME` & `a<b`") == "its <code>TIME</code> &amp; <code>a&lt;b</code>"


def test_grid() -> None:
    """What a mirror has is a grid for each release, with a row for each repo and a column for each arch."""
    content = {
        "9.8/baseos/x86_64": Content.CURRENT,
        "9.8/baseos/aarch64": Content.STALE,
        "9.8/nfv/x86_64": Content.PREVIOUS,
        "9.8/sources/": Content.MISSING,
    }
    state = a_state("m", content=content, isos={"9.8/aarch64": True})
    report = report_of(a_mirror("m", arches=("x86_64", "aarch64")), state)
    [grid] = [grid for grid in content_grid.grids(report) if grid.release == "9.8"]
    assert grid.arches == ("x86_64", "aarch64")
    assert grid.rows == {
        "baseos": ("current", "stale"),
        "appstream": ("unknown", "unknown"),
        "extras": ("unknown", "unknown"),
        "nfv": ("previous", "none"),
        "sources": ("missing",),
        "ISOs": ("none", "current"),
    }
    page = page_of(a_mirror("m", arches=("x86_64", "aarch64")), state).words
    assert (
        "S stale" in page and "↻ an older version that is still accepted" in page and "D damaged" not in page
    )


def test_every_verdict_has_a_mark() -> None:
    """The marks are told apart by their letters, and each verdict of the prober has one."""
    assert {*Content, "unknown", "none"} == content_grid.MARKS.keys()
    assert len({mark.letter for mark in content_grid.MARKS.values()}) == len(content_grid.MARKS)


def test_addresses() -> None:
    """All base URLs are links, beside what came of asking there; of one that is left out, it is said why."""
    refused = Endpoint(ok=False, detail="connection refused")
    state = a_state(
        "m",
        endpoints={
            "https": {"ipv4": Endpoint(ok=True, latency_ms=12.4), "ipv6": refused},
            "http": {"ipv4": refused},
        },
    )
    page = page_of(a_mirror("m", module_addresses={"kitten": {"https": "https://k.example.org/k/"}}), state)
    assert {"https://m.example.org/alma/", "https://k.example.org/k/"} <= page.links.keys()
    assert "http://m.example.org/alma/" not in page.links
    assert "https https://m.example.org/alma/ works, 12 ms connection refused" in page.words
    assert "http left out of lists, because it does not work connection refused not tried" in page.words
    assert "kitten https https://k.example.org/k/" in page.words


def test_place() -> None:
    """A mirror's page says where lists take it to be and who says so, a row each, so that no town's name can
    turn the words beside it."""
    mirror = a_mirror("m", "paris", city="\u05e9\u05e8\u05ea")
    assert mirror_pages.place_rows(report_of(mirror)) == [
        ("town", "\u05e9\u05e8\u05ea"),
        ("country", "France (FR)"),
        ("coordinates", "48.86 N 2.35 E"),
    ]
    nowhere = mirror_pages.place_rows(report_of(a_mirror("m")))
    assert nowhere == [("coordinates", "not known, so it counts as farthest of all")]


@pytest.mark.parametrize(
    ("mirror", "says"),
    [
        (a_mirror("m", "paris"), "open to clients of all networks"),
        (in_cloud("m", "paris", "aws", "eu-west-3"), "for clients in the cloud aws, in eu-west-3."),
        (in_cloud("m", "paris", "gcp"), "in the cloud gcp, in all regions."),
        (a_mirror("m", asns=(64500,), monopoly=True), "Clients of AS64500 get it before"),
        (a_mirror("m", asns=(64500,), monopoly=True), "alone serves the clients of its own networks"),
        (a_mirror("m", countries=("DE", "FR")), "only clients in Germany, France."),
        (a_mirror("m", exclude_countries=("TR",)), "no clients in Turkey."),
    ],
)
def test_who_it_serves(mirror: Mirror, says: str) -> None:
    """A mirror's page says which clients it is for."""
    assert says in page_of(mirror).words


# --- all mirrors -----------------------------------------------------------------------------------


def test_found_in_words() -> None:
    """The page says what was looked for, how much was found, and how to get at the rest."""
    snapshot = load(a_mirror("br", "sao paulo"), a_mirror("de", "frankfurt"), a_mirror("fr", "paris"))
    page = _Page(all_of(snapshot, country="BR", arch="aarch64"))
    assert "Mirrors in Brazil, served for aarch64 1 of 3 mirrors." in page.words
    assert page.links["/mirrors"] and page.links["/mirrors/br.example.org"] == "br.example.org"
    assert page.links["https://br.example.org/alma/"] == "https"
    assert page.links["/mirrors?country=BR&arch=aarch64&format=json"] == "The same for programs"
    assert page.links["/mirrors?country=BR&status=not+probed&arch=aarch64"] == "not probed 1"
    assert "/mirrors/de.example.org" not in page.links
    nothing = _Page(all_of(snapshot, country="JP"))
    assert "0 of 3 mirrors" in nothing.words and "There is no such mirror." in nothing.words


def test_countries_are_headings() -> None:
    """Mirrors stand under their countries, by the countries' names, unless another order is asked for."""
    snapshot = load(
        a_mirror("a", "tokyo"), a_mirror("b", "frankfurt"), a_mirror("c", "frankfurt"), a_mirror("d")
    )
    words = _Page(all_of(snapshot)).words
    places = [words.index(found) for found in ("Germany 2 b.", "Japan 1 a.", "Country unknown 1 d.")]
    assert places == sorted(places)
    assert "Germany 2" not in _Page(all_of(snapshot, sort="name")).words


def test_hostile_texts() -> None:
    """Whatever a mirror's file holds is text on both pages, and no link leads to anything but http, https and
    rsync."""
    mirror = a_mirror(
        "m",
        "paris",
        city=HOSTILE,
        sponsor=HOSTILE,
        sponsor_url="javascript:alert(1)",
    )
    report = msgspec.structs.replace(report_of(mirror), urls={"https": "javascript:alert(2)"})
    for page in (all_of(load(mirror)), mirror_pages.mirror_page(Frame(), report).at(0.0)):
        read = _Page(page)
        assert "script" not in read.tags and HOSTILE in read.text
        assert [link for link in read.links if not re.match(r"/|#|\?|https?:|rsync:", link)] == []


def test_real_mirrors_are_few_bytes(real_data: Path) -> None:
    """The page of 530 real mirrors, a third of them in trouble, takes at most 60 KB when it is compressed."""
    config, _ = read_service_config(real_data / "almalinux" / "config.yml")
    assert config is not None
    read = (read_mirror(path, config)[0] for path in (real_data / "almalinux" / "mirrors.d").glob("*.yml"))
    mirrors = [mirror for mirror in read if mirror is not None]
    statuses = (Status.OK, Status.OK, Status.OK, Status.STALE, Status.UNREACHABLE, Status.BROKEN)
    states = [
        MirrorState(
            mirror=mirror.name,
            probed_at=NOW,
            since=NOW - timedelta(minutes=7 * number),
            status=statuses[number % len(statuses)],
            timestamp=NOW - timedelta(minutes=number),
            origin_timestamp=NOW,
        )
        for number, mirror in enumerate(mirrors)
    ]
    snapshot = Network(mirrors=mirrors, config=config, states=states).load()
    page = all_of(snapshot, states)
    assert len(mirrors) > 500
    assert len(gzip.compress(page, compresslevel=6)) < 60_000

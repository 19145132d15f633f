"""The mirrors over HTTP: found by filters, each with its page, as JSON alike, made once for all clients."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from app.explain.mirror_report import MirrorSummary, mirror_summaries
from app.web import mirrors as of_mirrors
from app.web.documents import SHELF_BYTES, SharedDocument, Shelf
from tests.web.asking import TEXT, TOKYO, Ask, application, asking

AS_JSON = {"Accept": "application/json"}
AS_PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
CURL = {"Accept": "*/*"}
JSON = "application/json"


def test_mirrors(ask_quickly: Ask) -> None:
    """One object a mirror, in the order that is asked for: JSON unless a page is preferred."""
    answer = ask_quickly("/mirrors?sort=name", headers=CURL)
    assert answer.headers["Content-Type"] == JSON
    by_name = {m["mirror"]: m for m in cast(list[dict[str, Any]], msgspec.json.decode(answer.body))}
    assert list(by_name) == sorted(by_name)
    stale = by_name["mirror.waw.example.org"]
    assert (stale["status"], stale["since"], stale["probed_at"]) == (
        "stale",
        "2026-11-19T15:15:00Z",
        "2026-11-20T10:15:00Z",
    )
    off = by_name["mirror.los.example.org"]
    assert (off["status"], off["since"]) == ("disabled", None)  # the prober's time says nothing of that
    assert by_name["westeurope.azure.example.com"]["cloud"] == {
        "provider": "azure",
        "regions": ["westeurope"],
    }
    arctic = by_name["mirror.arctic.example.org"]["location"]
    assert (arctic["latitude"], arctic["taken_from"]) == (69.66, "the coordinates in its file")


def test_mirrors_in_short(ask_quickly: Ask) -> None:
    """All mirrors are told of in some hundred bytes each; the rest is on each mirror's own page. The page of
    all mirrors says the same, and nothing of the request."""
    answer = ask_quickly("/mirrors")
    mirrors = cast(list[dict[str, Any]], msgspec.json.decode(answer.body))
    assert len(answer.body) < 900 * len(mirrors)
    page = ask_quickly("/mirrors", headers=AS_PAGE)
    assert len(page.body) < 900 * len(mirrors) + 10_000
    assert all(f'href="/mirrors/{mirror["mirror"]}"' in page.body.decode() for mirror in mirrors)
    more = msgspec.json.decode(ask_quickly(f"/mirrors/{mirrors[0]['mirror']}").body)
    assert mirrors[0].items() <= more.items()
    assert {"content", "isos", "endpoints", "measured"} <= more.keys() - mirrors[0].keys()
    other = ask_quickly("/mirrors?x='y'", headers=AS_PAGE | {"Host": "b.example.org"})
    assert other.body == page.body


@pytest.mark.parametrize("headers", [AS_PAGE, {}], ids=["page", "json"])
def test_mirrors_are_sent_once(published: Path, headers: dict[str, str]) -> None:
    """A client that has kept the answer gets a 304 without a body, compressed or not, until something else is
    known of the mirrors."""
    app = application(published)
    ask = asking(app)
    first = ask("/mirrors", headers=headers)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        for more in ({}, {"Accept-Encoding": "gzip"}):
            again = ask("/mirrors", headers={**headers, **more, "If-None-Match": known})
            assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
            assert again.headers.get_all("Vary") == first.headers.get_all("Vary")
            assert "Content-Length" not in again.headers
    assert ask("/mirrors", headers={**headers, "If-None-Match": '"other"'}).body == first.body
    current = app.extensions["mirrorwise"]
    current.serving = replace(current.serving, status=None, status_tag="other")
    fresh = ask("/mirrors", headers={**headers, "If-None-Match": tag})
    assert (fresh.status, fresh.headers["ETag"] != tag) == (200, True)


def test_a_page_and_its_json_have_tags_of_their_own(ask_quickly: Ask) -> None:
    """A client that has kept the one has not got the other."""
    page, document = (ask_quickly("/mirrors", headers=headers) for headers in (AS_PAGE, AS_JSON))
    assert page.headers["ETag"] != document.headers["ETag"]
    asked = ask_quickly("/mirrors", headers={**AS_JSON, "If-None-Match": page.headers["ETag"]})
    assert asked.status == 200


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("", False), ("identity", False), ("gzip;q=0", False)],
)
def test_mirrors_compressed(ask_quickly: Ask, accepted: str, is_compressed: bool) -> None:
    """Who takes a compressed answer gets one, with the same content."""
    for headers in (AS_PAGE, {}):
        plain = ask_quickly("/mirrors", headers=headers)
        answer = ask_quickly("/mirrors", headers={**headers, "Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == ("gzip" if is_compressed else None)
        assert (gzip.decompress(answer.body) if is_compressed else answer.body) == plain.body
    assert answer.headers.get_all("Vary") == plain.headers.get_all("Vary") == ["Accept, Accept-Encoding"]


def test_mirrors_are_described_once(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks after the mirrors, they are described once, until something else is known of them."""
    app = application(published)
    ask, described = asking(app), list[int]()

    def counted(*about: Any) -> list[MirrorSummary]:
        described.append(1)
        return mirror_summaries(*about)

    monkeypatch.setattr(of_mirrors, "mirror_summaries", counted)
    for headers in ({}, {"Accept-Encoding": "gzip"}, {"X-Forwarded-For": TOKYO}):
        ask("/mirrors", headers=headers)
        ask("/mirrors?x=y", headers=headers)
    assert len(described) == 1
    current = app.extensions["mirrorwise"]
    current.serving = replace(current.serving, status=None, status_tag="other")
    fresh = msgspec.json.decode(ask("/mirrors").body)
    assert len(described) == 2
    assert {mirror["probed_at"] for mirror in fresh} == {None}


def test_one_of_the_mirrors(ask_quickly: Ask) -> None:
    """With the freshness of each repo; a name that nobody has gets the nearest one."""
    answer = ask_quickly("/mirrors/MIRROR.fra1.example.net")
    report = cast(dict[str, Any], msgspec.json.decode(answer.body))
    assert (report["mirror"], report["status"], report["weight"]) == ("mirror.fra1.example.net", "ok", 4)
    assert report["content"]["9.8/baseos/x86_64"] == "current"
    assert report["urls"]["https"].startswith("https://") and report["families"].keys() == {"ipv4", "ipv6"}
    missing = ask_quickly("/mirrors/mirror.fra1.example.ne")
    assert (missing.status, missing.body) == (
        404,
        b"There is no mirror 'mirror.fra1.example.ne'. Did you mean mirror.fra1.example.net?\n",
    )


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("country=atlantis", 400, "country='ATLANTIS' cannot be used"),
        ("status=fine", 400, "use one of: ok, degraded"),
        ("q=" + "x" * 61, 400, "use at most 60 characters"),
        ("release=9.9", 404, "There is no release '9.9'. Did you mean 9.8?"),
        ("repo=basos", 404, "Did you mean baseos?"),
    ],
)
def test_filters_that_cannot_be_used(ask_quickly: Ask, query: str, status: int, says: str) -> None:
    """An unknown value is said in words, as for a list."""
    answer = ask_quickly(f"/mirrors?{query}", headers=CURL)
    assert (answer.status, answer.headers["Content-Type"]) == (status, TEXT)
    assert says in answer.body.decode()


@pytest.mark.parametrize(
    "query", ["country=DE", "arch=aarch64&sort=share", "q=example&status=stale", "cloud=aws"]
)
def test_page_and_json_find_the_same(ask_quickly: Ask, query: str) -> None:
    """The page has exactly the mirrors that programs get with the same parameters, in the same order."""
    found = [one["mirror"] for one in msgspec.json.decode(ask_quickly(f"/mirrors?{query}").body)]
    page = ask_quickly(f"/mirrors?{query}", headers=AS_PAGE).body.decode()
    assert re.findall(r'<th scope="row"><a href="/mirrors/([^"]+)"', page) == found != []


def test_spelling_makes_no_other_answer(ask_quickly: Ask) -> None:
    """The same filter gives the same answer, whatever its spelling."""
    for headers in (AS_PAGE, AS_JSON):
        same = (
            "country=DE&arch=aarch64",
            "arch=AARCH64&country=germany&q=&status=",
            "x=y&arch=aarch64&country=de",
        )
        assert len({ask_quickly(f"/mirrors?{query}", headers=headers).body for query in same}) == 1


def test_what_is_kept_is_bounded() -> None:
    """Of all that was looked for, only the last documents are kept, within the shelf's bytes; what is larger
    than the shelf is made each time; and nothing is kept when something else is served."""
    shelf, made = Shelf(), list[str]()

    def ask(name: str, of: object, size: int = SHELF_BYTES // 16) -> None:
        def make() -> SharedDocument:
            made.append(name)
            return SharedDocument("json", b"x" * size)

        assert shelf.document((of,), name, make) is not None

    first, second = object(), object()
    for name in ("a", "b", "b", "c", "d", "e", "f", "b", "a"):
        ask(name, first)
    assert made == ["a", "b", "c", "d", "e", "f", "b", "a"]
    ask("huge", first, SHELF_BYTES)
    ask("huge", first, SHELF_BYTES)
    ask("a", first)
    ask("a", second)
    assert made[8:] == ["huge", "huge", "a"]

"""All pages, as validators, text browsers and nginx see them."""

from __future__ import annotations

import gzip
import http.client
import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import pytest

from app.settings import read_settings
from app.web import create_app
from tests.conftest import need_program
from tests.pages.document import SVG, Document, text_of
from tests.pages.table import ERRORS, NO_PAGES, PAGES, TARGETS, address
from tests.pages.world import World
from tests.servers import Answer, GunicornServer, NginxServer
from tests.servers import ask as ask_on

HTML = "text/html; charset=utf-8"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
MOST_COMPRESSED = 60_000
"""The most bytes that a compressed page may have."""

pages = pytest.mark.parametrize("target", TARGETS)


@dataclass(frozen=True)
class Page:
    """A page as a browser gets it."""

    url: str
    answer: Answer
    document: Document


Look = Callable[[str], Page]


@pytest.fixture(scope="module")
def look(server: GunicornServer, world: World) -> Look:
    """Looks at the page of a target of the table, once for all tests."""

    @cache
    def look(target: str) -> Page:
        url = address(target, world)
        answer = server.ask(url, headers=BROWSER)
        assert answer.headers["Content-Type"] == HTML
        assert (answer.status >= 400) == (target in ERRORS), answer.status
        return Page(url, answer, Document(answer.body))

    return look


def test_each_route_is_in_the_table(world: World) -> None:
    """No page escapes these tests: each route is in the table."""
    app = create_app(read_settings(world.environ), world.store, follow=False)
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert rules <= {*PAGES, *NO_PAGES, *ERRORS}
    assert {*PAGES, *NO_PAGES} <= rules


@pytest.mark.parametrize("target", NO_PAGES.values())
def test_no_page(server: GunicornServer, world: World, target: str) -> None:
    """What the table calls no page is answered, also to a browser, with something else."""
    answer = server.ask(address(target, world), headers=BROWSER)
    assert answer.status < 400
    assert answer.headers["Content-Type"] != HTML


@pages
def test_markup(look: Look, target: str) -> None:
    """A page is sound HTML, in which programs that read it aloud find their way."""
    document = look(target).document
    assert document.errors == []
    assert document.root.get("lang") == "en"
    assert [len(document.all(tag)) for tag in ("title", "h1", "main", "header", "footer")] == [1] * 5
    assert document.all("nav")
    assert all(text_of(heading) for heading in document.all("title", "h1", "h2", "h3"))
    assert all(table.find("caption") is not None for table in document.all("table"))
    assert all(text_of(link) or link.get("aria-label") for link in document.all("a"))
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", document.text), "turns directions of writing"


@pages
def test_nothing_runs_and_nothing_is_fetched(
    look: Look, server: GunicornServer, world: World, target: str
) -> None:
    """A page has no script and no style of its own. Its addresses are those of the service, of mirrors, and
    of those who run or pay for them."""
    page = look(target)
    document = page.document
    assert document.all("script", "style", "iframe", "object", "embed", "base", f"{SVG}script") == []
    assert [name for name, _ in document.attributes() if name.startswith("on") or name == "style"] == []
    own = f"http://127.0.0.1:{server.port}/"
    known = (own, *world.outside())
    strange = [url for url in document.addresses() if not is_relative(url) and not url.startswith(known)]
    assert strange == []
    fetched = [element.get("href", "") for element in document.all("link")]
    fetched += [element.get("src", "") for element in document.all("img")]
    assert all(is_relative(url) for url in fetched)
    policy = page.answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy and "script-src" not in policy


def test_style_sheet(look: Look, server: GunicornServer) -> None:
    """The style sheet is kept for a year, because its name has the hash of its content. It names no other
    file."""
    links = look("/").document.all("link")
    (path,) = [link.get("href", "") for link in links if link.get("rel") == "stylesheet"]
    answer = server.ask(path)
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "max-age=31536000, immutable" in answer.headers["Cache-Control"]
    assert not re.search(rb"url\(|@import", answer.body)


def is_relative(url: str) -> bool:
    parts = urlsplit(url)
    return not parts.scheme and not parts.netloc


# --- in a text browser -----------------------------------------------------------------------------


@pages
def test_read_in_a_text_browser(look: Look, server: GunicornServer, target: str) -> None:
    """Without style sheet and pictures, a page shows its name, and all of its words."""
    page = look(target)
    (main,) = page.document.all("main")
    assert short_words(" ".join(page.document.read_in(main))) <= short_words(dump(server, page.url))


def short_words(text: str) -> set[str]:
    """The words of a text that fit into any cell of a table, in letters that all terminals have."""
    return set(re.findall(r"(?<![^\s(])[A-Za-z]{2,12}(?![^\s),.:;])", text))


def test_to_an_image_in_a_text_browser(server: GunicornServer, world: World) -> None:
    """Two links lead from the front page to an image of the newest release."""
    to_images = next(link for link in links(server, "/") if link.endswith("/isos/10.2/x86_64"))
    to_image = next(link for link in links(server, to_images) if link.endswith(".iso"))
    answer = server.ask(to_image)
    assert answer.status == 302 and answer.headers["Location"].startswith(tuple(world.base_urls()))


def dump(server: GunicornServer, target: str, *options: str) -> str:
    """What a text browser shows of a page."""
    options = ("-dump", "-O", "UTF-8", "-cols", "100", *options)
    command = [need_program("w3m"), *options, f"http://127.0.0.1:{server.port}{target}"]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


def links(server: GunicornServer, target: str) -> list[str]:
    """The links of a page within the service, as a text browser lists them."""
    own = rf"^\[[0-9]+\] http://127\.0\.0\.1:{server.port}(/.*)$"
    return re.findall(own, dump(server, target, "-o", "display_link_number=1"), re.MULTILINE)


# --- through nginx ------------------------------------------------------------------------------------


AGE = re.compile(rb"[0-9.,]+ (?:s|min|h|seconds?|minutes?|hours?)\b")
"""An age, which goes on while a page is kept."""


@pages
def test_nothing_of_one_visitor_is_shown_to_another(
    server: GunicornServer, nginx: NginxServer, world: World, target: str
) -> None:
    """Whoever has asked before, a client gets through nginx the page that it would get alone. Two are in the
    same class, and differ in nothing but the address."""
    url, number = address(target, world), 2 * TARGETS.index(target)  # others each time: pages are limited
    visitors = [f"2001:db8:49:{number:x}::1", f"2001:db8:49:{number + 1:x}::1", f"2001:db8:81:{number:x}::1"]
    for visitor in visitors:
        headers = {**BROWSER, "X-Forwarded-For": visitor, "Host": "mirrors.example.org"}
        with closing(http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=20)) as connection:
            through = ask_on(connection, url, headers=headers)
        alone = server.ask(url, headers=headers)
        assert through.status == alone.status
        assert AGE.sub(b"", through.body) == AGE.sub(b"", alone.body)
        assert not [other for other in visitors if other != visitor and other.encode() in through.body]


# --- sizes ----------------------------------------------------------------------------------------------


@pages
def test_size(look: Look, target: str) -> None:
    """A page is small enough for a slow line, however many mirrors there are."""
    assert len(gzip.compress(look(target).answer.body, 6)) <= MOST_COMPRESSED

"""Anything may be in a request. Whatever it is, the answer is one of the contract's, and what it shows
of the request is harmless: in XML and HTML as in header lines."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from app.explain.mirror_report import mirror_report
from app.model.clients import parse_class
from app.render.html import Frame
from app.render.metalink import metalink
from app.render.mirror_pages import mirror_page
from tests.builders import a_client, a_mirror, a_repomd, load, question, select
from tests.conftest import ROOT
from tests.web.asking import FRANKFURT, PROXY, STRANGER, application, asking

NAMES = [
    *("arch", "country", "exclude_country", "explain", "family", "format", "ip", "limit", "mirror", "path"),
    *("protocol", "redirect", "region", "release", "repo", "cc", "countme", "infra", "avoid", "fill", ""),
]
GOOD = [
    *(
        "9",
        "9.8",
        "9.7",
        "10-kitten",
        "baseos",
        "baseos-9",
        "x86_64",
        "$basearch",
        "DE",
        "global",
        "https",
        "4",
    ),
    *("1", "metalink", "json", FRANKFURT, "2001:db8::1", "aws:eu-central-1", "mirror.fra1.example.net", ""),
]
EVIL = [
    *(
        "\0",
        "\r\nX-Evil: 1",
        "\n",
        "<script>",
        "\"'><",
        "&amp;",
        "..",
        "../../etc/passwd",
        "//",
        "%",
        "%00",
        "%2f",
    ),
    *(
        "{{7*7}}",
        "${x}",
        "\u202e",
        "ﷺ",
        "\uff19",
        "\x7f",
        "\x1b[31m",
        "a" * 300,
        "-1",
        "1e9",
        "٣",
        "::ffff:0:0/96",
    ),
    *(
        "fe80::1%eth0",
        "192.0.2.1:80",
        "0x7f000001",
        "|net-1|0|4",
        "~EU|x|31|6",
        ";",
        "=",
        ",,,",
        "a,b",
        "None",
    ),
]
values = st.one_of(st.sampled_from(GOOD), st.sampled_from(EVIL), st.text(max_size=20)).map(
    lambda text: text.encode("utf-8", "replace")
) | st.binary(max_size=20)
pairs = st.tuples(st.sampled_from(NAMES).map(str.encode) | values, values)
queries = st.lists(pairs, max_size=6).map(
    lambda found: "&".join(f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in found)
)
heads = st.sampled_from(
    [
        "mirrorlist",
        "metalink",
        "isolist",
        "download",
        "explain",
        "mirrors",
        "whoami",
        "readyz",
        "metrics",
        "",
        "x",
    ]
).map(str.encode)
good_paths = st.sampled_from(
    [
        "/mirrorlist/9/baseos",
        "/metalink/9/baseos",
        "/isolist/9/x86_64",
        "/explain",
        "/mirrors",
        "/whoami",
        "/",
    ]
)
paths = good_paths | st.tuples(heads, st.lists(values, max_size=5)).map(
    lambda parts: "/" + "/".join(quote_from_bytes(part, safe="") for part in (parts[0], *parts[1]))
)
header_names = st.sampled_from(
    [
        "X_FORWARDED_FOR",
        "X_CLIENT_CLASS",
        "X_FORWARDED_PROTO",
        "ACCEPT",
        "HOST",
        "ACCEPT_ENCODING",
        "COOKIE",
        "RANGE",
    ]
)
headers = st.dictionaries(
    header_names, values.map(lambda value: re.sub(b"[\0\r\n]", b"", value).decode("latin-1")), max_size=3
)


@pytest.fixture(scope="module")
def app(published: Path) -> Flask:
    return application(published)


def answer_to(
    app: Flask, path: str, query: str, more: dict[str, str], peer: str
) -> tuple[int, dict[str, str], bytes]:
    """As gunicorn would ask: everything in Latin-1, the path decoded and as it was sent."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": f"{path}?{query}",
        "REMOTE_ADDR": peer,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name}": value for name, value in more.items()},
    }
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(app.wsgi_app(environ, lambda status, found, _=None: begun.append((status, found))))  # type: ignore[arg-type]  # nobody writes
    [(status, found)] = begun
    for name, value in found:
        assert re.fullmatch("[A-Za-z-]+", name) and not re.search("[\0\r\n]", value), (name, value)
        value.encode("latin-1")
    return int(status[:3]), {name.lower(): value for name, value in found}, body


@settings(max_examples=250, deadline=None)
@given(path=paths, query=queries, more=headers, peer=st.sampled_from([PROXY, STRANGER, ""]))
def test_anything(app: Flask, path: str, query: str, more: dict[str, str], peer: str) -> None:
    """Never a 5xx, never a traceback, a type that no browser guesses, and the same answer again."""
    status, found, body = answer_to(app, path, query, more, peer)
    assert status in (200, 302, 400, 404)
    assert found["x-content-type-options"] == "nosniff"
    assert b"Traceback" not in body and str(ROOT).encode() not in body
    kind = found["content-type"].partition(";")[0]
    if kind == "text/html":
        assert "default-src 'none'" in found["content-security-policy"]
        assert b"<script" not in body
    elif kind == "application/metalink+xml":
        ET.fromstring(body)  # noqa: S314 - our own answer
    elif (
        status == 200
        and path.startswith("/mirrorlist")
        and kind == "text/plain"
        and b"explain" not in query.encode()
    ):
        assert re.fullmatch(rb"((https?|rsync)://\S+/\n)+", body)
    if found.get("cache-control") != "no-store":  # what tells how old something is
        assert answer_to(app, path, query, more, peer) == (status, found, body)


@settings(deadline=None)
@given(text=st.text(max_size=40) | st.sampled_from(["DE/50/8|net-1|3|4", "~EU||31|6", "||0|4"]))
def test_classes(text: str) -> None:
    """What is read as a client class is written back the same: nothing else gets through."""
    known = parse_class(text)
    assert known is None or str(known) == text


# --- XML and HTML -----------------------------------------------------------------------------------------

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=15,
) | st.sampled_from(
    ["<!--", "]]>", "&amp;", "&#60;", "</url>", "\"'>", "<script>alert(1)</script>", "{{7*7}}"]
)


@settings(max_examples=40, deadline=None)
@given(text=st.text("aZ09._~!&'()*+,;=:@/%-", max_size=20) | st.sampled_from(["&amp;", "&lt;", "'&gt;"]))
def test_xml(text: str) -> None:
    """Whatever a mirror's URL may hold, a metalink gives it back unchanged."""
    url = f"https://a.example.org/{text}/"
    mirror = a_mirror("a", addresses={"https": url})
    snapshot = load(mirror, repomd={"9.8/baseos/x86_64": (a_repomd(),)})
    asked = question(snapshot.config)
    selection = select(snapshot, a_client(), asked)
    root = ET.fromstring(metalink(snapshot, asked, selection))  # noqa: S314 - ours
    [found] = root.iter("{http://www.metalinker.org/}url")
    assert found.text == f"{url}9.8/BaseOS/x86_64/os/repodata/repomd.xml"


class Page(HTMLParser):
    """The tags of a page with the names of their attributes, and all texts and values."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.texts += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def shows(self, text: str) -> bool:
        return any(text in found for found in self.texts)


@cache
def page_of_a_mirror(text: str) -> Page:
    snapshot = load(a_mirror("a", "frankfurt", sponsor=text, city=text, sponsor_url=text))
    return Page(mirror_page(Frame(), mirror_report(snapshot, 0, {}, None)).at(0))


@settings(max_examples=40, deadline=None)
@given(text=texts)
def test_html_of_a_mirror(text: str) -> None:
    """Whatever a mirror's file holds, its page shows it, and has the tags that it always has."""
    assert page_of_a_mirror(text).tags == page_of_a_mirror("x").tags
    assert page_of_a_mirror(text).shows(text)


@cache
def page_of_an_explanation(app: Flask, name: str, value: str) -> Page:
    query = f"ip={FRANKFURT}&{quote(name, safe='')}={quote(value, safe='')}"
    more = {"ACCEPT": "text/html", "HOST": "mirrors.example.org"}
    status, _, body = answer_to(app, "/explain", query, more, PROXY)
    assert status == 200
    return Page(body)


@settings(max_examples=40, deadline=None)
@given(name=texts, value=texts)
def test_html_of_an_explanation(app: Flask, name: str, value: str) -> None:
    """Whatever the parameters of a request hold, the page has the tags that it always has."""
    usual = page_of_an_explanation(app, "x", "x")
    assert page_of_an_explanation(app, f"x{name}", value).tags == usual.tags


@cache
def front_page_of(app: Flask, host: str) -> Page:
    return Page(answer_to(app, "/", "", {"HOST": host}, PROXY)[2])


@settings(max_examples=100, deadline=None)
@given(host=st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=30))
def test_html_of_a_host(app: Flask, host: str) -> None:
    """Whatever a client calls us, the front page has the tags that it always has."""
    assert front_page_of(app, host).tags == front_page_of(app, "x").tags


@pytest.mark.parametrize("target", ["/", "/explain", "/mirrors", "/mirrors/mirror.fra1.example.net"])
def test_policy_of_pages(app: Flask, target: str) -> None:
    """Pages may load our style sheet and logo and nothing else, run nothing, and be framed by nobody."""
    answer = asking(app)(target, headers={"Accept": "text/html"})
    policy = answer.headers["Content-Security-Policy"]
    directives = dict(directive.split(" ", 1) for directive in policy.split("; "))
    assert directives == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    text = answer.body.decode()
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", text, re.IGNORECASE)

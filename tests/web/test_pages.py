"""What pages have in common over HTTP: their files, and errors as pages."""

from __future__ import annotations

import re

import pytest

from app.render import assets
from tests.servers import Answer
from tests.web.asking import LIST, TEXT, Ask

AS_PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HTML = "text/html; charset=utf-8"
YEAR = "public, max-age=31536000, immutable"


def path_in(answer: Answer, attribute: str, name: str) -> str:
    [path] = set(re.findall(rf'{attribute}="(/{name}-[^"]*)"', answer.body.decode()))
    return str(path)


@pytest.mark.parametrize(
    ("attribute", "name", "content_type"),
    [("href", "style", "text/css; charset=utf-8"), ("src", "logo", "image/svg+xml")],
)
def test_files_of_pages_are_kept_for_a_year(
    ask_quickly: Ask, attribute: str, name: str, content_type: str
) -> None:
    """A page names its style sheet and logo by their content, and they run nothing."""
    path = path_in(ask_quickly("/", headers=AS_PAGE), attribute, name)
    answer = ask_quickly(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
    assert answer.headers["Cache-Control"] == YEAR
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/style-0123456789abcdef.css", "/logo-0123456789abcdef.png"])
def test_files_of_another_version(ask_quickly: Ask, path: str) -> None:
    """While services of two versions run, a page of one has its style from the other, but not for long."""
    answer = ask_quickly(path)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")


def test_no_logo(ask_too_early: Ask) -> None:
    """Where there is none, there is none."""
    assert ask_too_early("/logo-0123456789abcdef.svg").status == 404
    assert ask_too_early(assets.style().path).headers["Cache-Control"] == YEAR


ERRORS = [
    pytest.param("/nothing", 404, id="no such page"),
    pytest.param("/mirrorlist/11/baseos?arch=x86_64", 404, id="no such release"),
    pytest.param(f"{LIST}&limit=-3", 400, id="bad value"),
    pytest.param("/explain?mirror=mirror.fra1.example.nat", 404, id="no such mirror"),
    pytest.param("/mirrors/mirror.fra1.example.nat", 404, id="no such mirror's page"),
    pytest.param("/statistics/days.xls", 404, id="no such table"),
    pytest.param("/explain?ip=somewhere", 400, id="bad address"),
]


def words_of(page: bytes) -> str:
    """The words in the page's main part."""
    main = page.decode().partition("<main")[2].partition("</main>")[0].partition(">")[2]
    text = re.sub("<[^>]*>", " ", main)
    for entity, letter in (("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&amp;", "&")):
        text = text.replace(entity, letter)
    return " ".join(text.split())


@pytest.mark.parametrize(("target", "status"), ERRORS)
def test_errors_are_pages_for_browsers(ask_quickly: Ask, target: str, status: int) -> None:
    """The page has the words that curl gets as text, and the same status; no cache keeps it for another."""
    as_text, as_page = ask_quickly(target, headers={"Accept": "*/*"}), ask_quickly(target, headers=AS_PAGE)
    assert (as_text.status, as_text.headers["Content-Type"]) == (status, TEXT)
    assert (as_page.status, as_page.headers["Content-Type"]) == (status, HTML)
    assert " ".join(as_text.body.decode().split()) in words_of(as_page.body)
    assert (as_page.headers["Cache-Control"], as_page.headers["Vary"]) == ("no-store", "Accept")
    assert as_page.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/plain", "application/json", "text/html;q=0.1, text/plain"]
)
def test_errors_are_text_for_all_others(ask_quickly: Ask, accept: str) -> None:
    """dnf, curl and programs get what they always got."""
    answer = ask_quickly("/mirrorlist/11/baseos", headers={"Accept": accept} if accept else {})
    assert (answer.status, answer.headers["Content-Type"]) == (404, TEXT)


def test_an_error_names_no_markup(ask_quickly: Ask) -> None:
    """What a request names is text on the page too."""
    answer = ask_quickly("/mirrorlist/%3Cscript%3E/baseos", headers=AS_PAGE)
    assert answer.status == 404
    assert b"<script" not in answer.body and b"&lt;script&gt;" in answer.body


@pytest.mark.parametrize("target", ["/", "/explain", "/mirrors", "/nothing"])
def test_too_early(ask_too_early: Ask, target: str) -> None:
    """Before anything is published, there are pages that say so."""
    answer = ask_too_early(target, headers=AS_PAGE)
    assert answer.headers["Content-Type"] == HTML
    assert b"Nothing is published yet." in answer.body


def test_health_is_no_page(ask_too_early: Ask) -> None:
    """What programs watch is text, whatever they accept."""
    assert ask_too_early("/readyz", headers=AS_PAGE).headers["Content-Type"] == TEXT

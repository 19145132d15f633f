"""The front page: where one seems to be, near mirrors, images, and how to point a system here."""

from __future__ import annotations

import configparser
import re
from html import unescape

import pytest

from tests.servers import Answer
from tests.web.asking import FRANKFURT, NEW_YORK, NOWHERE, TOKYO, Ask, mirrors_in

CORP_CLIENT = "2001:db8:c0de::7"
LAB_CLIENT = "10.30.0.7"


def front(ask: Ask, client: str) -> Answer:
    answer = ask("/", headers={"X-Forwarded-For": client, "Accept": "text/html"})
    assert answer.status == 200
    return answer


def near(answer: Answer) -> list[str]:
    """The mirrors that the page calls near, in order."""
    [part] = re.findall(r'aria-labelledby="here">(.*?)</section>', answer.body.decode(), re.DOTALL)
    return re.findall(r'href="/mirrors/([^"]*)"', part)


@pytest.mark.parametrize(
    "client", [FRANKFURT, TOKYO, NEW_YORK, NOWHERE, "192.0.2.225", CORP_CLIENT, LAB_CLIENT]
)
def test_near_mirrors_are_those_that_one_gets(ask_quickly: Ask, client: str) -> None:
    """They are the first three of the client's own list, wherever it is: in a cloud, in a network with a
    mirror of its own, or nowhere."""
    answer = front(ask_quickly, client)
    listed = ask_quickly("/mirrorlist/10/baseos", headers={"X-Forwarded-For": client})
    listing = ask_quickly("/mirrorlist/10/baseos?format=json", headers={"X-Forwarded-For": client})
    names = re.findall(r'"mirror":"([^"]*)"', listing.body.decode())
    assert mirrors_in(listed)
    assert near(answer) == names[:3]


def test_it_is_for_one_client_alone(ask_quickly: Ask) -> None:
    """No cache keeps what it says of the client; and private mirrors are on the pages of their own networks
    alone."""
    pages = {client: front(ask_quickly, client) for client in (FRANKFURT, LAB_CLIENT)}
    assert {page.headers["Cache-Control"] for page in pages.values()} == {"no-store"}
    assert b"mirror.lab.example.org" in pages[LAB_CLIENT].body
    assert b"mirror.lab.example.org" not in pages[FRANKFURT].body


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (FRANKFURT, "You seem to be in Frankfurt am Main, Germany."),
        ("192.0.2.225", "in the cloud region aws eu-central-1"),
        (NOWHERE, "Where you are is not known here"),
    ],
)
def test_where_one_seems_to_be(ask_quickly: Ask, client: str, words: str) -> None:
    """In words, as far as it is known."""
    assert words in unescape(front(ask_quickly, client).body.decode())


def test_repo_files_work(ask_quickly: Ask) -> None:
    """Each file for copying can be read as one, and each list in it is there."""
    text = unescape(front(ask_quickly, FRANKFURT).body.decode())
    files = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", text, re.DOTALL)
    assert len(files) == 4
    for file in files:
        parser = configparser.RawConfigParser()
        parser.read_string(file)
        assert "baseos" in parser.sections()
        for section in parser.sections():
            url = parser[section]["mirrorlist"].removeprefix("http://localhost")
            answer = ask_quickly(url.replace("$basearch", "x86_64"))
            assert answer.status == 200 and b"://" in answer.body


def test_images_are_those_that_there_are(ask_quickly: Ask) -> None:
    """The newest release comes first, and each link leads to a release and arch whose ISO list there is."""
    [part] = re.findall(
        r'aria-labelledby="images">(.*?)</section>', front(ask_quickly, FRANKFURT).body.decode(), re.DOTALL
    )
    links = re.findall(r'href="/isos/([^"]*)"', part)
    assert links[0] == "10.2/x86_64"
    assert {link.split("/")[0] for link in links} == {"8.10", "9.8", "10.2", "10-kitten"}
    assert {ask_quickly(f"/isolist/{link}").status for link in links} == {200}


def test_numbers_are_of_mirrors_that_all_may_know(ask_quickly: Ask) -> None:
    """The count is that of `/mirrors`."""
    mirrors = ask_quickly("/mirrors", headers={"Accept": "application/json"}).body.count(b'"mirror":')
    assert f"is carried by {mirrors} mirrors" in front(ask_quickly, LAB_CLIENT).body.decode()

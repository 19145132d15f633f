"""Images over HTTP: pages and JSON about them, and the addresses of AlmaLinux's own service."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import msgspec
import pytest

from app.model import Image
from app.render.images import image_set
from tests.builders import an_image_directory, load
from tests.servers import Answer
from tests.web.asking import FRANKFURT, TOKYO, Ask

AS_PAGE = {"Accept": "text/html"}
DVD = "/download/9.8/isos/x86_64/Example-9.8-x86_64-dvd.iso"


def decoded(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body)


def links(answer: Answer) -> list[str]:
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return [unescape(link) for link in re.findall(r'href="([^"]*)"', answer.body.decode())]


def from_(address: str) -> dict[str, str]:
    return {**AS_PAGE, "X-Forwarded-For": address}


def test_all_images_by_release(ask_quickly: Ask) -> None:
    """The newest release comes first and those of modules last, each image leads to its download, and each
    arch to its own page. JSON has the same."""
    sets = decoded(ask_quickly("/isos"))["isos"]
    assert list(dict.fromkeys(one["release"] for one in sets)) == ["10.2", "9.8", "8.10", "10-kitten"]
    assert all([image["kind"] for image in one["images"]] == ["boot", "minimal", "dvd"] for one in sets)
    found = links(ask_quickly("/isos", headers=AS_PAGE))
    expected = [link for one in sets for link in (one["page"], *(i["download"] for i in one["images"]))]
    assert [link for link in found if link in expected] == expected


def test_one_release_and_arch(ask_quickly: Ask) -> None:
    """The page of an arch has each image with its size, checksum, torrent, metalink and a button that leads
    to the nearest mirror; beside it, the other mirrors of the client's list, in order."""
    answer = ask_quickly("/isos/9/x86_64", headers=from_(FRANKFURT))
    found, text = links(answer), unescape(answer.body.decode())
    document = decoded(ask_quickly("/isos/9/x86_64", headers={"X-Forwarded-For": FRANKFURT}))
    listed = ask_quickly(f"/isolist/9/x86_64?ip={FRANKFURT}").lines
    assert [mirror["url"] for mirror in document["mirrors"]] == listed
    for image in document["isos"]["images"]:
        assert f'<a class="button" href="{image["download"]}">' in text
        assert image["metalink"] in found
        assert image["sha256"] in text
        others = [url + image["name"] for url in listed[1:]]
        assert [link for link in found if link in others] == others
    dvd = document["isos"]["images"][-1]
    assert dvd["download"] == DVD
    assert dvd["also"] == ["Example-9-latest-x86_64-dvd.iso"]
    assert dvd["torrent"] == f"{DVD}.torrent" and dvd["torrent"] in found
    assert "12.7 GB" in text
    assert document["mirrors"][0]["mirror"] in text.partition("<h2")[0]
    sent_to = ask_quickly(f"{DVD}?ip={FRANKFURT}").headers["Location"]
    assert sent_to == listed[0] + dvd["name"]


def test_each_client_has_a_page_of_its_own(ask_quickly: Ask) -> None:
    """What names a client's mirrors is kept by no cache; what is the same for all is, and is revalidated."""
    pages = [ask_quickly("/isos/9/x86_64", headers=from_(address)) for address in (FRANKFURT, TOKYO)]
    assert pages[0].body != pages[1].body
    assert [page.headers["Cache-Control"] for page in pages] == ["no-store"] * 2
    shared = ask_quickly("/isos", headers=from_(FRANKFURT))
    assert shared.body == ask_quickly("/isos", headers=from_(TOKYO)).body
    assert ask_quickly("/isos", headers={**AS_PAGE, "If-None-Match": shared.headers["ETag"]}).status == 304


def test_who_came_by_https_is_shown_https_alone(ask_quickly: Ask) -> None:
    """The mirrors beside a button are those that the button may lead to."""
    by_https = {"X-Forwarded-For": TOKYO, "X-Forwarded-Proto": "https"}
    urls = [mirror["url"] for mirror in decoded(ask_quickly("/isos/9/x86_64", headers=by_https))["mirrors"]]
    assert {url.partition(":")[0] for url in urls} == {"https"}


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_a_past_release(ask_quickly: Ask, kind: str) -> None:
    """The images of a release of the past are in the vault, and nothing is known of them here."""
    answer = ask_quickly("/isos/9.7/x86_64", headers={"Accept": kind})
    assert answer.status == 200
    assert b"https://vault.example.org/9.7/isos/x86_64/" in answer.body


@pytest.mark.parametrize("path", ["/isos/9.9/x86_64", "/isos/9/sparc", "/isos/9", "/isos/9/x86_64/x"])
def test_what_there_is_not(ask_quickly: Ask, path: str) -> None:
    """Unknown releases and arches are a 404."""
    assert ask_quickly(path).status == 404


ALMALINUX = {
    "/isos.html": "/isos",
    "/isos/x86_64/9": "/isos/9.8/x86_64",
    "/isos/x86_64/9.8.html": "/isos/9.8/x86_64",
    "/kitten": "/mirrors?release=10-kitten",
    "/kitten/isos": "/isos",
    "/kitten/isos.html": "/isos",
    "/kitten/isos/x86_64/10": "/isos/10-kitten/x86_64",
    "/kitten/isos/aarch64/10.html": "/isos/10-kitten/aarch64",
    "/kitten/isos/x86_64/77": "/isos",
    "/debug/json/ip_info": "/whoami?format=json",
    "/debug/json/nearest_mirrors": "/isolist/10.2/x86_64?format=json",
    "/debug/json/all_mirrors": "/mirrors?format=json",
    "/debug/html/all": "/mirrors",
}


@pytest.mark.parametrize(("theirs", "ours"), ALMALINUX.items(), ids=ALMALINUX)
def test_almalinux_addresses(ask_quickly: Ask, theirs: str, ours: str) -> None:
    """An address of AlmaLinux's own service leads to the page here that answers the same."""
    answer = ask_quickly(theirs)
    assert (answer.status, answer.headers["Location"]) == (302, ours)
    assert ask_quickly(ours).status == 200


KINDS = {
    "by what differs": (
        ("A-9.8-x86_64-boot.iso", "A-9.8-x86_64-dvd.iso"),
        ("boot", "dvd"),
    ),
    "one alone has its whole name": (("A-9.8-x86_64-boot.iso",), ("A-9.8-x86_64-boot.iso",)),
    "one that is the beginning of another": (("A-9.8.iso", "A-9.8-live.iso"), ("live", "A-9.8.iso")),
    "what installs comes first": (("a.img", "b.iso"), ("b", "a.img")),
}


@pytest.mark.parametrize(("names", "kinds"), KINDS.values(), ids=KINDS)
def test_kinds(names: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """An image is called by what tells it from the others beside it."""
    snapshot = load(images={"9.8/x86_64": an_image_directory(*names)})
    assert tuple(image.kind for image in image_set(snapshot, "9.8", "x86_64").images) == kinds


def test_one_file_under_several_names() -> None:
    """It is shown once, by the name that stays true; an unknown size comes last."""
    same, other = Image(size=2, sha256="a" * 64), Image(sha256="b" * 64)
    images = {"A-9-latest-dvd.iso": same, "A-9.8-boot.iso": other, "A-9.8-dvd.iso": same}
    directory = an_image_directory(images=images, others=("A-9.8.torrent", "A-9.8-dvd.torrent"))
    found = image_set(load(images={"9.8/x86_64": directory}), "9.8", "x86_64")
    assert [(image.name, image.also) for image in found.images] == [
        ("A-9.8-dvd.iso", ("A-9-latest-dvd.iso",)),
        ("A-9.8-boot.iso", ()),
    ]
    assert found.images[0].torrent == "/download/9.8/isos/x86_64/A-9.8-dvd.torrent"
    assert found.torrents == ("/download/9.8/isos/x86_64/A-9.8.torrent",)


def test_images_that_are_not_known() -> None:
    """Nothing is claimed of them."""
    found = image_set(load(), "9.8", "x86_64")
    assert (found.images, found.checksums, found.torrents) == ((), None, ())

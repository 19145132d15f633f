"""nginx keeps the pages that are the same for all clients, by what decides them, and no others."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.servers import Answer
from tests.web.deployed import Deployed

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
ONE = "/mirrors/mirror.fra1.example.net"


@pytest.fixture(scope="module")
def site(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path_factory.mktemp("site"), published)
    yield deployed
    deployed.stop()


_networks = count(1)


def asked(site: Deployed, *requests: tuple[str, dict[str, str]]) -> tuple[list[Answer], list[object]]:
    """The answers to some requests, each from a network of its own, and whether each is from the cache."""
    answers = [
        site.through(target, f"2001:db8:{next(_networks):x}::1", **headers) for target, headers in requests
    ]
    return answers, [line["cache"] for line in site.logged(len(requests))]


def alone(site: Deployed, target: str, headers: dict[str, str]) -> Answer:
    return site.gunicorn.ask(target, "GET", {name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.parametrize(
    "target",
    [
        "/mirrors",
        "/mirrors?country=DE&arch=aarch64",
        "/mirrors?q=example+hosting&country=&status=not+probed&sort=name",
        "/mirrors?q=fra1.example.net&format=json",
        ONE,
        f"{ONE}?format=json",
        "/map",
        "/map?continent=EU",
        "/isos",
        "/isos?format=json",
        "/mirrors?another=parameter",
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing said"),
        pytest.param({"Accept": "*/*"}, id="curl"),
        pytest.param({"Accept": "application/json"}, id="program"),
        pytest.param({"Accept": PAGE}, id="browser"),
        pytest.param({"Accept": CHROMIUM, "Accept_Encoding": "gzip, deflate, br, zstd"}, id="chromium"),
        pytest.param({"Accept": "text/html;q=0.1,application/json"}, id="odd Accept"),
        pytest.param({"Accept": PAGE, "Accept_Encoding": "gzip;q=0"}, id="odd Accept-Encoding"),
    ],
)
def test_kept_for_all(site: Deployed, target: str, headers: dict[str, str]) -> None:
    """The second client gets what the first one got, from the cache: what the service alone would send."""
    (_, second), cache = asked(site, (target, headers), (target, headers))
    own = alone(site, target, headers)
    assert cache[1] == "HIT"
    assert (second.status, second.body) == (200, own.body)
    for name in ("Content-Type", "Content-Encoding", "ETag", "Content-Security-Policy", "Cache-Control"):
        assert second.headers[name] == own.headers[name]


def test_each_form_by_itself(site: Deployed) -> None:
    """A browser gets a page, a program JSON, and who takes gzip a compressed answer, whoever asked before,
    and in whatever words."""
    target = "/mirrors?continent=EU"
    forms = (
        {"Accept": PAGE},
        {"Accept": "*/*"},
        {"Accept": PAGE, "Accept_Encoding": "gzip"},
        {"Accept": "text/html;q=0.1,*/*", "Accept_Encoding": "gzip;q=0"},
    )
    for _ in range(2):
        page, json, packed, odd = asked(site, *((target, form) for form in forms))[0]
        assert (odd.headers["Content-Encoding"], odd.body) == (None, json.body)
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert json.headers["Content-Type"] == "application/json"
        assert (page.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (None, "gzip")
        assert gzip.decompress(packed.body) == page.body


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        pytest.param("/whoami", {}, id="about the client"),
        pytest.param("/explain", {"Accept": PAGE}, id="explanation"),
        pytest.param("/", {"Accept": PAGE}, id="front page"),
        pytest.param("/isos/9.8/x86_64", {"Accept": PAGE}, id="images with the client's mirrors"),
        pytest.param("/isos/x86_64/9.8", {"Accept": PAGE}, id="another service's address"),
        pytest.param("/map?ip=192.0.2.1", {"Accept": PAGE}, id="map of one client"),
        pytest.param("/mirrors?q=192.0.2.1", {}, id="an address, which is not to be written on the disk"),
        pytest.param("/mirrors?q=caf%C3%A9", {}, id="encoded"),
        pytest.param("/mirrors?country=atlantis", {}, id="bad value"),
        pytest.param("/mirrors/mirror.nowhere.example.net", {}, id="no such mirror"),
        pytest.param("/mirrors", {"If_Match": '"x"'}, id="condition"),
        pytest.param("/mirrors", {"If_Unmodified_Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, id="date"),
    ],
)
def test_not_kept(site: Deployed, target: str, headers: dict[str, str]) -> None:
    """What is about one client, an error, or what nginx cannot be sure to read as the service does, is asked
    of the service each time."""
    answers, cache = asked(site, (target, headers), (target, headers))
    assert "HIT" not in cache
    assert [answer.status for answer in answers] == [alone(site, target, headers).status] * 2


def test_each_url_by_itself(site: Deployed) -> None:
    """A page is kept for the host and the scheme that it was asked at: it may hold its own address."""
    wanted = [("a.example.org", "http"), ("b.example.org", "http"), ("a.example.org", "https")]
    headers = [{"Host": host, "X_Forwarded_Proto": scheme} for host, scheme in wanted]
    _, cache = asked(site, *(("/mirrors?sort=age", one) for one in headers * 2))
    assert cache == ["MISS"] * 3 + ["HIT"] * 3


def test_nothing_of_one_client_in_the_pages(site: Deployed) -> None:
    """What is stored in nginx's cache names no client: pages do not depend on who asks."""
    one, other = (
        site.through("/mirrors?sort=name", client, Accept=PAGE, User_Agent=client)
        for client in ("192.0.2.1", "203.0.113.1")
    )
    assert one.body == other.body == alone(site, "/mirrors?sort=name", {"Accept": PAGE}).body

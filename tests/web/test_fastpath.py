"""The fast path answers what was asked before, without Flask, and nothing else. That its answers are
the ordinary ones is tested with the whole contract: there, everything is asked twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.request.question import DECIDING, NAMING
from app.serving.current import Current
from tests.web.asking import FRANKFURT, LIST, TOKYO, application, asking, kept


class Counted:
    """Counts what gets to Flask."""

    def __init__(self, app: Flask) -> None:
        self.requests = 0
        app.before_request(self.count)

    def count(self) -> None:
        self.requests += 1


@pytest.fixture
def app(published: Path) -> Flask:
    return application(published)


def from_address(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@pytest.mark.parametrize(
    "target",
    [
        LIST,
        "/mirrorlist?repo=baseos-9&arch=x86_64",
        "/?release=9&repo=baseos&arch=x86_64",
        "/metalink/9/baseos?arch=x86_64",
        "/isolist/9/x86_64",
        f"{LIST}&format=json",
        f"{LIST}&redirect=1",
        f"{LIST}&country=JP",
        "/mirrorlist/9.5/baseos",
        f"{LIST}&family=6&country=AQ",
    ],
    ids=["list", "MirrorManager", "CentOS", "metalink", "isos", "json", "302", "pinned", "vault", "origin"],
)
def test_second_time_without_flask(app: Flask, target: str) -> None:
    """The same question of the same client class is answered without Flask, byte for byte alike."""
    flask, ask = Counted(app), asking(app)
    first = ask(target, headers=from_address(FRANKFURT))
    second = ask(target, headers=from_address(FRANKFURT))
    assert flask.requests == 1
    assert (second.status, second.body, kept(second)) == (first.status, first.body, kept(first))


@pytest.mark.parametrize(
    "target",
    [f"{LIST}&ip={TOKYO}", "/mirrorlist/9/nothing", f"{LIST}&limit=no", "/whoami", "/metalink/9/baseos"],
    ids=["ip", "unknown repo", "bad value", "whoami", "metalink without arch"],
)
def test_ordinary_way_every_time(app: Flask, target: str) -> None:
    """What is about somebody else, what fails, and what is no list always goes to Flask."""
    flask, ask = Counted(app), asking(app)
    first, second = ask(target), ask(target)
    assert flask.requests == 2
    assert (second.status, second.body) == (first.status, first.body)


PACKAGES = "/download/9/BaseOS/x86_64/os/Packages"


@pytest.mark.parametrize(
    ("target", "is_quick"),
    [
        pytest.param(f"{PACKAGES}/one-1-1.x86_64.rpm", True, id="the same"),
        pytest.param(f"{PACKAGES}/two+more~2_2-x.y.rpm", True, id="another file"),
        pytest.param(f"{PACKAGES}/...", True, id="a name of dots"),
        pytest.param("/download//9/BaseOS//x86_64/os/Packages/two.rpm", True, id="doubled slashes"),
        pytest.param(f"{PACKAGES}/two.rpm?countme=2&infra=x", True, id="parameters of no meaning"),
        pytest.param(f"{PACKAGES}/two.rpm?limit=2", False, id="other parameters"),
        pytest.param(f"{PACKAGES}/t/two.rpm", False, id="another directory"),
        pytest.param(f"{PACKAGES}/", False, id="the directory"),
        pytest.param(PACKAGES, False, id="the directory without a slash"),
        pytest.param(f"{PACKAGES}/two%2Bmore.rpm", False, id="an encoded name"),
        pytest.param("/download/9/BaseOS/x86_64/os/%50ackages/two.rpm", False, id="an encoded directory"),
        pytest.param(f"{PACKAGES}/two|more.rpm", False, id="a name that is encoded on the way"),
        pytest.param(f"{PACKAGES}/..", False, id="dots"),
        pytest.param(f"{PACKAGES}/{'x' * 1000}", False, id="too long a name"),
        pytest.param(f"{PACKAGES}/two.rpm?ip={TOKYO}", False, id="for another address"),
        pytest.param(f"{PACKAGES}/two.rpm?explain=1", False, id="an explanation"),
    ],
)
def test_another_file_of_a_directory(published: Path, app: Flask, target: str, is_quick: bool) -> None:
    """After one file of a directory, others with plain names are answered without Flask, as they would have
    been before; all that needs a look takes the ordinary way."""
    flask, ask = Counted(app), asking(app)
    assert ask(f"{PACKAGES}/one-1-1.x86_64.rpm", headers=from_address(FRANKFURT)).status == 302
    answer = ask(target, headers=from_address(FRANKFURT))
    assert flask.requests == (1 if is_quick else 2)
    fresh = asking(application(published))(target, headers=from_address(FRANKFURT))
    if "explain" not in target:  # which says how old the snapshot is
        assert (answer.status, answer.body, kept(answer)) == (fresh.status, fresh.body, kept(fresh))


def test_https_is_another_download(app: Flask) -> None:
    """A client that came by https is not given what was remembered for one that came by http."""
    ask = asking(app)
    target = f"{PACKAGES}/one.rpm?protocol=http,https"
    plainly = ask(target, headers=from_address(TOKYO))
    secure = {**from_address(TOKYO), "X-Forwarded-Proto": "https"}
    for _ in range(2):
        answer = ask(target, headers=secure)
        assert answer.headers["Location"].startswith("https://")
        assert not any("<http:" in link for link in answer.headers.get_all("Link") or [])
    assert ask(target, headers=from_address(TOKYO)).headers["Location"] == plainly.headers["Location"]
    assert plainly.headers["Location"].startswith("http://")


def test_another_client_is_another_answer(app: Flask) -> None:
    """A remembered question does not give one client's answer to another."""
    ask = asking(app)
    for _ in range(3):
        frankfurt = ask(LIST, headers=from_address(FRANKFURT))
        tokyo = ask(LIST, headers=from_address(TOKYO))
        assert frankfurt.headers["X-Client-Place"] != tokyo.headers["X-Client-Place"]
        assert frankfurt.body != tokyo.body


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
def test_other_methods(app: Flask, method: str) -> None:
    """Only GET is remembered."""
    flask, ask = Counted(app), asking(app)
    ask(LIST)
    ask(LIST)
    answer = ask(LIST, method=method)
    assert flask.requests == (2 if method == "HEAD" else 1) or answer.status == 405
    assert answer.status == (200 if method == "HEAD" else 405)


ORDINARY = "/mirrorlist/9/baseos?arch=x86_64&limit=3"


@pytest.mark.parametrize(
    ("target", "is_known"),
    [
        (ORDINARY, True),
        (f"{ORDINARY}&infra=stock", True),
        ("/mirrorlist/9/baseos?countme=3&arch=x86_64&x&=&limit=3&content=centos", True),
        (f"{ORDINARY}&cc=fr&repo=appstream&release=10-kitten&path=9/extras", True),
        ("/mirrorlist//9/baseos/?arch=x86_64&limit=3&infra=%FF", True),
        (f"{ORDINARY}&infra=\xff", True),
        (f"{ORDINARY}&country=fr", False),
        (f"{ORDINARY}&%69nfra=stock", False),
        (f"{ORDINARY}&%65xplain=1", False),
        (f"{ORDINARY}&ip={TOKYO}", False),
        ("/mirrorlist?repo=baseos-9&arch=x86_64&limit=3", False),
        ("/mirrorlist/9/baseos?arch=x86_64&limit=3&limit=4", False),
    ],
)
def test_what_decides_nothing_is_in_no_name(app: Flask, target: str, is_known: bool) -> None:
    """After an ordinary request, those that differ in nothing that decides are answered without Flask;
    all others are not taken for it."""
    flask, ask = Counted(app), asking(app)
    first = ask(ORDINARY)
    again = ask(target)
    assert flask.requests == (1 if is_known else 2)
    if is_known:
        assert (again.status, again.body, kept(again)) == (first.status, first.body, kept(first))


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("/mirrorlist/9/sources?arch=x?", "/mirrorlist/9/sources%3Farch=x"),
        ("/mirrorlist/9/sources?arch=x&infra=a", "/mirrorlist/9/sources%26infra=a?arch=x"),
        ("/mirrorlist/9/baseos?arch=x86_64", "/mirrorlist/9/baseos%0Aarch=x86_64"),
    ],
)
def test_an_encoded_sign_is_part_of_the_path(app: Flask, known: str, other: str) -> None:
    """A path that holds what usually parts it from the query is not taken for another path."""
    ask = asking(app)
    fresh = ask(other)
    ask(known)
    again = ask(other)
    assert fresh.status == 404
    assert (again.status, again.body) == (fresh.status, fresh.body)


class Read(dict[str, str]):
    """Parameters that note which of them are looked for."""

    def __init__(self, parameters: dict[str, str]) -> None:
        super().__init__(parameters)
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def test_the_names_are_those_that_the_parser_reads(app: Flask) -> None:
    """No other parameter is looked at for a question; those that name what is asked for are looked at only
    where the path does not."""
    parser = app.extensions["mirrorwise"].serving.parser
    named = Read({"arch": "x86_64"})
    parser.parse_list(named, "9", "baseos")
    assert named.names == DECIDING - NAMING
    read = set[str]()
    for parameters in (
        {"repo": "baseos-9"},
        {"repo": "baseos", "release": "9", "cc": "de"},
        {"path": "9/BaseOS/x86_64/os"},
    ):
        question = Read(parameters)
        parser.parse_list(question)
        read |= question.names
    assert read == DECIDING


def test_memory_is_bounded(app: Flask) -> None:
    """Whatever is asked, what is remembered has a limit."""
    ask = asking(app)
    current: Any = app.extensions["mirrorwise"]
    assert isinstance(current, Current)
    assert current.serving is not None
    for number in range(200):
        ask(f"{LIST}&countme={number}")
    assert len(current.serving.questions) == 1
    ask(f"{LIST}&infra={'x' * 400}&family={'x' * 400}")
    assert len(current.serving.questions) == 1
    assert len(current.serving.lists.selections) == 1

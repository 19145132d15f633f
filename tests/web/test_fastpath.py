"""The fast path answers what was asked before, without Flask, and nothing else. That its answers are
the ordinary ones is tested with the whole contract: there, everything is asked twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

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


def test_memory_is_bounded(app: Flask) -> None:
    """Whatever is asked, what is remembered has a limit."""
    ask = asking(app)
    current: Any = app.extensions["mirrorwise"]
    assert isinstance(current, Current)
    assert current.serving is not None
    for number in range(200):
        ask(f"{LIST}&countme={number}")
    remembered = len(current.serving.questions)
    ask(f"{LIST}&nonsense={'x' * 400}")
    assert len(current.serving.questions) == remembered
    assert len(current.serving.lists.selections) == 1

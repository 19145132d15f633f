"""Two ways of asking the service, of the application itself and over HTTP, and what is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.message import Message
from pathlib import Path

from flask import Flask

from app.settings import Settings, read_settings
from app.store import file_store
from app.web import create_app
from tests.conftest import ROOT
from tests.servers import Answer, environ

DATA = ROOT / "data"
PROXY = "127.0.0.1"  # trusted
STRANGER = "127.0.0.42"  # not trusted
FRANKFURT, LUXEMBOURG, TOKYO, NEW_YORK = "192.0.2.1", "192.0.2.49", "203.0.113.1", "198.51.100.1"
BERLIN6 = "2001:db8:49:30::1"
NOWHERE = "2001:db8:ffff::1"
LIST = "/mirrorlist/9/baseos?arch=x86_64"
FROM_FRANKFURT = f"{LIST}&ip={FRANKFURT}"
TEXT = "text/plain; charset=utf-8"

Ask = Callable[..., Answer]


def variables(var: Path) -> dict[str, str]:
    return environ(DATA, var, TRUSTED_PROXIES=f"{PROXY}/32")


def application(var: Path, **more: str) -> Flask:
    return application_of(read_settings({**variables(var), **more}), var)


def application_of(settings: Settings, var: Path) -> Flask:
    """The application that serves what is published in `var`."""
    app = create_app(settings, file_store(var), follow=False)
    app.extensions["mirrorwise"].refresh()
    return app


def asking(app: Flask) -> Ask:
    """Of the application, without a server."""

    def ask(
        target: str, method: str = "GET", headers: Mapping[str, str] | None = None, source: str = PROXY
    ) -> Answer:
        response = app.test_client().open(
            target, method=method, headers=dict(headers or {}), environ_overrides={"REMOTE_ADDR": source}
        )
        message = Message()
        for name, value in response.headers.items():
            message[name] = value
        return Answer(response.status_code, message, response.get_data())

    return ask


def kept(answer: Answer) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in answer.headers.items() if name != "Date")


def mirrors_in(answer: Answer) -> list[str]:
    """The hosts of a mirrorlist, which has to be one."""
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == TEXT
    assert answer.body.endswith(b"\n")
    hosts = []
    for line in answer.body.decode("ascii").split("\n")[:-1]:
        match = re.fullmatch(r"(?:https?|rsync)://([a-z0-9.-]+)/[A-Za-z0-9._/$-]+/", line)
        assert match, line
        hosts.append(match[1])
    assert hosts and len(set(hosts)) == len(hosts)
    return hosts

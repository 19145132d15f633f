"""Which of gunicorn's workers serves the application."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from app.web.server.internals import missing_internals
from app.web.server.run import worker_class
from app.web.server.worker import QuickWorker
from tests.servers import GunicornServer
from tests.web.asking import LIST, variables

OLDER_CREATE = """
from gunicorn.http import wsgi
create = wsgi.create
wsgi.create = lambda req, sock, client, server, cfg: create(req, sock, client, server, cfg)
"""
"""Makes gunicorn one that takes no response class of others, as former releases did not."""


def test_nothing_is_missing() -> None:
    """The gunicorn that is installed has what our worker needs, and so ours runs."""
    assert missing_internals() == []
    assert worker_class("quick") is QuickWorker


def test_the_stock_worker_can_be_chosen() -> None:
    """`MIRRORWISE_SERVER=gthread` is gunicorn's own worker, whatever ours could do."""
    assert worker_class("gthread") == "gthread"


@pytest.mark.parametrize(
    "name",
    [
        "gunicorn.workers.gthread._DEFER",
        "gunicorn.workers.gthread.TConn.set_timeout",
        "gunicorn.workers.gthread.ThreadWorker.murder_pending",
        "gunicorn.workers.gthread.ThreadWorker.finish_request",
        "gunicorn.http.wsgi.create",
        "gunicorn.http.wsgi.TOKEN_RE",
        "gunicorn.http.wsgi.Response.force_close",
        "gunicorn.http.errors.LimitRequestLine",
    ],
)
def test_a_missing_name(name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where one of gunicorn's names is gone, the log says which, and gunicorn's own worker runs."""
    monkeypatch.delattr(name)
    assert missing_internals() == [name]
    with caplog.at_level(logging.WARNING):
        assert worker_class("quick") == "gthread"
    [record] = caplog.records
    assert record.getMessage().endswith(f"ours needs {name}")


def test_other_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that gunicorn calls in another way counts as missing; a function that we call may take
    more than we give it."""
    monkeypatch.setattr("gunicorn.workers.gthread.ThreadWorker.handle", lambda self, conn, deadline: None)
    monkeypatch.setattr("gunicorn.workers.gthread.TConn.set_timeout", lambda self, seconds=1: None)
    assert missing_internals() == ["gunicorn.workers.gthread.ThreadWorker.handle"]


def test_an_attribute_that_is_no_longer_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """What instances have counts only if a method of theirs sets it."""
    monkeypatch.setattr(
        "gunicorn.workers.gthread.TConn.__init__", lambda self, cfg, sock, client, server: None
    )
    missing = missing_internals()
    assert {name.rpartition(".")[2] for name in missing} == {"client", "server"}


@pytest.mark.parametrize("chosen", [True, False], ids=["chosen", "ours cannot run"])
def test_the_stock_worker_serves(published: Path, tmp_path: Path, chosen: bool) -> None:
    """Chosen, or on a gunicorn from which something was taken away, gunicorn's own worker answers with
    lists; why it does so unasked is said once, however many processes there are."""
    (tmp_path / "store").symlink_to(published / "store")
    environ = {**variables(tmp_path), "MIRRORWISE_SERVER": "gthread" if chosen else "quick"}
    if not chosen:
        (tmp_path / "sitecustomize.py").write_text(OLDER_CREATE)
        environ["PYTHONPATH"] = str(tmp_path)
    server = GunicornServer(tmp_path, environ, processes=2)
    try:
        server.wait_until_serving()
        answer = server.ask(LIST)
    finally:
        server.stop()
    assert (answer.status, len(answer.lines)) == (200, 10)
    assert answer.headers["Server"] == "gunicorn"  # a header that ours does not send
    assert server.said().count("ours needs gunicorn.http.wsgi.create\n") == (0 if chosen else 1)


@pytest.mark.parametrize("mask", [0o007, pytest.param(0o077, marks=pytest.mark.slow)])
def test_who_may_connect_to_the_socket(published: Path, tmp_path: Path, mask: int) -> None:
    """Whom the process's umask lets write may connect to the unix socket; no one else."""
    (tmp_path / "store").symlink_to(published / "store")
    before = os.umask(mask)
    try:
        server = GunicornServer(tmp_path, variables(tmp_path), processes=1, unix=True)
    finally:
        os.umask(before)
    try:
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o777 & ~mask
    finally:
        server.stop()

"""Which of gunicorn's workers serves the application."""

from __future__ import annotations

import logging
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest
from gunicorn.config import Config

from app.model import MirrorwiseError
from app.web.server import activation
from app.web.server.internals import missing_internals
from app.web.server.run import RootLogger, worker_class
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


def test_the_stock_worker_logs_no_address(caplog: pytest.LogCaptureFixture) -> None:
    """What gunicorn's own worker would log of a client is left out; the rest stays."""
    logger = RootLogger(Config())
    logger.warning("Invalid request from ip={ip}: {error}".format(ip="192.0.2.7", error="Invalid Method"))
    logger.warning("No keepalived connections can be handled.")
    assert caplog.messages == ["No keepalived connections can be handled."]


def test_the_stock_worker_can_be_chosen() -> None:
    """`MIRRORWISE_SERVER=gthread` is gunicorn's own worker, whatever ours could do."""
    assert worker_class("gthread") == "gthread"


@pytest.mark.parametrize(
    "name",
    [
        "gunicorn.arbiter.Arbiter.manage_workers",
        "gunicorn.workers.base.Worker.notify",
        "gunicorn.http.unreader.IterUnreader.__init__",
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
    monkeypatch.setattr("gunicorn.arbiter.Arbiter.manage_workers", lambda self, most: None)
    monkeypatch.setattr("gunicorn.workers.base.Worker.notify", lambda self, at_s=None: None)
    assert missing_internals() == ["gunicorn.arbiter.Arbiter.manage_workers"]


def test_an_attribute_that_is_no_longer_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """What instances have counts only if a method of theirs sets it."""
    monkeypatch.setattr("gunicorn.http.wsgi.Response.__init__", lambda self, req, sock, cfg: None)
    assert missing_internals() == ["gunicorn.http.wsgi.Response.req"]


@pytest.mark.parametrize("chosen", [True, False], ids=["chosen", "ours cannot run"])
@pytest.mark.slow
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


# --- start, reload and end ----------------------------------------------------------------------------------

SLOW_START = """
import time
from pathlib import Path
from gunicorn.app import base
wsgi = base.BaseApplication.wsgi
def slow(self):
    if Path({flag!r}).exists():
        time.sleep(1.5)
    return wsgi(self)
base.BaseApplication.wsgi = slow
"""


@pytest.mark.slow
def test_a_reload_leaves_no_client_alone(published: Path, tmp_path: Path) -> None:
    """SIGHUP replaces all processes; the old ones answer until the new ones do, however long these take
    to start."""
    (tmp_path / "store").symlink_to(published / "store")
    flag = tmp_path / "slow"
    (tmp_path / "sitecustomize.py").write_text(SLOW_START.format(flag=str(flag)))
    server = GunicornServer(tmp_path, {**variables(tmp_path), "PYTHONPATH": str(tmp_path)})
    try:
        server.wait_until_serving()
        before = set(server.descendants())
        flag.touch()
        server.process.send_signal(signal.SIGHUP)
        longest_s = 0.0
        deadline = time.monotonic() + 30
        while before & set(server.descendants()) and time.monotonic() < deadline:
            started = time.monotonic()
            assert server.ask(LIST).status == 200
            longest_s = max(longest_s, time.monotonic() - started)
        after = set(server.descendants())
        assert server.ask(LIST).status == 200
    finally:
        server.stop()
    assert len(after) == len(before) and not after & before
    assert longest_s < 1  # 1.5 s, if any client had to wait for a new process


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        pytest.param([], None, id="none"),
        pytest.param(["unix:{path}"], None, id="the one that is passed"),
        pytest.param(["unix:{path}.other"], "{path}.other", id="another one"),
        pytest.param(["unix:{path}", "127.0.0.1:9"], "127.0.0.1:9", id="one more"),
    ],
)
def test_addresses_beside_passed_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: list[str], missing: str | None
) -> None:
    """Where systemd passes sockets, an address that is not among them stops the start: gunicorn would not
    listen there, and not say so."""
    path = tmp_path / "web.sock"
    addresses = [each.format(path=path) for each in wanted]
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))
        monkeypatch.setattr(activation, "FIRST_FD", held.fileno())
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        if missing is None:
            activation.check_passed(environ, addresses)
        else:
            with pytest.raises(MirrorwiseError, match=f"ListenStream={missing.format(path=path)}, or"):
                activation.check_passed(environ, addresses)
        activation.check_passed({**environ, "LISTEN_PID": "1"}, addresses)  # they are for another process


@pytest.mark.slow
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

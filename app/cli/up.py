"""Runs `mirrorwise up`, which starts worker and web as its child processes and ends them together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

import click

from app.settings import Settings
from app.store import file_store

READY_WITHIN_S = 60
STOP_WITHIN_S = 15
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP comes when the terminal is closed


def run_up(settings: Settings, port: int) -> int:
    """Runs worker and web until the user stops them or one of them ends. Returns the exit code: 0 if the user
    stopped them, 1 if one ended by itself."""
    environ = {**os.environ, "PORT": str(port)}
    environ.pop("REDIS_URL", None)
    environ.pop("REDIS_READ_URL", None)
    parts: list[subprocess.Popen[bytes]] = []
    signals: list[int] = []  # noted, not raised: there is no moment at which one could leave a part behind
    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, lambda number, _: signals.append(number))

    def running() -> bool:
        return not signals and all(part.poll() is None for part in parts)

    try:
        parts.append(_start("worker", environ))
        store = file_store(settings.var_dir)  # web would begin by saying that there is nothing in it
        _wait_until(lambda: store.pointer() is not None, running)
        parts.append(_start("web", environ))
        if _wait_until(lambda: _is_ready(port), running):
            _say_what_to_try(port)
        while running():
            time.sleep(0.2)
        return 0 if signals else 1
    finally:
        _stop(parts)


def _start(command: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts a part (worker or web) in a session of its own, so that Ctrl-C reaches only this process, which
    then ends the parts in order."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "app", command], env=environ, start_new_session=True
    )


def _wait_until(condition: Callable[[], bool], running: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and running():
        if condition():
            return True
        time.sleep(0.1)
    return False


def _is_ready(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def _say_what_to_try(port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    click.echo(
        f"\nMirrorwise is serving the sample network. Try:\n"
        f"  curl '{base}/mirrorlist/9/baseos?arch=x86_64'\n"
        f"  curl '{base}/mirrorlist/9/baseos?arch=x86_64&ip=192.0.2.49'\n"
        f"  curl '{base}/whoami'\n"
        f"Ctrl-C ends it.\n"
    )


def _stop(parts: list[subprocess.Popen[bytes]]) -> None:
    for part in reversed(parts):
        if part.poll() is None:
            part.terminate()
    for part in reversed(parts):
        try:
            part.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            part.kill()
            part.wait()

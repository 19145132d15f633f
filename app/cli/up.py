"""`mirrorwise up`: worker and web as child processes of one command, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType

import click

from app.settings import Settings

READY_WITHIN_S = 60
STOP_WITHIN_S = 15
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed


def run_up(settings: Settings, port: int) -> int:
    """Returns the exit code: 0 when stopped by the user, 1 when a part ended by itself."""
    environ = {**os.environ, "PORT": str(port)}
    environ.pop("REDIS_URL", None)
    environ.pop("REDIS_READ_URL", None)
    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, _interrupt)
    parts: list[subprocess.Popen[bytes]] = []
    try:
        for command in ("worker", "web"):
            # A session of its own: Ctrl-C reaches us alone, and we end the parts in order.
            parts.append(
                subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-m", "app", command], env=environ, start_new_session=True
                )
            )
        if _wait_until_ready(port, parts):
            _say_what_to_try(port)
        while all(part.poll() is None for part in parts):
            time.sleep(0.2)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for number in STOPPING:  # somebody impatient must not keep us from ending the parts
            signal.signal(number, signal.SIG_IGN)
        _stop(parts)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_until_ready(port: int, parts: list[subprocess.Popen[bytes]]) -> bool:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and all(part.poll() is None for part in parts):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).close()
            return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def _say_what_to_try(port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    click.echo(
        f"\nMirrorwise is serving the sample network. Try:\n"
        f"  curl '{base}/mirrorlist/9/baseos?arch=x86_64'\n"
        f"  curl '{base}/mirrorlist/9/baseos?arch=x86_64&ip=133.11.0.1'\n"
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

"""Runs `mirrorwise up`, which starts worker, web and the collector of counts as its child processes and ends
them together."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import click

from app.cli.port import listening
from app.cli.samples import what_to_try
from app.files import is_gone, own_module, shipped_folder
from app.model import MirrorwiseError, SourceError
from app.model.errors import fault
from app.settings import Settings
from app.snapshot.soundness import verified
from app.sources.folder import DataFolder
from app.sources.people_files import PeopleFiles
from app.store import FileStore, file_store

READY_WITHIN_S = 60
STOP_WITHIN_S = 15
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP comes when the terminal is closed


class OtherNetworkError(MirrorwiseError):
    """The service's folder belongs to another network."""


def environ_of_up(environ: Mapping[str, str], port: int | None) -> dict[str, str]:
    """The environment of all parts. Without any data, there is the sample network that comes along. Web
    records requests, because there may be no nginx."""
    needless = ("REDIS_URL", "REDIS_READ_URL")
    ours = {name: value for name, value in environ.items() if name not in needless}
    if not ours.get("REQUEST_LOG", "").strip():
        var = ours.get("MIRRORWISE_VAR", "").strip() or Settings().var_dir
        ours["REQUEST_LOG"] = str(Path(var) / "requests.log")
    if not ours.get("MIRRORWISE_DATA", "").strip() and not Path("data").exists():
        ours["MIRRORWISE_DATA"] = str(shipped_folder("data"))
    return ours if port is None else {**ours, "PORT": str(port)}


def run_up(settings: Settings, environ: Mapping[str, str]) -> int:
    """Runs all parts until the user stops them or one of them ends. Returns the exit code: 0 if the user
    stopped them, 1 if one ended by itself. Raises MirrorwiseError before anything is started."""
    check_folders(settings)
    parts: list[subprocess.Popen[bytes]] = []
    signals: list[int] = []  # noted, not raised: there is no moment at which one could leave a part behind
    with listening(settings.port) as listener:
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
                signal.signal(number, lambda number, _: signals.append(number))

        def running() -> bool:
            return not signals and all(part.poll() is None for part in parts)

        try:
            parts.append(_start(["worker"], environ))
            store = file_store(settings.var_dir)  # web would begin by saying that there is nothing in it
            _wait_until(lambda: store.pointer() is not None, running)
            parts.append(_start(["web", "--bind", f"fd://{listener.fileno()}"], environ, listener))
            parts.append(_start(["history", "follow"], environ))
            if _wait_until(lambda: _is_ready(settings.port), running):
                _say_what_to_try(settings)
            while running():
                time.sleep(0.2)
            return 0 if signals else 1
        finally:
            _stop(parts)


def check_folders(settings: Settings) -> None:
    """Raises MirrorwiseError if there are no data, or if the service's folder is that of another network: its
    lists would be served at first, and the guard would hold the new ones back for half an hour."""
    folder = DataFolder(settings.data_dir)
    if is_gone(folder.config):
        lacks = "there is no config.yml; `mirrorwise init` begins one"
        raise SourceError([fault(str(settings.data_dir), lacks)])
    served = _names_in(file_store(settings.var_dir))
    people = PeopleFiles(folder)
    with suppress(SourceError):  # the worker says what is wrong
        people.read()
    if served and people.mirrors and not served & people.mirrors.keys():
        raise OtherNetworkError(
            f"{settings.var_dir} holds what was published of another network: none of its {len(served)} "
            f"mirrors is in {settings.data_dir}; set MIRRORWISE_VAR to a folder of its own"
        )


def _names_in(store: FileStore) -> frozenset[str]:
    """The names of all mirrors in the snapshot that was published last; none if there is none to be read."""
    try:
        pointer = store.pointer()
        data = store.snapshot(pointer.generation) if pointer else None
        return frozenset(mirror.name for mirror in verified(data).mirrors) if data else frozenset()
    except MirrorwiseError:
        return frozenset()


def _start(
    arguments: list[str], environ: Mapping[str, str], listener: socket.socket | None = None
) -> subprocess.Popen[bytes]:
    """Starts a part (such as worker or web) in a session of its own, so that Ctrl-C reaches only this
    process, which then ends the parts in order."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*own_module("app"), *arguments],
        env=environ,
        start_new_session=True,
        pass_fds=[listener.fileno()] if listener else [],
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


def _say_what_to_try(settings: Settings) -> None:
    base = f"http://127.0.0.1:{settings.port}"
    sample = " (the sample network)" if _is_sample(settings.data_dir) else ""
    lines = [f"  curl '{base}{target}'" for target in what_to_try(settings)]
    click.echo(
        "\n".join(
            [
                f"\nMirrorwise is serving {settings.data_dir.absolute()}{sample}. Try:",
                *lines,
                f"or see {base}/ in a browser. Ctrl-C ends it.\n",
            ]
        )
    )


def _is_sample(data_dir: Path) -> bool:
    return data_dir.resolve() == shipped_folder("data").resolve()


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

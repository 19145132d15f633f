"""Restarts, reloads and upgrades under load: no request fails, whether nginx is in front or not.

All that is asked is new, so that nginx has no answer ready.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from app.settings import read_settings
from tests.chaos.strangers import Strangers
from tests.conftest import ROOT, free_port, need_program, wait_until
from tests.servers import (
    ActivatedServer,
    Command,
    GunicornServer,
    NginxOptions,
    NginxServer,
    UnixConnection,
    WorkerProcess,
    ask,
)
from tests.web.asking import LIST, variables
from tests.web.conftest import published

__all__ = ["published"]
pytestmark = pytest.mark.slow


class InstalledServer(GunicornServer):
    """As `GunicornServer`, but run as it is installed: a new master process begins with the same command."""

    program = (str(Path(sys.executable).with_name("mirrorwise")),)


def own(published: Path, folder: Path) -> dict[str, str]:
    """Variables for a service with files of its own in this folder, and what is published."""
    folder.mkdir()
    (folder / "store").symlink_to(published / "store")
    return {**variables(folder), "PYTHONPATH": str(ROOT)}


@contextmanager
def asked(
    folder: Path, variables: dict[str, str], through_nginx: bool, *services: GunicornServer
) -> Iterator[Strangers]:
    """Has strangers ask the services through nginx, or the first one alone."""
    with ExitStack() as stack:
        connect: Callable[[], http.client.HTTPConnection] = services[0].connection
        if through_nginx:
            options = NginxOptions(
                settings=read_settings(variables), beside=tuple(each.address for each in services[1:])
            )
            (folder / "nginx").mkdir()
            nginx = NginxServer(folder / "nginx", services[0].address, options)
            stack.callback(nginx.stop)

            def connect() -> http.client.HTTPConnection:
                return http.client.HTTPConnection("127.0.0.1", nginx.port)

        strangers = Strangers(connect)
        with strangers.asking():
            yield strangers
        assert strangers.bad == []


either_way = pytest.mark.parametrize("through_nginx", [True, False], ids=["nginx", "alone"])


@either_way
def test_stop_and_start(published: Path, tmp_path: Path, through_nginx: bool) -> None:
    """While its socket is held, as `mirrorwise-web.socket` holds it, the service may be stopped and started
    again, at once or after seconds: whoever asks meanwhile waits for it."""
    environ = own(published, tmp_path / "var")
    service = ActivatedServer(tmp_path, environ, unix=True)
    with ExitStack() as stack:
        stack.callback(service.close)
        with asked(tmp_path, environ, through_nginx, service) as strangers:
            for _ in range(2):
                assert service.signal(signal.SIGTERM) == 0
                service.start()
                strangers.ask_on()


@either_way
def test_reload(published: Path, tmp_path: Path, through_nginx: bool) -> None:
    """SIGHUP, which `systemctl reload` sends, replaces all processes."""
    environ = own(published, tmp_path / "var")
    service = ActivatedServer(tmp_path, environ, unix=True)
    with ExitStack() as stack:
        stack.callback(service.close)
        with asked(tmp_path, environ, through_nginx, service) as strangers:
            for _ in range(2):
                before = set(service.descendants())
                service.process.send_signal(signal.SIGHUP)
                wait_until(lambda b=before: not b & set(service.descendants()), "replaced", 60)  # type: ignore[misc]
                strangers.ask_on()


@either_way
def test_another_master(published: Path, tmp_path: Path, through_nginx: bool) -> None:
    """SIGUSR2 starts another service beside the old one, on the same socket; the old one may end when the new
    one says that it serves."""
    environ = own(published, tmp_path / "var")
    with ExitStack() as stack:
        service = InstalledServer(tmp_path, environ, unix=True)
        stack.callback(service.stop)
        with asked(tmp_path, environ, through_nginx, service):
            before = set(service.descendants())
            service.process.send_signal(signal.SIGUSR2)
            wait_until(lambda: service.said().count("serving generation") == 4, "all four serve", 60)
            [master] = [pid for pid in set(service.descendants()) - before if children(pid)]
            stack.callback(end, master)
            assert service.signal(signal.SIGTERM) == 0
        assert children(master)


def children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def end(pid: int) -> None:
    """Ends a process that is no child of this one."""

    def is_over() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    os.kill(pid, signal.SIGTERM)
    wait_until(is_over, "the new master ends")


def test_a_process_is_killed(published: Path, tmp_path: Path) -> None:
    """What it had begun to answer, nginx asks once more."""
    environ = own(published, tmp_path / "var")
    with ExitStack() as stack:
        service = GunicornServer(tmp_path, environ, unix=True)
        stack.callback(service.stop)
        with asked(tmp_path, environ, True, service) as strangers:
            for _ in range(5):
                before = set(service.descendants())
                os.kill(min(before), signal.SIGKILL)
                strangers.ask_on()
                wait_until(lambda b=before: len(set(service.descendants()) - b) == 1, "a new one", 60)  # type: ignore[misc]


def test_upgrade(published: Path, tmp_path: Path) -> None:
    """Another version, installed elsewhere, takes the place of the old one: first the worker's, then that of
    each of two services."""
    environ = own(published, tmp_path / "var")
    new = tmp_path / "new"
    shutil.copytree(ROOT / "app", new / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("data", "nginx"):
        (new / folder).symlink_to(ROOT / folder)
    with ExitStack() as stack:
        services: list[ActivatedServer] = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            services.append(ActivatedServer(tmp_path / name, environ, unix=True))
            stack.callback(services[-1].close)
        worker = WorkerProcess(tmp_path, environ)
        stack.callback(worker.stop)
        with asked(tmp_path, environ, True, *services) as strangers:
            for part in (worker, *services):
                upgrade(part, new)
                strangers.ask_on()
        for service in services:
            assert {Path(f"/proc/{pid}/cwd").readlink() for pid in service.descendants()} == {new}


def upgrade(part: Command, new: Path) -> None:
    part.signal(signal.SIGTERM)
    part.code = new
    part.environ = {**part.environ, "PYTHONPATH": str(new)}
    part.start()


@pytest.mark.parametrize("trouble", ["stopped", "killed", "hangs"])
def test_one_of_two_services(published: Path, tmp_path: Path, trouble: str) -> None:
    """While one of two services is down or hangs, the other one answers, and not much later: whoever finds
    out about the one that hangs waits for it, a second for a list and five for anything else."""
    environ = own(published, tmp_path / "var")
    with ExitStack() as stack:
        services = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            services.append(GunicornServer(tmp_path / name, environ, unix=True))
            stack.callback(services[-1].stop)
        ill = services[0]
        with asked(tmp_path, environ, True, *services) as strangers:
            for _ in range(2):
                TROUBLES[trouble](ill)
                strangers.ask_on()
                if trouble == "hangs":
                    go_on(ill)
                else:
                    ill.start()
                    wait_until(ill.answers_or_died, "it is back", 60)
                strangers.ask_on()
        assert strangers.slowest_s < 10


def processes(service: GunicornServer) -> list[int]:
    return [service.process.pid, *service.descendants()]


def hang(service: GunicornServer) -> None:
    for pid in processes(service):
        os.kill(pid, signal.SIGSTOP)


def go_on(service: GunicornServer) -> None:
    for pid in processes(service):
        os.kill(pid, signal.SIGCONT)


def kill(service: GunicornServer) -> None:
    """All at once, as when the memory is gone; the socket's file stays."""
    for pid in processes(service):
        os.kill(pid, signal.SIGKILL)
    service.process.wait()


TROUBLES: dict[str, Callable[[GunicornServer], object]] = {
    "stopped": lambda service: service.signal(signal.SIGTERM),
    "killed": kill,
    "hangs": hang,
}


def test_systemds_own_activation(published: Path, tmp_path: Path) -> None:
    """The service takes the sockets that systemd's own program passes, that of operators too, and the first
    request starts it."""
    program = need_program("systemd-socket-activate")
    environ = own(published, tmp_path / "var")
    path, metrics = tmp_path / "web.sock", f"127.0.0.1:{free_port()}"
    passed = [f"--setenv={name}={value}" for name, value in environ.items() if name.isidentifier()]
    command = [program, f"--listen={path}", f"--listen={metrics}", *passed, sys.executable, "-m", "app"]
    command += ["web", "--bind", f"unix:{path}", "--metrics", metrics]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(path.exists, "the socket is there")
        for connection, target in (
            (UnixConnection(path), LIST),
            (http.client.HTTPConnection(metrics), "/metrics"),
        ):
            connection.timeout = 30
            with closing(connection):
                assert ask(connection, target).status == 200, (tmp_path / "log").read_text()
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert path.exists(), "the socket is systemd's, which goes on listening"

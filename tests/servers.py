"""Starts the service's own processes, and nginx in front of them, for tests with real programs."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from app.settings import Settings, read_settings
from app.site.directory import Site, SiteDirectory
from app.store import open_store
from tests.conftest import ROOT, accepts, free_port, need_program, wait_until

GEOIP2 = Path("/usr/lib/nginx/modules/ngx_http_geoip2_module.so")
NGINX_CONF = """\
{main}
daemon off;
worker_processes {workers};
pcre_jit {jit};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile {open_files};
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/mirrorwise/mirrorwise.conf;
    {more}
}}
"""


@dataclass(frozen=True)
class NginxOptions:
    """Options of an nginx. Without `settings` nothing is published, so that nginx only passes requests on,
    and trusts no proxy. `beside` are further services. `more` goes into the http section. Without `valid`,
    answers are valid for as long as the site says."""

    settings: Settings | None = None
    beside: tuple[str, ...] = ()
    valid: str | None = None
    workers: int = 1
    more: str = ""
    listen: tuple[str, ...] = ()
    certificate: Path | None = None
    certificate_key: Path | None = None
    open_files: int = 0
    pcre_jit: str = "on"
    log_at_once: bool = True


class NginxServer:
    """A real nginx with the project's site as `mirrorwise nginx` writes it, on a loopback port of its own.

    `upstream` is what nginx connects to: "127.0.0.1:<port>" or "unix:/path". Everything nginx
    writes goes into `folder`, which must exist.
    """

    def __init__(self, folder: Path, upstream: str, options: NginxOptions = NginxOptions()) -> None:
        self.program = need_program("nginx")
        if options.settings is not None and not GEOIP2.exists():
            pytest.skip("nginx's geoip2 module (libnginx-mod-http-geoip2) is not installed")
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.conf = folder / "nginx.conf"
        self.options = options
        nothing = {"MIRRORWISE_VAR": str(folder / "nothing"), "TRUSTED_PROXIES": "none"}
        settings = options.settings or read_settings(nothing)
        site = Site(
            upstreams=(upstream, *options.beside),
            listen=(f"127.0.0.1:{self.port}", *options.listen),
            listen_tls=(f"127.0.0.1:{self.tls_port}",),
            server_name="_",
            cache=folder / "cache",
            certificate=options.certificate,
            certificate_key=options.certificate_key,
            open_files=options.open_files,
        )
        self.directory = SiteDirectory(folder / "mirrorwise", site, settings, open_store(settings))
        self.write()
        self.check()
        self.start()

    def write(self) -> None:
        """Writes the files as they are now. A running nginx reads them when it reloads."""
        # As root, nginx would hand its requests to a user who cannot enter pytest's folders.
        main = "user root;" if os.geteuid() == 0 else ""
        if GEOIP2.exists():
            main += f"\nload_module {GEOIP2};"
        options = self.options
        text = NGINX_CONF.format(
            folder=self.folder,
            main=main,
            workers=options.workers,
            open_files=options.open_files + 10_000,
            jit=options.pcre_jit,
            more=options.more,
        )
        self.conf.write_text(text)
        self.directory.update()
        site = self.folder / "mirrorwise" / "mirrorwise.conf"
        text, replaced = re.subn("/var/log/nginx/", f"{self.folder}/", site.read_text())
        assert replaced == 2, "the site logs elsewhere now"
        if options.log_at_once:
            text, replaced = re.subn(" buffer=64k flush=1s;", ";", text)
            assert replaced == 1, "the site's log is buffered in another way now"
        if options.valid is not None:
            text, replaced = re.subn("(proxy_cache_valid 200 302) [0-9]+s;", rf"\1 {options.valid};", text)
            assert replaced == 1, "the site says in another way now how long an answer is valid"
        site.write_text(text)

    @property
    def command(self) -> list[str]:
        return [self.program, "-e", str(self.folder / "error.log"), "-c", str(self.conf)]

    def check(self) -> None:
        """Runs `nginx -t`. It fails with nginx's own message, also if that is only a warning."""
        done = subprocess.run([*self.command, "-t"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "[warn]" not in done.stderr, done.stderr

    def start(self) -> None:
        # So that a limit to the size of files is an error to it, as a full disk is, and not its end.
        self.process = subprocess.Popen(self.command, restore_signals=False)
        wait_until(self.listens_or_died, "nginx listening")
        assert self.process.poll() is None, (self.folder / "error.log").read_text()

    def listens_or_died(self) -> bool:
        return self.process.poll() is not None or accepts(self.port)

    def workers(self) -> set[int]:
        return set(
            map(int, Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())
        )

    def reload(self) -> None:
        """Has nginx read the files, and waits until new workers have taken over."""
        before = self.workers()
        subprocess.run([*self.command, "-s", "reload"], check=True)
        wait_until(lambda: bool(self.workers()) and not before & self.workers(), "nginx has reloaded")

    def stop(self) -> None:
        """Ends the master process, which ends its workers."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own for localhost, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = [need_program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


# --- the service itself ---------------------------------------------------------------------------------

OURS = re.compile(
    "MIRRORWISE_.*|REDIS_.*URL|HISTORY_.*|REQUEST_LOG|GEOIP_.*|TRUSTED_PROXIES|REFRESH_SECONDS|PORT"
    "|WEB_CONCURRENCY|LOG_.*"
)


SELDOM_S = "5"
"""How often a process that lives long, and has nothing new to find, looks at the store."""


def environ(data: Path, var: Path, **more: str) -> dict[str, str]:
    """An environment in which, of the variables that the service reads, only these are set."""
    inherited = {name: value for name, value in os.environ.items() if not OURS.fullmatch(name)}
    ours = {"MIRRORWISE_DATA": str(data), "MIRRORWISE_VAR": str(var), "REFRESH_SECONDS": "0.05"}
    return {**inherited, **ours, **more}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. `headers` are looked up without regard to case."""

    status: int
    headers: Message
    body: bytes

    @property
    def lines(self) -> list[str]:
        return self.body.decode().splitlines()


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(
    connection: http.client.HTTPConnection,
    target: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Sends one request and returns the answer. The target is sent as it is."""
    connection.request(method, target, headers=dict(headers or {}))
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


class Command:
    """A process of `mirrorwise <arguments>`, in a session of its own. All that it prints is in `log`."""

    #: The program, which `code` is the folder of.
    program: tuple[str, ...] = (sys.executable, "-m", "app")
    code = ROOT
    #: Open files that the process is to have as well.
    files: tuple[int, ...] = ()

    def __init__(self, log: Path, arguments: list[str], environ: Mapping[str, str]) -> None:
        self.log = log
        self.arguments = arguments
        self.environ = environ
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.program, *self.arguments],
                cwd=self.code,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.files,
            )

    def said(self) -> str:
        return self.log.read_text()

    def descendants(self) -> list[int]:
        """The processes that this one has started, and those that these have started."""
        found, parents = [], [self.process.pid]
        while parents:
            for task in Path(f"/proc/{parents.pop()}/task").glob("*"):
                with suppress(OSError):  # a thread that has ended meanwhile
                    children = [int(pid) for pid in (task / "children").read_text().split()]
                    found += children
                    parents += children
        return found

    def signal(self, number: signal.Signals) -> int:
        """Sends a signal and waits for the end of the process. Returns the exit status, which is negative if
        the process was killed by a signal."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def stop(self) -> None:
        if self.process.poll() is None:
            try:
                self.signal(signal.SIGTERM)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class WorkerProcess(Command):
    """A process of `mirrorwise worker`, with its options."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *options: str, name: str = "worker") -> None:
        super().__init__(folder / f"{name}.log", ["worker", *options], environ)


class GunicornServer(Command):
    """A process of `mirrorwise web` on a loopback port of its own, or on a unix socket in `folder`, with more
    `options`."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        processes: int = 2,
        unix: bool = False,
        options: tuple[str, ...] = (),
    ) -> None:
        self.port = 0 if unix else free_port()
        self.socket = folder / "web.sock"
        self.address = f"unix:{self.socket}" if unix else f"127.0.0.1:{self.port}"
        self.processes = processes
        super().__init__(
            folder / "web.log",
            ["web", "--bind", self.address, *options],
            {**environ, "WEB_CONCURRENCY": str(processes)},
        )
        try:
            wait_until(self.answers_or_died, "gunicorn answering", 60)
            assert self.process.poll() is None, self.said()
        except BaseException:
            self.stop()
            raise

    def wait_until_serving(self, generation: str = "") -> None:
        """Waits until each process has said once that it serves this generation, or any."""
        said = f"serving generation {generation}"
        wait_until(lambda: self.said().count(said) >= self.processes, f"all processes {said}", 60)

    def connection(self, source: str = "127.0.0.1", port: int = 0) -> http.client.HTTPConnection:
        """A connection to this server, or to another `port`."""
        port = port or self.port
        if not port:
            return UnixConnection(self.socket)
        return http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))

    def ask(
        self,
        target: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
        port: int = 0,
    ) -> Answer:
        """Sends one request from a loopback address, on a connection of its own, and returns the answer."""
        connection = self.connection(source, port)
        try:
            return ask(connection, target, method, headers)
        finally:
            connection.close()

    def answers_or_died(self) -> bool:
        if self.process.poll() is not None:
            return True
        try:
            return self.ask("/healthz").status == 200
        except (OSError, http.client.HTTPException):
            return False


ACTIVATION = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "app", *sys.argv[2:]])
"""


class ActivatedServer(GunicornServer):
    """As `GunicornServer`, but its socket is held open from without, as systemd holds that of
    `mirrorwise-web.socket`, until `close`."""

    held: socket.socket | None = None

    def start(self) -> None:
        if self.held is None:
            self.held = self._listening()
            self.files = (self.held.fileno(),)
            self.program = (sys.executable, "-c", ACTIVATION, str(self.held.fileno()))
        super().start()

    def _listening(self) -> socket.socket:
        family = socket.AF_INET if self.port else socket.AF_UNIX
        held = socket.socket(family)
        held.bind(("127.0.0.1", self.port) if self.port else str(self.socket))
        held.listen(4096)
        return held

    def close(self) -> None:
        self.stop()
        if self.held is not None:
            self.held.close()

"""A fleet of mirrors and their origin, in one thread, on loopback.

One small HTTP server answers for all of them: the Host header says which mirror is asked, and each
mirror has a behaviour. Names are looked up in the fleet: `*.example.org` is at 127.0.0.1, unless
told otherwise. Requests are written by hand rather than by a server library, because most faults
are things that such a library would not let us send.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import hashlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from app.probe.fetch import Limits, Network

NOW = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)
ORIGIN = "origin.example.org"
REFUSED_ADDRESS = "127.1.0.9"
EXPIRED_ADDRESS = "127.1.0.2"
BLACK_HOLE_ADDRESS = "127.1.0.3"
BOMB = gzip.compress(bytes(20_000_000), 9)
"""A megabyte of zeros in each thousand bytes."""
LIMITS = Limits(lookup_s=2.0, connect_s=0.8, first_byte_s=1.5, total_s=2.5, answer_bytes=100_000)


def repomd(path: str, timestamp: int) -> bytes:
    """A small repomd.xml, different for each path and date."""
    checksum = hashlib.sha256(f"{path} {timestamp}".encode()).hexdigest()
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<repomd xmlns="http://linux.duke.edu/metadata/repo">\n'
        f"  <revision>{timestamp}</revision>\n"
        f'  <data type="primary"><checksum type="sha256">{checksum}</checksum>'
        f'<location href="repodata/primary.xml.gz"/><timestamp>{timestamp}</timestamp></data>\n'
        "</repomd>\n"
    ).encode()


@dataclass
class Asked:
    """One request as a mirror sees it."""

    host: str
    method: str
    path: str
    headers: dict[str, str]
    writer: asyncio.StreamWriter
    family: int

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if self.method != "HEAD":
            self.writer.write(body)

    def raw(self, data: bytes) -> None:
        self.writer.write(data)


Behaviour = Callable[["Fleet", Asked], Awaitable[None]]


@dataclass
class Fleet:
    """`behaviours` by host name, `addresses` by host name (127.0.0.1 otherwise), `log` of all
    requests as (host, method, path). `dates` are the versions that the origin has had, newest
    first; `synced_at` is what timestamp files say."""

    folder: Path
    dates: list[int] = field(default_factory=lambda: [1_795_000_000])
    synced_at: dt.datetime = NOW - dt.timedelta(minutes=10)
    releases: tuple[str, ...] = ("9.8",)
    arches: tuple[str, ...] = ("x86_64", "s390x")
    repos: tuple[str, ...] = ("baseos", "appstream")
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    log: list[tuple[str, str, str]] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    now: dt.datetime = NOW
    probe: dict[str, object] = field(default_factory=lambda: {"allow_private_addresses": True})
    modules: bool = False
    limits: Limits = LIMITS
    routed: tuple[str, ...] = ("ipv4", "ipv6")
    port: int = 0
    tls_port: int = 0
    rsync_port: int = 0
    rsync_greeting: bytes = b"@RSYNCD: 31.0\n"

    # --- what the prober is given ------------------------------------------------------------------

    def network(self) -> Network:
        tls = ssl.create_default_context(cafile=str(self.folder / "ca.pem") if self.tls_port else None)
        return Network(
            lookup=self.lookup,
            tls=tls,
            limits=self.limits,
            clock=lambda: self.now,
            routed=self.routed.__contains__,
        )

    async def lookup(self, host: str) -> Sequence[str]:
        addresses = self.addresses.get(host, ["127.0.0.1"] if host.endswith(".example.org") else [])
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return addresses

    def http(self, name: str) -> str:
        return f"http://{name}:{self.port}/"

    def https(self, name: str) -> str:
        return f"https://{name}:{self.tls_port}/"

    def write_config(self, **probe: object) -> None:
        config = {
            "config_version": 3,
            "allowed_outdate": "12h",
            "mirrors_dir": "mirrors.d",
            "versions": [release.removesuffix("-kitten") for release in self.releases],
            "vault_mirror": "http://vault.example.org/",
            "arches": {release: list(self.arches) for release in self.releases},
            "required_protocols": ["http", "https", "rsync"],
            "repos": [
                *({"name": name, "path": f"{name}/$basearch/os/"} for name in self.repos),
                {"name": "baseos-source", "path": "baseos/Source/", "vault": True},
            ],
            "origin": self.http(ORIGIN),
            **self._module_config(),
            "probe": self.probe | probe,
        }
        (self.folder / "config.yml").write_text(yaml.safe_dump(config))

    def _module_config(self) -> dict[str, object]:
        if not self.modules:
            return {}
        versions = [r.removesuffix("-kitten") for r in self.releases if r.endswith("-kitten")]
        return {
            "optional_module_versions": {"kitten": versions},
            "module_origins": {"kitten": self.http(ORIGIN)},
            "duplicated_versions": dict.fromkeys(versions, self.releases[0]),
        }

    def add(self, name: str, behaviour: Behaviour | None = None, **keys: object) -> str:
        """A mirror file, and how that mirror behaves; returns its name."""
        keys.setdefault("address", {"http": self.http(name)})
        self.behaviours[name] = behaviour or fresh
        folder = self.folder / "mirrors.d"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yml").write_text(
            yaml.safe_dump({"name": name, "geolocation": {"country": "DE"}, **keys})
        )
        return name

    def requests_to(self, name: str) -> list[tuple[str, str]]:
        """What a mirror was asked: method and path."""
        return [(method, path) for host, method, path in self.log if host == name]

    # --- what the origin has ------------------------------------------------------------------------

    def body(self, path: str, version: int = 0) -> bytes | None:
        """A file as the origin had it that many versions ago."""
        if path == "/TIME":
            return f"{self.synced_at.timestamp():.0f}\n".encode()
        parts = path.strip("/").split("/")
        if parts[0] in self.releases and path.endswith("/repodata/repomd.xml"):
            return repomd(path, self.dates[version]) if parts[1] in self.repos else None
        return b"" if parts[0] in self.releases and path.endswith("/CHECKSUM") else None

    # --- serving --------------------------------------------------------------------------------------

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked = _parse(head, writer)
                self.log.append((asked.host, asked.method, asked.path))
                behaviour = self.behaviours.get(asked.host, fresh)
                await behaviour(self, asked)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, TimeoutError):
            return
        finally:
            writer.close()

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.rsync_greeting)
        with suppress(ConnectionError):
            await writer.drain()
            await reader.read(100)
        writer.close()


def _parse(head: bytes, writer: asyncio.StreamWriter) -> Asked:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    host = headers.get("host", "").rsplit(":", 1)[0]
    return Asked(host, method, path, headers, writer, writer.get_extra_info("socket").family)


@contextmanager
def running(fleet: Fleet, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None) -> Iterator[Fleet]:
    """Serve the fleet from a thread of its own. `tls`: a sound context, and an expired one (at
    EXPIRED_ADDRESS)."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    done = asyncio.Event()

    async def serve() -> None:
        servers = [await asyncio.start_server(fleet.answer, "127.0.0.1", 0)]
        fleet.port = servers[0].sockets[0].getsockname()[1]
        servers.append(await asyncio.start_server(fleet.answer, "::1", fleet.port))
        servers.append(await asyncio.start_server(fleet.greet, "127.0.0.1", 0))
        fleet.rsync_port = servers[-1].sockets[0].getsockname()[1]
        if tls:
            servers.append(await asyncio.start_server(fleet.answer, "127.0.0.1", 0, ssl=tls[0]))
            fleet.tls_port = servers[-1].sockets[0].getsockname()[1]
            servers.append(
                await asyncio.start_server(fleet.answer, EXPIRED_ADDRESS, fleet.tls_port, ssl=tls[1])
            )
        ready.set()
        await done.wait()
        for server in servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for server in servers:
            await server.wait_closed()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield fleet
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)


@contextmanager
def black_hole(port: int) -> Iterator[None]:
    """An address that takes no further connection: its queue is full, so the kernel drops them."""
    with socket.socket() as sock:
        sock.bind((BLACK_HOLE_ADDRESS, port))
        sock.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for waiter in waiting:
            waiter.setblocking(False)
            waiter.connect_ex((BLACK_HOLE_ADDRESS, port))
        yield
        for waiter in waiting:
            waiter.close()


def send_file(asked: Asked, body: bytes | None, **headers: str) -> None:
    """A file with its validator; 304 when the client has it, 404 when there is none."""
    if body is None:
        asked.send(404, b"not here")
        return
    etag = f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()}"'
    if asked.headers.get("if-none-match") == etag:
        asked.raw(b"HTTP/1.1 304 X\r\n\r\n")
        return
    asked.send(200, body, ETag=etag, **headers)


async def fresh(fleet: Fleet, asked: Asked) -> None:
    send_file(asked, fleet.body(asked.path))


async def one_version_behind(fleet: Fleet, asked: Asked) -> None:
    send_file(asked, fleet.body(asked.path, version=1))


async def two_versions_behind(fleet: Fleet, asked: Asked) -> None:
    send_file(asked, fleet.body(asked.path, version=2))


async def stale(fleet: Fleet, asked: Asked) -> None:
    """Its timestamp file is 20 hours behind the origin's."""
    if asked.path == "/TIME":
        asked.send(200, f"{(fleet.synced_at - dt.timedelta(hours=20)).timestamp():.0f}\n".encode())
    else:
        await two_versions_behind(fleet, asked)


def without(part: str) -> Behaviour:
    """Fresh, but without the files whose path contains `part`."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        send_file(asked, None if part in asked.path else fleet.body(asked.path))

    return behave


def answering(status: int) -> Behaviour:
    async def behave(fleet: Fleet, asked: Asked) -> None:
        asked.send(status, b"no")

    return behave


def damaged(change: Callable[[bytes], bytes], part: str = "repomd.xml") -> Behaviour:
    """Fresh, but for what is done to the files whose path contains `part`."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        body = fleet.body(asked.path)
        send_file(asked, change(body) if body is not None and part in asked.path else body)

    return behave


def redirecting(location: Callable[[Fleet, Asked], str]) -> Behaviour:
    async def behave(fleet: Fleet, asked: Asked) -> None:
        asked.send(302, Location=location(fleet, asked))

    return behave


async def slow_body(fleet: Fleet, asked: Asked) -> None:
    asked.raw(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        asked.raw(b"1")
        await asked.writer.drain()
        await asyncio.sleep(0.1)


async def slow_headers(fleet: Fleet, asked: Asked) -> None:
    asked.raw(b"HTTP/1.1 200 X\r\n")
    for number in range(1000):
        asked.raw(f"X-{number}: 1\r\n".encode())
        await asked.writer.drain()
        await asyncio.sleep(0.1)


async def endless_body(fleet: Fleet, asked: Asked) -> None:
    asked.raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        asked.raw(b"2000\r\n" + b"1" * 0x2000 + b"\r\n")
        await asked.writer.drain()


async def silent(fleet: Fleet, asked: Asked) -> None:
    await asyncio.sleep(60)


async def hangs_up(fleet: Fleet, asked: Asked) -> None:
    asked.writer.close()


async def cut_short(fleet: Fleet, asked: Asked) -> None:
    """Announces more than it sends."""
    body = fleet.body(asked.path) or b""
    asked.raw(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % (len(body) + 100) + body)
    await asked.writer.drain()
    asked.writer.close()


async def compressed(fleet: Fleet, asked: Asked) -> None:
    """A gzip bomb that nobody asked for."""
    asked.send(200, BOMB, Content_Encoding="gzip")


async def not_http(fleet: Fleet, asked: Asked) -> None:
    asked.raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await asked.writer.drain()
    asked.writer.close()


def failing_first(times: int, then: Behaviour = fresh) -> Behaviour:
    """Hangs up on the first tries for its timestamp file, and behaves after that. A try is two
    requests: the client sends one again when the connection breaks under it."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        if asked.path == "/TIME" and fleet.tries[asked.host] < 2 * times:
            fleet.tries[asked.host] += 1
            asked.writer.close()
        else:
            await then(fleet, asked)

    return behave

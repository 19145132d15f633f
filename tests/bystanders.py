"""Crowds of hostile clients, and what ten ordinary clients beside them notice.

A crowd is a process of its own: `python -m tests.bystanders SCENE PORT`. It says when all of its
connections have been made, and goes on until it is ended.
"""

from __future__ import annotations

import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.conftest import ROOT

HOST = "Host: mirrors.example.org\r\n"
LIST = "/mirrorlist/9/baseos?arch=x86_64"
COUNTRIES = (
    "at",
    "au",
    "be",
    "br",
    "ca",
    "ch",
    "cn",
    "cz",
    "de",
    "dk",
    "es",
    "fi",
    "fr",
    "gb",
    "gr",
    "hu",
    "ie",
    "in",
    "it",
    "jp",
    "kr",
    "nl",
    "no",
    "nz",
    "pl",
    "pt",
    "ro",
    "se",
    "tr",
    "us",
    "za",
)


def get(target: str, more: str = "", method: str = "GET") -> str:
    return f"{method} {target} HTTP/1.1\r\n{HOST}{more}\r\n"


@dataclass(frozen=True)
class Scene:
    """`count` connections. Each sends `first`, in which `%` becomes a number and `~` eight countries that
    were not asked for before. One that `reads` does so again when it has an answer; one that does
    not has a tiny window. One that is ended is made again, some times a second. `drips`: ten times a
    second, each sends so much more."""

    count: int
    first: str = ""
    reads: bool = True
    drips: str = ""


SCENES = {
    "16 busy with one list": Scene(16, get(LIST)),
    "300 busy with one list": Scene(300, get(LIST)),
    "2,000 busy with one list": Scene(2000, get(LIST)),
    "16 busy, no two questions alike": Scene(16, get(f"{LIST}&infra=%")),
    "300 busy, no two questions alike": Scene(300, get(f"{LIST}&infra=%")),
    "2,000 busy, no two questions alike": Scene(2000, get(f"{LIST}&infra=%")),
    "16 busy with odd filters": Scene(16, get(f"{LIST}&exclude_country=~")),
    "300 busy with odd filters": Scene(300, get(f"{LIST}&exclude_country=~")),
    "300 ask on new connections": Scene(300, get(f"{LIST}&infra=%", "Connection: close\r\n")),
    "60 explanations": Scene(60, get("/explain?repo=baseos&infra=%")),
    "60 times all mirrors": Scene(60, get("/mirrors")),
    "64 tiny windows, large answers": Scene(
        64, get(f"/download/9/BaseOS/x86_64/{'a' * 900}.rpm?limit=50") * 3, reads=False
    ),
    "64 read nothing": Scene(64, get(f"{LIST}&limit=50") * 200, reads=False),
    "64 read no page": Scene(64, get("/mirrors") * 20, reads=False),
    "64 pipeline a part": Scene(64, get(LIST) + get("/explain")[:-9], reads=False),
    "64 pipeline": Scene(64, get(f"{LIST}&infra=%") * 50),
    "300 bare line ends": Scene(300, get("/healthz").replace("\r", "")),
    "300 half line ends": Scene(300, get("/healthz")[:-2] + "\n"),
    "300 other protocols": Scene(300, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "2,200 silent": Scene(2200, reads=False),
    "2,200 half headers": Scene(2200, get(LIST)[:-2], reads=False),
    "300 letter by letter": Scene(300, "GET /mirr", drips="o"),
    "300 field by field": Scene(300, get(LIST)[:-2], drips="X-A: b\r\n"),
    "100 endless headers": Scene(100, get(LIST)[:-2] + "X-A: b\r\n" * 8000, drips="X-A: b\r\n" * 100),
    "300 bodies that do not come": Scene(300, get(LIST, "Content-Length: 1000\r\n", "POST"), reads=False),
    "300 bodies in drops": Scene(300, get(LIST, "Content-Length: 1000\r\n"), drips="a", reads=False),
}


TICK_S = 0.1
CROWD = "127.0.0.66"
"""A crowd is one client, whatever number of connections it has. Each bystander has an address of its own."""
IP_BIND_ADDRESS_NO_PORT = 24
"""Linux's option to choose the port when the connection is made, as without an address (ip(7))."""


# --- the crowd ----------------------------------------------------------------------------------------------


class Crowd:
    def __init__(self, scene: Scene, port: int, own_address: str = CROWD) -> None:
        self.scene = scene
        self.address = ("127.0.0.1", port)
        self.own_address = own_address
        self.poller = select.epoll()
        self.unsent: dict[int, bytes] = {}
        self.socks: dict[int, socket.socket] = {}
        self.number = 0

    def run(self) -> None:
        for _ in range(self.scene.count):
            self.join()
            self.look(0)
        print("there", flush=True)  # noqa: T201 - for the process that watches
        tick_at = time.monotonic()
        while True:
            self.look(TICK_S)
            if time.monotonic() >= tick_at:
                tick_at = time.monotonic() + TICK_S
                if self.scene.drips:
                    for fd in tuple(self.socks):
                        self.send(fd, self.scene.drips.encode())
                while len(self.socks) < self.scene.count:
                    self.join()

    def first(self) -> bytes:
        self.number += 1
        text = self.scene.first.replace("%", str(self.number))
        if "~" in text:
            text = text.replace("~", ",".join(random.sample(COUNTRIES, 8)))
        return text.encode("latin-1")

    def join(self) -> None:
        sock = socket.socket()
        if not self.scene.reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((self.own_address, 0))
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(self.address)
        fd = sock.fileno()
        self.socks[fd] = sock
        self.unsent[fd] = self.first()
        self.poller.register(fd, self.mask(fd))

    def leave(self, fd: int) -> None:
        del self.unsent[fd]
        self.socks.pop(fd).close()

    def mask(self, fd: int) -> int:
        reads = select.EPOLLIN if self.scene.reads else 0
        return select.EPOLLRDHUP | reads | (select.EPOLLOUT if self.unsent[fd] else 0)

    def look(self, patience_s: float) -> None:
        for fd, events in self.poller.poll(patience_s):
            if events & select.EPOLLIN:
                self.read(fd)
            elif events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                self.leave(fd)
            elif events & select.EPOLLOUT:
                self.send(fd, b"")

    def send(self, fd: int, more: bytes) -> None:
        rest = self.unsent[fd] + more
        try:
            rest = rest[self.socks[fd].send(rest) :]
        except BlockingIOError:
            rest = rest[: 1 << 20]
        except OSError:
            self.leave(fd)
            return
        self.unsent[fd] = rest
        self.poller.modify(fd, self.mask(fd))

    def read(self, fd: int) -> None:
        try:
            received = self.socks[fd].recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self.leave(fd)
        elif not self.unsent[fd] and received.endswith(b"\n"):
            self.send(fd, self.first())


@contextmanager
def crowd(scene: str, port: int) -> Iterator[None]:
    """While it is there."""
    command = [sys.executable, "-m", "tests.bystanders", scene, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield
            assert process.poll() is None, "the crowd has gone"
        finally:
            process.kill()


# --- the bystanders -----------------------------------------------------------------------------------------

CLIENTS = 10
PAUSE_S = 0.03


@dataclass
class Noticed:
    """How long answers took, and what went wrong."""

    took_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def p99_s(self) -> float:
        return sorted(self.took_s)[int(len(self.took_s) * 0.99)]

    @property
    def worst_s(self) -> float:
        return max(self.took_s)


class Bystander(threading.Thread):
    """Asks for lists, for clients all over the world. Every other keeps its connection (`keeps`)."""

    def __init__(self, port: int, number: int, until: float, noticed: Noticed) -> None:
        super().__init__()
        self.address = ("127.0.0.1", port)
        self.own_address = f"127.0.1.{number + 1}"
        self.keeps = bool(number % 2)
        self.until = until
        self.noticed = noticed
        self.sock: socket.socket | None = None

    def run(self) -> None:
        while time.monotonic() < self.until:
            started = time.monotonic()
            try:
                self.ask()
            except OSError as error:
                self.noticed.failed.append(f"{error!r} after {time.monotonic() - started:.2f} s")
                self.close()
            self.noticed.took_s.append(time.monotonic() - started)
            time.sleep(PAUSE_S)
        self.close()

    def ask(self) -> None:
        if self.sock is None:
            source = (self.own_address, 0)
            self.sock = socket.create_connection(self.address, timeout=10, source_address=source)
        client = f"192.0.2.{random.randrange(256)}"
        more = f"X-Forwarded-For: {client}\r\n" + ("" if self.keeps else "Connection: close\r\n")
        self.sock.sendall(get(LIST, more).encode())
        answer = b""
        while not answer.endswith(b"/\n"):
            received = self.sock.recv(1 << 16)
            if not received:
                raise ConnectionError(f"the end after {answer[:20]!r}")
            answer += received
        if not answer.startswith(b"HTTP/1.1 200 OK\r\n"):
            raise ConnectionError(f"not a list: {answer[:20]!r}")
        if not self.keeps:
            self.close()

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None


def noticed(port: int, seconds: float) -> Noticed:
    """What ten clients notice, of which every other keeps its connection."""
    found = Noticed()
    until = time.monotonic() + seconds
    clients = [Bystander(port, number, until, found) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return found


if __name__ == "__main__":
    Crowd(SCENES[sys.argv[1]], int(sys.argv[2])).run()

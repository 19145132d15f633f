"""The service as it is deployed: nginx with cache and classes, gunicorn behind it on a unix socket.

What comes through nginx has to be what gunicorn alone gives that client. Clients are simulated by
X-Forwarded-For from loopback, which both trust.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from app.settings import read_settings
from app.snapshot import schema
from app.store import Publication, file_store
from app.worker.loop import Worker
from app.worker.running import run_once
from tests.conftest import wait_until
from tests.servers import Answer, GunicornServer, NginxOptions, NginxServer
from tests.servers import ask as ask_on
from tests.web.asking import variables

# What is nginx's own, or the connection's.
NOT_COMPARED = {"date", "server", "connection", "keep-alive"}
CLIENT = "192.0.2.1"


class Deployed:
    """gunicorn and nginx over the network published in `var`."""

    def __init__(self, folder: Path, var: Path, valid: str | None = None) -> None:
        self.marks = 0
        self.environ = variables(var)
        self.gunicorn = GunicornServer(folder, self.environ, processes=1, unix=True)
        self.nginx_folder = folder / "nginx"
        self.nginx_folder.mkdir()
        try:
            options = NginxOptions(settings=read_settings(self.environ), valid=valid)
            self.nginx = NginxServer(self.nginx_folder, self.gunicorn.address, options)
        except BaseException:
            self.gunicorn.stop()
            raise

    def through(self, target: str, client: str = CLIENT, method: str = "GET", **more: str) -> Answer:
        """Over nginx, on a connection of its own; `_` in a header's name stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.nginx.port, timeout=20)
        headers = {"X-Forwarded-For": client}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        with closing(connection):
            return ask_on(connection, target, method, headers)

    def alone(self, target: str, client: str = CLIENT, method: str = "GET") -> Answer:
        """From gunicorn, which finds the class itself."""
        return self.gunicorn.ask(target, method, {"X-Forwarded-For": client})

    @property
    def log(self) -> Path:
        return self.nginx_folder / "mirrorwise-access.log"

    def logged(self, count: int) -> list[dict[str, object]]:
        """The last lines of the log, once they are written: nginx does that after it has answered. The line
        behind them is known by the system that it is from."""
        self.marks += 1
        mark = f"libdnf|Mark|{self.marks}||x"
        self.through("/mark", User_Agent=f"libdnf (Mark {self.marks}; ; Linux.x)")
        wait_until(lambda: f'"{mark}"' in self.log.read_text(), "the log has been written")
        lines = [json.loads(line) for line in self.log.read_text().splitlines()[-1 - count :]]
        assert lines.pop()["software"] == mark
        return lines

    def stop(self) -> None:
        self.nginx.stop()
        self.gunicorn.stop()


def compared(answer: Answer) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = [(name.lower(), value) for name, value in answer.headers.items()]
    return answer.status, answer.body, compared_head(headers)


def compared_head(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(pair for pair in headers if pair[0] not in NOT_COMPARED)


def statuses(site: Deployed, *requests: tuple[str, str]) -> list[str]:
    """How the cache took part in answering these, in turn: "" means not at all."""
    for target, client in requests:
        site.through(target, client)
    return [str(line["cache"]) for line in site.logged(len(requests))]


def published_with(var: Path, cities: Sequence[Path]) -> Path:
    """Publishes the sample network in `var`, with the places of these city databases. Returns `var`."""
    settings = read_settings({**variables(var), "GEOIP_CITY": ",".join(map(str, cities))})
    assert run_once(Worker(settings, file_store(var)))
    return var


def publish(var: Path, length: int) -> str:
    """What is published there, with lists of another length; the new generation."""
    store = file_store(var)
    pointer = store.pointer()
    data = store.snapshot(pointer.generation) if pointer else None
    assert data is not None
    snapshot = schema.decode(data)
    selection = msgspec.structs.replace(snapshot.config.selection, length=length)
    config = msgspec.structs.replace(snapshot.config, selection=selection)
    content = schema.encode(msgspec.structs.replace(snapshot, config=config))
    blobs = tuple(filter(None, [snapshot.place_database, snapshot.networks]))
    generation = schema.generation_of(content)
    store.publish(
        Publication(
            generation=generation, snapshot=content, memory=b"", blobs=blobs, published_at_s=time.time()
        ),
        None,
    )
    return generation


class Wire:
    """A kept connection that asks quickly: http.client takes longer than the servers."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.rest = b""

    def ask(self, target: str, client: str) -> tuple[int, bytes, list[tuple[str, str]]]:
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n\r\n"
        self.socket.sendall(head.encode())
        while b"\r\n\r\n" not in self.rest:
            self.rest += self._received()
        head_bytes, _, self.rest = self.rest.partition(b"\r\n\r\n")
        status, *lines = head_bytes.decode("latin-1").split("\r\n")
        pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = int(dict(pairs)["content-length"])
        while len(self.rest) < length:
            self.rest += self._received()
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(status.split()[1]), body, compared_head(pairs)

    def close(self) -> None:
        self.socket.close()

    def _received(self) -> bytes:
        received = self.socket.recv(65536)
        assert received, "the server closed the connection"
        return received

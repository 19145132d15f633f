"""Measures what a metalink costs beside a mirrorlist, end to end through gunicorn. It only prints.

python tests/benchmarks/metalink_cost.py FOLDER    (the folder that holds almalinux/config.yml)

One process gets one request after the other over one connection. In a cold round, every request is from a
class of clients that has asked nothing before. The two kinds take turns, so that other work of the machine
affects both alike. The medians of the rounds are printed.
"""

from __future__ import annotations

import itertools
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.model.countries import countries  # noqa: E402 - needs the path above
from app.sources.service_config import read_service_config  # noqa: E402 - as above
from tests.clients.almalinux import almalinux_data  # noqa: E402 - as above
from tests.clients.service import Mirrorwise  # noqa: E402 - as above

ROUNDS = 20
REQUESTS = 200


class Connection:
    """A plain HTTP connection, which takes hardly any time beside what it measures."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))

    def get(self, target: str, client_class: str) -> int:
        """Sends a request, checks that the answer is a 200, and returns the length of its body."""
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Client-Class: {client_class}\r\n\r\n"
        self._socket.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"{target}: {head.decode()}")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(65536)
        return length


def classes() -> Iterator[str]:
    """Yields each class of clients once; the spread varies fastest."""
    for family, country, spread in itertools.product((4, 6), countries(), range(32)):
        yield f"{country}||{spread}|{family}"


def measure(connection: Connection, target: str, clients: list[str]) -> float:
    """The microseconds that a request takes."""
    started = time.perf_counter()
    for client in clients:
        connection.get(target, client)
    return (time.perf_counter() - started) / len(clients) * 1e6


def main(real_data: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        data, var = Path(name) / "data", Path(name) / "var"
        data.mkdir()
        var.mkdir()
        config, _ = read_service_config(real_data / "almalinux" / "config.yml")
        almalinux_data(data, real_data, config)
        service = Mirrorwise(data, var)
        try:
            compare(service)
        finally:
            service.stop()


def compare(service: Mirrorwise) -> None:
    connection = Connection(service.port)
    mirrorlist, metalink = (f"/{kind}/9/baseos?arch=x86_64" for kind in ("mirrorlist", "metalink"))
    fresh = classes()
    took: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for kind, target in (("mirrorlist", mirrorlist), ("metalink", metalink)):
            clients = list(itertools.islice(fresh, REQUESTS))
            took.setdefault(f"{kind}, cold", []).append(measure(connection, target, clients))
            took.setdefault(f"{kind}, warm", []).append(measure(connection, target, clients))
    medians = {what: statistics.median(times) for what, times in took.items()}
    for what, times in took.items():
        print(f"{what:<17} {medians[what]:6.0f} us ({min(times):.0f} to {max(times):.0f})")  # noqa: T201 - what it is for
    for a, b in (("cold", "cold"), ("cold", "warm"), ("warm", "warm")):
        ratio = medians[f"metalink, {a}"] / medians[f"mirrorlist, {b}"]
        print(f"metalink {a} / mirrorlist {b}: {ratio:.2f}")  # noqa: T201 - as above


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))

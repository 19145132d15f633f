"""The memory of a web process while clients ask what no client asked before."""

from __future__ import annotations

import random
import re
import shutil
import socket
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from app.model.countries import countries
from tests.benchmarks.servers import publish
from tests.benchmarks.worlds import enlarge
from tests.conftest import ROOT
from tests.servers import GunicornServer, environ

FORMS = (
    "/mirrorlist/9/baseos?arch=x86_64",
    "/mirrorlist?repo=appstream-9&arch=aarch64",
    "/metalink/9/baseos?arch=x86_64",
    "/download/9/BaseOS/x86_64/os/Packages/a.rpm?x=y",
)
CODES = list(countries())


def hostile() -> Iterator[str]:
    """Targets without end, hardly any of which is asked twice: other filters, lengths, addresses."""
    draw = random.Random(7)
    while True:
        chosen = ",".join(draw.sample(CODES, draw.choice([2, 8, 40])))
        filters = draw.choice([f"country={chosen}", f"exclude_country={chosen}&family={draw.choice('46')}"])
        odd = draw.choice(["", f"&infra={draw.random()}", f"&ip=192.0.2.{draw.randrange(256)}"])
        yield f"{draw.choice(FORMS)}&{filters}&limit={draw.randrange(1, 51)}{odd}"


def ask(connection: socket.socket, target: str) -> None:
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    answer = b""
    while (head := answer.partition(b"\r\n\r\n"))[1] == b"":
        answer += connection.recv(1 << 16)
    assert head[0].split(b" ")[1] in (b"200", b"302"), (target, answer)
    missing = int(re.search(rb"Content-Length: ([0-9]+)", head[0])[1]) - len(head[2])  # type: ignore[index]  # it has one
    while missing:
        missing -= len(connection.recv(missing))


def private_bytes(process: int) -> int:
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    return sum(int(kilobytes) for kilobytes in re.findall(r"Private_\w+:\s+(\d+) kB", text)) << 10


@pytest.mark.slow
@pytest.mark.parametrize(("mirrors", "repos", "count"), [(500, 60, 35_000), (5_000, 200, 20_000)])
def test_hostile_questions_leave_it_flat(tmp_path: Path, mirrors: int, repos: int, count: int) -> None:
    """Tens of thousands of different questions, several times what is remembered, make the process half as
    large again as the first thousand did, at most."""
    data = tmp_path / "data"
    shutil.copytree(ROOT / "data", data)
    enlarge(data, mirrors, repos)
    variables = environ(data, tmp_path / "var")
    publish(variables)
    server = GunicornServer(tmp_path, variables, processes=1)
    try:
        server.wait_until_serving()
        [process] = server.descendants()
        targets = hostile()
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            for target in islice(targets, 1000):
                ask(connection, target)
            before = private_bytes(process)
            for target in islice(targets, count):
                ask(connection, target)
        after = private_bytes(process)
        assert after <= 1.5 * before
    finally:
        server.stop()

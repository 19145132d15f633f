"""Mirrors that mean harm: each would keep the prober waiting, burn its processor, or fill its memory.

They send without end, so that a fleet of them is served by a process of its own (`served`, which runs this
module).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.probe import fleet as f
from tests.probe.fleet import Asked, Behaviour, Fleet, running

OK = b"HTTP/1.1 200 X\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW_TLS_ADDRESS = "127.1.0.4"
SLOW_NAME = "slow-name"


def endless(start: bytes, again: bytes, every_s: float = 0.0) -> Behaviour:
    """Sends `start`, and then the same over and over."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        asked.raw(start)
        while True:
            asked.raw(again)
            await asked.writer.drain()
            if every_s:
                await asyncio.sleep(every_s)

    return behave


async def ever_deeper(fleet: Fleet, asked: Asked) -> None:
    """Redirects to another path each time, and lets the client wait for it."""
    await asyncio.sleep(4)
    asked.send(302, Location=asked.path + "x")


def whole(body: bytes) -> Behaviour:
    """The same body for every path."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        asked.send(200, body)

    return behave


def after_a_good_start(rest: Behaviour) -> Behaviour:
    """Has a fresh timestamp file, and is hostile beyond it."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        await (f.fresh if asked.path == "/TIME" else rest)(fleet, asked)

    return behave


HOSTILE: dict[str, Behaviour] = {
    "continues": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "one-byte-a-second": endless(b"", b"H", every_s=1),
    "body-drips": endless(OK + b"Content-Length: 1000\r\n\r\n", b"1", every_s=1),
    "headers": endless(OK, b"X-A: b\r\n" * 1000),
    "header-line": endless(OK + b"X-A: ", b"b" * 8000),
    "headers-drip": endless(OK, b"X-A: b\r\n", every_s=1),
    "redirects": ever_deeper,
    "body": endless(CHUNKED, b"2000\r\n" + b"1" * 0x2000 + b"\r\n"),
    "tiny-chunks": endless(CHUNKED, b"1\r\na\r\n" * 1000),
    "chunk-extension": endless(CHUNKED + b"1;", b"a" * 8000),
    "trailers": endless(CHUNKED + b"0\r\n", b"X-A: b\r\n" * 1000),
    "gzip-bomb": f.compressed,
    "many-elements": whole(b"<repomd>" + b"<data/>" * 130_000 + b"</repomd>"),
    "deep-elements": whole(b"<repomd>" + b"<a>" * 300_000),
    "silent": f.silent,
    "starts-well-continues": after_a_good_start(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "starts-well-drips": after_a_good_start(endless(OK + b"Content-Length: 1000\r\n\r\n", b"1", every_s=1)),
    "starts-well-elements": after_a_good_start(whole(b"<repomd>" + b"<data/>" * 130_000 + b"</repomd>")),
}
"""By name; "slow-tls" and "slow-name" come from what surrounds the fleet."""


KINDS = (*HOSTILE, "slow-tls", SLOW_NAME)
_EACH = 1000


async def lookup(host: str) -> Sequence[str]:
    """The names of the fleet. Those of slow names take a minute to be found."""
    if host.startswith(SLOW_NAME):
        await asyncio.sleep(60)
    return [SLOW_TLS_ADDRESS] if host.startswith("slow-tls") else ["127.0.0.1"]


@contextmanager
def served(folder: Path, kind: str, bad: int, good: int) -> Iterator[Fleet]:
    """An origin, so many good mirrors, and so many hostile ones of a kind ("all": of every kind in turn)."""
    command = [sys.executable, "-m", "tests.probe.hostile", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        fleet = Fleet(folder=folder, port=int(process.stdout.readline()))
        fleet.write_config()
        for number in range(good):
            fleet.add(f"good-{number}.example.org")
        for number in range(bad):
            each = KINDS[number % len(KINDS)] if kind == "all" else kind
            name = f"{each}-{number}.example.org"
            scheme = "https" if each == "slow-tls" else "http"
            fleet.add(name, address={scheme: f"{scheme}://{name}:{fleet.port}/"})
        yield fleet


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A TLS handshake that brings a byte a second."""
    with suppress(ConnectionError):
        for byte in b"\x16\x03\x03\x3f\xff" + b"\x02" * 1000:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(1)
    writer.close()


async def _until_told(port: int) -> None:
    async with await asyncio.start_server(_drip, SLOW_TLS_ADDRESS, port):
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve a fleet until stdin ends; its port goes to stdout."""
    fleet = Fleet(folder=Path(sys.argv[1]))
    for kind, behaviour in HOSTILE.items():
        fleet.behaviours |= {f"{kind}-{number}.example.org": behaviour for number in range(_EACH)}
    with running(fleet):
        sys.stdout.write(f"{fleet.port}\n")
        sys.stdout.flush()
        asyncio.run(_until_told(fleet.port))


if __name__ == "__main__":
    main()

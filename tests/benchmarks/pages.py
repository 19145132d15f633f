"""Measures how long each page takes to make and how large it is, and lists beside clients who ask for pages.

    python -m tests.benchmarks.pages

It only prints. The network is that of `tests/pages`: AlmaLinux's mirrors, if they are there, in mixed states.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from app.settings import read_settings
from app.web import create_app
from tests.benchmarks.load import wrk
from tests.benchmarks.servers import service
from tests.benchmarks.worlds import QUERY
from tests.pages.table import PAGES, address
from tests.pages.world import World, a_world
from tests.servers import GunicornServer

ROUNDS = 3
SECONDS = 5
PAGES_PER_S = 10
BROWSER = {"Accept": "text/html", "Accept-Encoding": "gzip"}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        world = a_world(Path(temporary))
        say(f"{len(world.mirrors)} mirrors")
        say("| page | first ms | again ms | bytes | compressed |\n|---|--:|--:|--:|--:|")
        for target in (target for targets in PAGES.values() for target in targets):
            say(measured(world, address(target, world)))
        with service(Path(temporary), world.environ) as server:
            beside_pages(server, world)


def measured(world: World, url: str) -> str:
    """The row of a page: asked for by the first client after a publication, and by the next one."""
    first, again = [], []
    for _ in range(ROUNDS):
        app = create_app(read_settings(world.environ), world.store, follow=False)
        app.extensions["mirrorwise"].refresh()
        asked(app, "/whoami")  # what Flask does once
        first.append(asked(app, url)[0])
        again_ms, body = asked(app, url)
        again.append(again_ms)
    plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    small = len(gzip.compress(plain, 6))
    name = url if len(url) < 60 else url[:57] + "..."
    times = f"{statistics.median(first):.1f} | {statistics.median(again):.1f}"
    return f"| {name} | {times} | {len(plain):,} | {small:,} |"


def asked(app: Flask, url: str) -> tuple[float, bytes]:
    """How much time of a processor an answer takes, in ms, and its body."""
    client = app.test_client()
    started = time.process_time()
    response = client.get(url, headers=BROWSER, environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
    return (time.process_time() - started) * 1000, response.get_data()


def beside_pages(server: GunicornServer, world: World) -> None:
    """Lists in a second, alone and while others ask for pages."""
    urls = [address(target, world) for targets in PAGES.values() for target in targets]
    lists = f"http://{server.address}{QUERY}"
    wrk(lists, SECONDS)
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone.append(wrk(lists, SECONDS).per_s)
        beside.append(while_asking(server, urls, lambda: wrk(lists, SECONDS).per_s))
    ratio = statistics.median(beside) / statistics.median(alone)
    say(f"lists a second: {statistics.median(alone):.0f} alone, {statistics.median(beside):.0f} beside ")
    say(f"{PAGES_PER_S} pages a second ({ratio:.2f})")


def while_asking(server: GunicornServer, urls: list[str], work: Callable[[], float]) -> float:
    """Returns what `work` returns, and meanwhile asks for pages at a steady rate."""
    ended = threading.Event()

    def ask() -> None:
        number = 0
        while not ended.wait(1 / PAGES_PER_S):
            server.ask(urls[number % len(urls)], headers=BROWSER)
            number += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        return work()
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()

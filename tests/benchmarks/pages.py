"""Measures how long each page takes to make and how large it is, and lists beside clients who ask for pages.

    python -m tests.benchmarks.pages

It only prints. The network is that of `tests/pages`: AlmaLinux's mirrors, if they are there, in mixed states.
"""

from __future__ import annotations

import gzip
import http.client
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path

from flask import Flask

from app.settings import read_settings
from app.web import create_app
from tests.benchmarks.load import wrk
from tests.benchmarks.servers import behind_nginx, service
from tests.benchmarks.worlds import QUERY, clients
from tests.pages.table import PAGES, address
from tests.pages.world import World, a_world
from tests.servers import ask

ROUNDS = 3
PAIRS, SECONDS = 15, 2
"""How often lists are asked for, alone and right after that beside pages, and for how long each time. What
else the machine does slows down both."""
PAGES_PER_S = 2
"""As many as nginx lets one client have."""
CLIENTS = 1000
OPEN_FILES = 20_000
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
        beside_pages(Path(temporary), world)


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


def beside_pages(folder: Path, world: World) -> None:
    """Lists in a second, alone and while others ask for pages, directly and through nginx."""
    urls = [address(target, world) for targets in PAGES.values() for target in targets]
    # Processes look into the store once a second, as where they are in use; in tests they look all the time.
    environ = {**world.environ, "REFRESH_SECONDS": "1"}
    with (
        service(folder, environ) as server,
        behind_nginx(folder / "nginx", environ, server, "", OPEN_FILES) as (nginx, _),
    ):
        say(f"\n| lists a second | alone | beside {PAGES_PER_S} pages a second | ratio |\n|---|--:|--:|--:|")
        for name, port in (("directly", server.port), ("through nginx", nginx.port)):
            say(f"| {name} | {compared(folder, port, urls)} |")


def compared(folder: Path, port: int, urls: list[str]) -> str:
    """The cells of a row: lists alone, lists beside pages, and the ratio of a pair."""
    addresses = folder / "clients"
    addresses.write_text("\n".join(clients(CLIENTS)))
    lists = f"http://127.0.0.1:{port}{QUERY}"
    wrk(lists, SECONDS, addresses)  # all of them have asked before
    pairs = []
    for _ in range(PAIRS):
        alone = wrk(lists, SECONDS, addresses)
        with asked_for(port, urls):
            beside = wrk(lists, SECONDS, addresses)
        assert not alone.failed + beside.failed, (alone, beside)
        pairs.append((alone.per_s, beside.per_s, beside.per_s / alone.per_s))
    alone_per_s, beside_per_s, ratio = map(statistics.median, zip(*pairs, strict=True))
    return f"{alone_per_s:.0f} | {beside_per_s:.0f} | {ratio:.2f}"


@contextmanager
def asked_for(port: int, urls: list[str]) -> Iterator[None]:
    """Meanwhile one page after the other is asked for at a steady rate, each by another client, so that none
    asks too often."""
    ended = threading.Event()

    def ask_all() -> None:
        asked = zip(cycle(urls), cycle(clients(CLIENTS)), strict=False)
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            due_s = time.monotonic()
            while not ended.wait(max(0, due_s - time.monotonic())):
                url, client = next(asked)
                answer = ask(connection, url, headers={**BROWSER, "X-Forwarded-For": client})
                assert answer.status == 200, (url, answer.status)
                due_s += 1 / PAGES_PER_S

    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(ask_all)
        try:
            yield
        finally:
            ended.set()
    asking.result()


if __name__ == "__main__":
    main()

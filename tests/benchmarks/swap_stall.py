"""Measures for how long a swap of the snapshot keeps a web process from answering. It only prints.

REDIS_URL=… GEOIP_CITY=… python -m tests.benchmarks.swap_stall [CLIENTS]

It takes the snapshot that a worker has published in this Redis, and swaps it for a variant of it and back,
again and again, in this process, while a thread answers requests. Before each swap, CLIENTS (default 0)
random clients have asked, so that there is something to forget. It prints for how long the thread stood
still.
"""

from __future__ import annotations

import gc
import itertools
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.serving.current import Current
from app.settings import read_settings
from app.store import FileStore, open_store
from app.web import create_app
from tests.benchmarks.changes import variants
from tests.benchmarks.worlds import QUERY

SWAPS = 40


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def standstills(
    work: Callable[[], object], before: Callable[[], object], disturb: Callable[[int], None]
) -> list[float]:
    """Runs `work` in a loop in a thread, and meanwhile `before` and `disturb` several times. Returns, for
    each run of `disturb`, the longest time in ms between two ends of work that overlaps with it."""
    ends: list[float] = []
    stopping = threading.Event()

    def loop() -> None:
        while not stopping.is_set():
            work()
            ends.append(time.perf_counter())

    thread = threading.Thread(target=loop)
    thread.start()
    spans = []
    for number in range(SWAPS):
        before()
        started = time.perf_counter()
        disturb(number)
        spans.append((started, time.perf_counter()))
        time.sleep(0.1)
    stopping.set()
    thread.join()
    gaps = list(itertools.pairwise(ends))
    return [max((b - a) * 1e3 for a, b in gaps if b > start and a < end) for start, end in spans]


def report(what: str, longest: list[float]) -> None:
    longest.sort()
    say(
        f"{what}: {statistics.median(longest):.1f} ms in the median of {len(longest)}, "
        f"{longest[int(len(longest) * 0.9)]:.1f} at 90 %, {longest[-1]:.1f} at most"
    )


def measure(folder: Path, clients: int) -> None:
    settings = read_settings(os.environ)
    real = open_store(settings)
    publications = variants(real)
    local = FileStore(folder / "store")
    for digest in publications[0].blobs:
        local.put_blob(real.blob(digest) or b"")
    for publication in publications:
        local.publish(publication, None)
    app = create_app(msgspec.structs.replace(settings, redis_url=None), local, follow=False)
    current: Current = app.extensions["mirrorwise"]
    current.refresh()
    gc.collect()
    gc.freeze()  # as the server does
    chance = random.Random(1)
    environ = app.test_client().get(QUERY).request.environ

    def request() -> object:
        address = socket.inet_ntoa(chance.randrange(1 << 24, 224 << 24).to_bytes(4))
        asked = {**environ, "HTTP_X_FORWARDED_FOR": address}
        return list(app.wsgi_app(asked, lambda *_: lambda _: None))

    def crowd() -> None:
        for _ in range(clients):
            request()

    cpu_ms: list[float] = []

    def swap(number: int) -> None:
        local.publish(publications[number % 2], None)
        started = time.thread_time()
        current.refresh()
        cpu_ms.append((time.thread_time() - started) * 1e3)

    say(f"snapshot: {len(publications[0].snapshot) / 1e6:.1f} MB; {clients} clients before each swap")
    still = standstills(request, crowd, lambda _: time.sleep(0.02))
    report("standstills of requests while nothing happens", still)
    report("standstills of requests during a swap", standstills(request, crowd, swap))
    report("processor time of a swap", cpu_ms)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 0)

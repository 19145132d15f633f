"""What a snapshot swap and many clients cost a web process. Prints, asserts nothing.

REDIS_URL=… GEOIP_CITY=… python tests/benchmarks/swap_stall.py [REQUESTS]

Reads the snapshot that a worker has published there. First it swaps that snapshot and a variant of
it in this process, again and again, while a thread answers requests, and says for how long the
thread stood still. Then it starts gunicorn over the same store, asks REQUESTS (20,000) times as for
random addresses, and says how much private memory its processes have.
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

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.settings import read_settings  # noqa: E402 - needs the path above
from app.snapshot import schema  # noqa: E402 - as above
from app.store import FileStore, Publication, Store, open_store  # noqa: E402 - as above
from app.web import create_app  # noqa: E402 - as above
from app.web.current import Current  # noqa: E402 - as above
from tests.servers import GunicornServer, ask  # noqa: E402 - as above

SWAPS = 40
LIST = "/mirrorlist/9/baseos"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def random_address(chance: random.Random) -> str:
    return socket.inet_ntoa(chance.randrange(1 << 24, 224 << 24).to_bytes(4))


# --- standing still -------------------------------------------------------------------------------------


def variants(store: Store) -> list[Publication]:
    """What is published, and the same with lists of another length."""
    pointer = store.pointer()
    data = store.snapshot(pointer.generation) if pointer else None
    if data is None:
        raise SystemExit("nothing is published in that store; run `mirrorwise worker --once` first")
    snapshot = schema.decode(data)
    selection = msgspec.structs.replace(snapshot.config.selection, length=11)
    config = msgspec.structs.replace(snapshot.config, selection=selection)
    other = schema.encode(msgspec.structs.replace(snapshot, config=config))
    blobs = (snapshot.networks,) if snapshot.networks else ()
    return [
        Publication(
            generation=schema.generation_of(each), snapshot=each, memory=b"", blobs=blobs, published_at_s=0.0
        )
        for each in (data, other)
    ]


def standstills(work: Callable[[], object], disturb: Callable[[int], None]) -> list[float]:
    """A thread does `work` in a loop. For each run of `disturb` here: the longest time in ms between
    two ends of work that touches it."""
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


def measure_stalls(folder: Path) -> None:
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
    client = app.test_client()
    environ = client.get(LIST, query_string={"arch": "x86_64"}).request.environ

    def request() -> object:
        asked = {**environ, "HTTP_X_FORWARDED_FOR": random_address(chance)}
        return list(app.wsgi_app(asked, lambda *_: lambda _: None))

    cpu_ms: list[float] = []

    def swap(number: int) -> None:
        local.publish(publications[number % 2], None)
        started = time.thread_time()
        current.refresh()
        cpu_ms.append((time.thread_time() - started) * 1e3)

    say(f"snapshot: {len(publications[0].snapshot) / 1e6:.1f} MB")
    report("standstills of requests while nothing happens", standstills(request, lambda _: time.sleep(0.02)))
    report("standstills of requests during a swap", standstills(request, swap))
    report("processor time of a swap, which bounds them where a core is free", cpu_ms)


# --- memory ---------------------------------------------------------------------------------------------


def private_mb(pid: int) -> tuple[float, float]:
    """Dirty pages, which are the process's own, and clean ones: of files (databases, libraries) that
    only this process has touched so far, which the system may drop and read again."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Private_")}
    return kb["Private_Dirty"] / 1024, kb["Private_Clean"] / 1024


def measure_memory(folder: Path, requests: int) -> None:
    server = GunicornServer(folder, {**os.environ, "MIRRORWISE_VAR": str(folder / "var")}, processes=2)
    try:
        server.wait_until_serving()
        say("private memory at the start: " + memory_of(server))
        chance = random.Random(2)
        started = time.perf_counter()
        for number in range(requests):
            if number % 50 == 0:  # so that all processes get their share
                connection = server.connection()
            answer = ask(connection, f"{LIST}?arch=x86_64&ip={random_address(chance)}")
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {answer.body!r}")
        took_s = time.perf_counter() - started
        say(f"private memory after {requests} requests in {took_s:.0f} s: " + memory_of(server))
    finally:
        server.stop()


def memory_of(server: GunicornServer) -> str:
    sizes = [private_mb(pid) for pid in server.descendants()]
    return ", ".join(f"{dirty:.1f} MB + {clean:.1f} MB of files" for dirty, clean in sizes)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        measure_stalls(Path(name))
        measure_memory(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)

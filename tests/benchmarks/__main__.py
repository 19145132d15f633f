"""All benchmarks of the service in one run: `python -m tests.benchmarks [--out FILE] [--quick]`.

Everything is measured side by side on this machine, the cases of a round one after the other and
the median of the rounds taken: what counts is the ratios. wrk, h2load (nghttp2-client) and nginx have
to be installed. With MIRRORWISE_DBIP (the folder of DB-IP's files) and the real mirrors, these are used.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.snapshot import schema
from app.store import Publication, file_store
from tests.benchmarks.load import Load, steady, wrk
from tests.benchmarks.worlds import QUERY, ROOT, Environ, clients, enlarge, world
from tests.conftest import accepts, free_port, wait_until
from tests.servers import GunicornServer, WorkerProcess

ROUNDS = 5
CLIENTS = 10_000


@contextlib.contextmanager
def comparison(name: str, environ: Environ) -> Iterator[str]:
    """The URL of one of the servers that we compare with, over the same gunicorn settings."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.apps", name, str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env={**environ, "WEB_CONCURRENCY": "2"})
    try:
        wait_until(lambda: accepts(port), f"{name} listening")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def ours(folder: Path, environ: Environ) -> Iterator[GunicornServer]:
    server = GunicornServer(folder, environ)
    try:
        wait_until(lambda: server.ask("/readyz").status == 200, "a snapshot being served", 60)
        yield server
    finally:
        server.stop()


def publish(environ: Environ) -> dict[str, float]:
    """Run the worker once; the seconds it took to read and compile the last time, and the size."""
    command = [sys.executable, "-m", "app", "worker", "--once"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    compiled = re.findall(r"compiled \d+ mirrors for \d+ places in ([\d.]+) s: ([\d.]+) MB", done.stderr)
    return {"compile_s": float(compiled[-1][0]), "first_compile_s": float(compiled[0][0]),
            "snapshot_mb": float(compiled[-1][1])}


def private_mb(server: GunicornServer) -> float:
    """The largest private memory of a web process."""
    sizes = []
    for pid in server.descendants():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes.append(sum(int(n) for n in re.findall(r"Private_\w+:\s+(\d+) kB", text)) / 1024)
    return max(sizes)


def throughput(targets: dict[str, tuple[str, Path | None]], rounds: int, seconds: int) -> dict[str, Load]:
    """The median round (by requests a second) of each target."""
    results: dict[str, list[Load]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, (url, addresses) in targets.items():
            results[name].append(wrk(url, seconds, addresses))
    return {name: sorted(loads)[len(loads) // 2] for name, loads in results.items()}


def swaps(environ: Environ, url: str, per_s: float, log: Path) -> dict[str, Any]:
    """A new snapshot every second under a steady load: what failed, and the slowest answer."""
    store = file_store(Path(environ["MIRRORWISE_VAR"]))
    pointer = store.pointer()
    data = store.snapshot(pointer.generation) if pointer else None
    if data is None:
        raise RuntimeError("nothing is published")
    snapshot = schema.decode(data)
    selection = msgspec.structs.replace(snapshot.config.selection, length=9)
    config = msgspec.structs.replace(snapshot.config, selection=selection)
    variants = [data, schema.encode(msgspec.structs.replace(snapshot, config=config))]
    blobs = (snapshot.networks,) if snapshot.networks else ()
    done = threading.Event()

    def swap() -> None:
        number = 0
        while not done.wait(1.0):
            number += 1
            content = variants[number % 2]
            publication = Publication(
                generation=schema.generation_of(content),
                snapshot=content,
                memory=b"",
                blobs=blobs,
                published_at_s=time.time(),
            )
            store.publish(publication, None)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        result = steady(url, per_s, 10, log)
    finally:
        done.set()
        thread.join()
    return result._asdict()


def change(folder: Path, environ: Environ, server: GunicornServer) -> float:
    """Seconds from the edit of a mirror file until every web process serves what came of it."""
    worker = WorkerProcess(folder, environ)
    try:
        wait_until(lambda: "compiled" in worker.said(), "the worker's first compile", 60)
        before = server.ask(QUERY).headers["X-Mirrorlist-Generation"]
        file = sorted((Path(environ["MIRRORWISE_DATA"]) / "mirrors.d").glob("*.yml"))[0]
        text = file.read_text(encoding="utf-8")
        started = time.monotonic()
        file.write_text(text.rstrip().removesuffix("...") + "\nweight: 3\n", encoding="utf-8")
        fresh = 0
        while fresh < 40:  # in a row, on connections of their own: from every process
            same = server.ask(QUERY).headers["X-Mirrorlist-Generation"] == before
            fresh = 0 if same else fresh + 1
            if time.monotonic() - started > 60:
                raise RuntimeError("the change was not served within a minute")
        return time.monotonic() - started
    finally:
        worker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks.json"))
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that it runs")
    options = parser.parse_args()
    rounds, seconds = (1, 1) if options.quick else (ROUNDS, 2)
    with tempfile.TemporaryDirectory() as temporary:
        report = measure(Path(temporary), rounds, seconds)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nwritten to {options.out}")  # noqa: T201 - the report is for a terminal


def measure(folder: Path, rounds: int, seconds: int) -> dict[str, object]:
    (folder / "small").mkdir()
    (folder / "large").mkdir()
    name, environ = world(folder / "small")
    _, large = world(folder / "large")
    enlarge(Path(large["MIRRORWISE_DATA"]), 5_000, 200)
    say(f"{name}; the large network has 5,000 mirrors and 200 repos")
    report: dict[str, object] = {"world": name, "compile": publish(environ), "compile_large": publish(large)}
    say(f"compile: {report['compile']}; large: {report['compile_large']}")
    files = {count: folder / f"clients-{count}" for count in (1, 16, CLIENTS)}
    for count, file in files.items():
        file.write_text("\n".join(clients(count)) + "\n")
    with (
        comparison("flask", environ) as flask,
        comparison("wsgi", environ) as wsgi,
        ours(folder / "small", environ) as small,
        ours(folder / "large", large) as big,
    ):
        url = f"http://{small.address}{QUERY}"
        big_url = f"http://{big.address}{QUERY}"
        targets: dict[str, tuple[str, Path | None]] = {
            "empty Flask view": (flask, None),
            "bare WSGI": (wsgi, None),
            "one client": (url, files[1]),
            "16 clients": (url, files[16]),
            "all-random clients": (url, files[CLIENTS]),
            "all-random, 5,000 mirrors": (big_url, files[CLIENTS]),
        }
        for warm in (url, big_url):
            wrk(warm, 20 if rounds > 1 else 1, files[CLIENTS])
        loads = throughput(targets, rounds, seconds)
        report["throughput"] = {name: load._asdict() for name, load in loads.items()}
        table(loads)
        half = loads["all-random clients"].per_s / 2
        calm = steady(url, half, 10, folder / "log")
        report["half_load"] = calm._asdict()
        say(f"at half of that rate ({half:.0f}/s): p99 {calm.p99_ms:.1f} ms, {calm.failed} failed")
        report["private_mb"] = private_mb(small)
        report["swaps"] = swaps(environ, url, half, folder / "log")
        say(f"private memory {report['private_mb']:.0f} MB a process; a swap every second: {report['swaps']}")
        report["change_s"] = change(folder, environ, small)
        say(f"mirror file changed -> served by all processes: {report['change_s']:.2f} s")
    return report


def table(loads: dict[str, Load]) -> None:
    flask, wsgi = loads["empty Flask view"].per_s, loads["bare WSGI"].per_s
    say(f"{'':28} {'req/s':>7} {'x Flask':>8} {'x WSGI':>7} {'p50 ms':>7} {'p99 ms':>7} {'failed':>6}")
    for name, load in loads.items():
        say(
            f"{name:28} {load.per_s:7.0f} {load.per_s / flask:8.2f} {load.per_s / wsgi:7.2f} "
            f"{load.p50_ms:7.2f} {load.p99_ms:7.2f} {load.failed:6d}"
        )


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the report is for a terminal


if __name__ == "__main__":
    main()

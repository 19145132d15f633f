"""Starts what is measured: servers to compare with, the service alone, and the service behind nginx."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app.settings import read_settings
from tests.benchmarks.load import wrk
from tests.benchmarks.worlds import QUERY, ROOT, Environ
from tests.conftest import accepts, free_port, wait_until
from tests.servers import GunicornServer, NginxOptions, NginxServer

PROCESSES = 2


def publish(environ: Environ) -> dict[str, float]:
    """Runs the worker once. Returns the seconds that reading and compiling took the first and the last time,
    and the size of the snapshot."""
    command = [sys.executable, "-m", "app", "worker", "--once"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    compiled = re.findall(r"compiled \d+ mirrors for \d+ places in ([\d.]+) s: ([\d.]+) MB", done.stderr)
    return {"first_s": float(compiled[0][0]), "last_s": float(compiled[-1][0]), "mb": float(compiled[-1][1])}


@contextlib.contextmanager
def comparison(name: str, worker: str, body: Path, environ: Environ) -> Iterator[str]:
    """Runs a server of `apps` and yields its URL."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.apps", name, worker, str(port), str(body)]
    process = subprocess.Popen(command, cwd=ROOT, env={**environ, "WEB_CONCURRENCY": str(PROCESSES)})
    try:
        wait_until(lambda: accepts(port), f"{name} listening")
        yield f"http://127.0.0.1:{port}{QUERY}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def service(folder: Path, environ: Environ, unix: bool = False) -> Iterator[GunicornServer]:
    server = GunicornServer(folder, environ, PROCESSES, unix)
    try:
        server.wait_until_serving()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def behind_nginx(
    folder: Path, environ: Environ, server: GunicornServer, body: str, open_files: int
) -> Iterator[tuple[NginxServer, str]]:
    """Runs nginx in front of the service. Yields it with the URL at which it returns a 200 with this body by
    itself. Every request to the service is logged, as in production. But answers stay valid for ten
    minutes, so that the cache is measured, and not how fast the service renews it."""
    port = free_port()
    ceiling = f"server {{ listen 127.0.0.1:{port}; default_type text/plain; return 200 '{body}'; }}"
    options = NginxOptions(
        settings=read_settings(environ),
        valid="10m",
        workers=PROCESSES,
        more=ceiling,
        open_files=open_files,
        log_at_once=False,
    )
    folder.mkdir()
    nginx = NginxServer(folder, server.address, options)
    try:
        yield nginx, f"http://127.0.0.1:{port}{QUERY}"
    finally:
        nginx.stop()


def warm(nginx: NginxServer, url: str, addresses: Path, sweep_s: int) -> int:
    """Asks until the cache does not grow any more. Returns how many answers are in it then."""
    before, now = -1, 0
    while now != before:
        before = now
        wrk(url, sweep_s, addresses)
        now = sum(1 for path in (nginx.folder / "cache").rglob("*") if path.is_file())
    return now


def hits(nginx: NginxServer, since: int) -> float:
    """The share of requests that the cache answered, of those in the log after its first `since` bytes."""
    found = total = 0
    with (nginx.folder / "mirrorwise-access.log").open("rb") as lines:
        lines.seek(since)
        for line in lines:
            total += 1
            found += b'"cache":"HIT"' in line
    return found / max(1, total)


def logged_bytes(nginx: NginxServer) -> int:
    return (nginx.folder / "mirrorwise-access.log").stat().st_size


def private_mb(server: GunicornServer) -> float:
    """The largest private memory of a web process."""
    sizes = []
    for pid in server.descendants():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes.append(sum(int(n) for n in re.findall(r"Private_\w+:\s+(\d+) kB", text)) / 1024)
    return max(sizes)

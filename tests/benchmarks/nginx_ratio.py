"""How fast nginx answers from its cache: against its own `return 200` of the same body, and against an
empty Flask view. `python -m tests.benchmarks.nginx_ratio [--quick]`

All in one run, in turns, and the median of the rounds, so that the ratios hold on a noisy machine.
60,000 clients are drawn once; the clock starts when the answer for each of their classes is in the
cache. Every request is logged, as in production; but answers stay valid for ten minutes, so that what
is measured is the cache, and not how fast the service renews it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

import msgspec

from app.settings import read_settings
from tests.benchmarks.load import Load, wrk
from tests.benchmarks.worlds import QUERY, ROOT, Environ, clients, world
from tests.conftest import accepts, free_port, wait_until
from tests.servers import GunicornServer, NginxOptions, NginxServer

CLIENTS = 60_000
SWEEP_S = 20.0


class NginxRatio(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second, as the median of rounds. `keys`: different classes among the clients.
    `hits`: share of the measured requests that the cache answered."""

    cached_per_s: float
    return_200_per_s: float
    flask_per_s: float
    of_return_200: float
    times_flask: float
    keys: int
    hits: float
    failed: int


def nginx_ratio(folder: Path, environ: Environ, flask: str, rounds: int, seconds: float) -> NginxRatio:
    """In an empty folder; something is published in the environment, and the empty Flask view runs at
    the URL `flask`."""
    addresses = folder / "clients"
    addresses.write_text("\n".join(clients(CLIENTS)) + "\n")
    server = GunicornServer(folder, environ, unix=True)
    try:
        body = server.ask(QUERY, headers={"X-Forwarded-For": "192.0.2.1"}).body.decode()
        port = free_port()
        more = f"server {{ listen 127.0.0.1:{port}; default_type text/plain; return 200 '{body}'; }}"
        (folder / "nginx").mkdir()
        options = NginxOptions(
            settings=read_settings(environ),
            valid="10m",
            workers=2,
            more=more,
            open_files=CLIENTS,
            log_at_once=False,
        )
        nginx = NginxServer(folder / "nginx", server.address, options)
        try:
            return _measured(nginx, addresses, (f"http://127.0.0.1:{port}", flask), rounds, seconds)
        finally:
            nginx.stop()
    finally:
        server.stop()


def _measured(
    nginx: NginxServer, addresses: Path, others: tuple[str, str], rounds: int, seconds: float
) -> NginxRatio:
    url = f"http://127.0.0.1:{nginx.port}{QUERY}"
    keys = _warm(nginx, url, addresses, seconds)
    log = nginx.folder / "mirrorwise.json"
    statuses: Counter[str] = Counter()
    loads: list[list[Load]] = []
    for _ in range(rounds):
        before = log.stat().st_size
        cached = wrk(url, seconds, addresses)
        loads.append([cached, *(wrk(other, seconds, addresses) for other in others)])
        with log.open("rb") as lines:
            lines.seek(before)
            statuses.update(line.partition(b'"cache":"')[2].partition(b'"')[0].decode() for line in lines)
    ours, plain, flask = (median(load[i].per_s for load in loads) for i in range(3))
    return NginxRatio(
        cached_per_s=ours,
        return_200_per_s=plain,
        flask_per_s=flask,
        of_return_200=median(load[0].per_s / load[1].per_s for load in loads),
        times_flask=median(load[0].per_s / load[2].per_s for load in loads),
        keys=keys,
        hits=statuses["HIT"] / max(1, statuses.total()),
        failed=sum(load.failed for round_loads in loads for load in round_loads),
    )


def _warm(nginx: NginxServer, url: str, addresses: Path, seconds: float) -> int:
    """Ask until the cache grows no more; how many answers are in it then."""
    sweep_s = min(SWEEP_S, 10 * seconds)
    before, now = -1, 0
    while now != before:
        before = now
        wrk(url, sweep_s, addresses)
        now = sum(1 for path in (nginx.folder / "cache").rglob("*") if path.is_file())
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    rounds, seconds = (1, 1.0) if parser.parse_args().quick else (5, 3.0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        name, environ = world(folder)
        python = [sys.executable, "-m"]
        subprocess.run([*python, "app", "worker", "--once"], cwd=ROOT, env=environ, check=True)
        port = free_port()
        command = [*python, "tests.benchmarks.apps", "flask", str(port)]
        flask = subprocess.Popen(command, cwd=ROOT, env={**environ, "WEB_CONCURRENCY": "2"})
        try:
            wait_until(lambda: accepts(port), "the empty Flask view listening")
            result = nginx_ratio(folder, environ, f"http://127.0.0.1:{port}/", rounds, seconds)
        finally:
            flask.terminate()
            flask.wait()
    sys.stdout.write(f"{name}\n")
    for field, value in msgspec.structs.asdict(result).items():
        sys.stdout.write(f"{field:18} {value:10.2f}\n")


if __name__ == "__main__":
    main()

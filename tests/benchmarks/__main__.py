"""Runs all benchmarks of the service: `python -m tests.benchmarks [--out FILE] [--quick]`.

Everything is measured on this machine. The cases of a round are measured one after the other, and the
median of the rounds is taken: what counts is the ratios. wrk, h2load (nghttp2-client) and nginx with its
GeoIP module have to be installed. MIRRORWISE_DBIP (the folder of DB-IP's files) and the real mirrors are
used if they are there.

Clients are drawn once, and each of them has asked before the clock starts. All cases get the same requests
from the same clients over 16 connections. The servers to compare with answer with a body of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import servers
from tests.benchmarks.changes import edited, swapping
from tests.benchmarks.load import Load, steady, wrk
from tests.benchmarks.worlds import QUERY, clients, enlarge, world

ROUNDS = 5
ALONE_CLIENTS = 10_000
NGINX_CLIENTS = 60_000
LARGE = (5_000, 200)  # mirrors, repos
STEADY_S = 10

FLASK, WSGI, CEILING = "empty Flask view", "bare WSGI", "nginx `return 200`"
ALONE, ALONE_LARGE = "alone, all-random clients", "alone, the same, 5,000 mirrors, 200 repos"


@dataclass(frozen=True)
class Pace:
    rounds: int
    seconds: int
    sweep_s: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks.json"))
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that it runs")
    options = parser.parse_args()
    pace = Pace(rounds=1, seconds=1, sweep_s=2) if options.quick else Pace(ROUNDS, seconds=3, sweep_s=20)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        report = measure(Path(temporary), pace, stack)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    say(f"\nwritten to {options.out}")


def measure(folder: Path, pace: Pace, stack: ExitStack) -> dict[str, Any]:
    """Measures everything and returns the results. Servers that run to the end are entered into `stack`."""
    small, large = folder / "small", folder / "large"
    small.mkdir()
    large.mkdir()
    name, environ = world(small)
    _, large_environ = world(large)
    enlarge(Path(large_environ["MIRRORWISE_DATA"]), *LARGE)
    say(
        f"{name}; the large network has {LARGE[0]:,} mirrors and {LARGE[1]} repos; "
        f"{os.cpu_count()} cores, {servers.PROCESSES} web processes"
    )
    report: dict[str, Any] = {
        "world": name,
        "compile": servers.publish(environ),
        "compile_large": servers.publish(large_environ),
    }
    say(f"read and compiled: {report['compile']}; large: {report['compile_large']}")

    files = {}
    for count in (1, 16, ALONE_CLIENTS, NGINX_CLIENTS):
        files[count] = folder / f"clients-{count}"
        files[count].write_text("\n".join(clients(count)) + "\n")

    alone = stack.enter_context(servers.service(small, environ))
    big = stack.enter_context(servers.service(large, large_environ))
    body = folder / "body"
    body.write_bytes(alone.ask(QUERY, headers={"X-Forwarded-For": "192.0.2.1"}).body)
    (folder / "unix").mkdir()
    upstream = stack.enter_context(servers.service(folder / "unix", environ, unix=True))
    nginx, ceiling = stack.enter_context(
        servers.behind_nginx(folder / "nginx", environ, upstream, body.read_text(), NGINX_CLIENTS)
    )
    url, big_url = (f"http://{server.address}{QUERY}" for server in (alone, big))
    front = f"http://127.0.0.1:{nginx.port}{QUERY}"
    targets = {
        title: (stack.enter_context(servers.comparison(app, worker, body, environ)), files[ALONE_CLIENTS])
        for title, app, worker in (
            (FLASK, "flask", "gthread"),
            (WSGI, "wsgi", "gthread"),
            ("empty Flask view, our worker", "flask", "quick"),
            ("bare WSGI, our worker", "wsgi", "quick"),
        )
    }
    targets |= {
        "alone, one client": (url, files[1]),
        "alone, 16 clients": (url, files[16]),
        ALONE: (url, files[ALONE_CLIENTS]),
        ALONE_LARGE: (big_url, files[ALONE_CLIENTS]),
        "behind nginx, one client": (front, files[1]),
        "behind nginx, 16 clients": (front, files[16]),
        "behind nginx, all-random clients": (front, files[NGINX_CLIENTS]),
        CEILING: (ceiling, files[NGINX_CLIENTS]),
    }
    for warm_url in (url, big_url):
        wrk(warm_url, pace.sweep_s, files[ALONE_CLIENTS])
    report["cached_answers"] = servers.warm(nginx, front, files[NGINX_CLIENTS], pace.sweep_s)
    before = servers.logged_bytes(nginx)
    loads = throughput(targets, pace)
    report["throughput"] = {title: load._asdict() for title, load in loads.items()}
    report["nginx_hits"] = servers.hits(nginx, before)
    table(loads)
    say(
        f"nginx: {NGINX_CLIENTS:,} clients, {report['cached_answers']:,} answers cached, "
        f"{report['nginx_hits']:.1%} of requests hit"
    )

    half = loads[ALONE].per_s / 2
    report["half_load"] = steady(url, half, STEADY_S, folder)._asdict()
    say(f"alone, half of that rate ({half:.0f}/s): {report['half_load']}")
    report["swaps"] = swapping(environ, url, half, STEADY_S, folder)._asdict()
    say(f"the same with a new snapshot every second: {report['swaps']}")
    report["private_mb"] = {"small": servers.private_mb(alone), "large": servers.private_mb(big)}
    say(f"private memory of a web process, MB: {report['private_mb']}")
    report["edit"] = edited(small, environ, alone)
    report["edit_large"] = edited(large, large_environ, big)
    say(f"mirror file edited -> served by all processes: {report['edit']}; large: {report['edit_large']}")
    return report


def throughput(targets: dict[str, tuple[str, Path]], pace: Pace) -> dict[str, Load]:
    """The round of each target that is the median by requests a second."""
    results: dict[str, list[Load]] = {title: [] for title in targets}
    for _ in range(pace.rounds):
        for title, (url, addresses) in targets.items():
            results[title].append(wrk(url, pace.seconds, addresses))
    return {title: sorted(loads)[len(loads) // 2] for title, loads in results.items()}


def table(loads: dict[str, Load]) -> None:
    """Prints loads as the table that the README beside this shows."""
    say("| | requests/s | / Flask | / WSGI | / `return 200` | p50 ms | p99 ms | failed |")
    say("|---|--:|--:|--:|--:|--:|--:|--:|")
    for title, load in loads.items():
        ratios = (f"{load.per_s / loads[base].per_s:.2f}" for base in (FLASK, WSGI, CEILING))
        cells = (f"{load.per_s:.0f}", *ratios, f"{load.p50_ms:.2f}", f"{load.p99_ms:.2f}", str(load.failed))
        say(f"| {title} | {' | '.join(cells)} |")


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the report is for a terminal


if __name__ == "__main__":
    main()

"""Measures downloads beside mirrorlists, through gunicorn alone: `python -m tests.benchmarks.downloads`.

Both are asked by the same 10,000 clients over 16 connections, and each download is of another file of one
directory. The two take turns, so that other work of the machine affects both alike. The medians of the rounds
are printed.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.benchmarks import servers
from tests.benchmarks.load import wrk
from tests.benchmarks.worlds import QUERY, clients, world

ROUNDS = 7
SECONDS = 3
CLIENTS = 10_000
TARGETS = {"lists": QUERY, "downloads": "/download/9/BaseOS/x86_64/os/Packages/tool-1-1.x86_64.rpm"}


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        name, environ = world(folder)
        servers.publish(environ)
        addresses = folder / "clients"
        addresses.write_text("\n".join(clients(CLIENTS)) + "\n")
        rates: dict[str, list[float]] = {kind: [] for kind in TARGETS}
        with servers.service(folder, environ) as server:
            for target in TARGETS.values():  # so that all classes have asked before
                wrk(f"http://{server.address}{target}", 2 * SECONDS, addresses)
            for _ in range(ROUNDS):
                for kind, target in TARGETS.items():
                    load = wrk(f"http://{server.address}{target}", SECONDS, addresses)
                    if load.failed:
                        raise SystemExit(f"{load.failed} {kind} failed")
                    rates[kind].append(load.per_s)
    lists, downloads = (statistics.median(found) for found in rates.values())
    said = f"{name}: {lists:,.0f} lists/s, {downloads:,.0f} downloads/s, ratio {downloads / lists:.2f}"
    print(said)  # noqa: T201 - as the others do


if __name__ == "__main__":
    main()

"""What hostile mirrors cost the prober: how long its rounds become, how much processor they take, and when
the results of the good mirrors among them are written.

    python -m tests.benchmarks.probe_hostile                      # every scene, half an hour
    python -m tests.benchmarks.probe_hostile continues 1 29       # one hostile mirror of a kind, 29 good ones
    python -m tests.benchmarks.probe_hostile all 70 30            # every kind in turn

The fleet is on loopback, in a process of its own; limits and waits are the real ones. Two rounds a quarter
of an hour apart are measured: in the first the hostile mirrors are new, in the second they are known.
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from app.probe import Pace, ProbeOptions, run_probe
from app.probe.fetch import Network
from app.sources.probe_state import read_mirror_state
from tests.probe import hostile

SCENES = [("good", 0, 30), *((kind, 1, 29) for kind in ("continues", "body-drips", "slow-tls", "slow-name"))]
SCENES += [("all", 70, 30)]


def one_round(folder: Path, now: dt.datetime) -> None:
    """One round in this process; its figures on stdout."""
    started = time.monotonic()
    written: dict[str, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            for path in (folder / "state" / "mirrors").glob("[!.]*.json"):
                if path.stat().st_mtime > began:
                    written.setdefault(path.stem, time.monotonic() - started)

    began = time.time()
    watcher = threading.Thread(target=watch)
    watcher.start()
    network = Network(lookup=hostile.lookup, clock=lambda: now, routed=lambda family: True)
    run_probe(ProbeOptions(data_dir=folder), network, Pace(origin_every_s=3600))
    seconds = time.monotonic() - started
    time.sleep(0.5)
    done.set()
    watcher.join()
    used = resource.getrusage(resource.RUSAGE_SELF)
    states = [read_mirror_state(path) for path in (folder / "state" / "mirrors").glob("[!.]*.json")]
    verdicts = Counter(
        f"{(s.mirror.split('-')[0] == 'good' and 'good') or 'hostile'} {s.status}" for s in states
    )
    figures = {
        "seconds": round(seconds, 1),
        "processor seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak MB": round(used.ru_maxrss / 1024),
        "last good one written after": round(
            max((s for n, s in written.items() if n.startswith("good")), default=0), 1
        ),
        "verdicts": dict(sorted(verdicts.items())),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def measure(kind: str, bad: int, good: int) -> None:
    with tempfile.TemporaryDirectory() as name, hostile.served(Path(name), kind, bad, good) as fleet:
        for number in range(2):
            sys.stdout.write(f"{kind}: {bad} hostile, {good} good; round {number + 1}: ")
            sys.stdout.flush()
            now = fleet.now + number * dt.timedelta(minutes=15)
            me = [sys.executable, "-m", "tests.benchmarks.probe_hostile"]
            subprocess.run([*me, "round", name, now.isoformat()], check=True)


def main() -> None:
    match sys.argv[1:]:
        case ["round", folder, now]:
            one_round(Path(folder), dt.datetime.fromisoformat(now))
        case [kind, bad, good]:
            measure(kind, int(bad), int(good))
        case _:
            for scene in SCENES:
                measure(*scene)


if __name__ == "__main__":
    main()

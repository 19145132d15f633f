"""Puts load on servers with wrk and h2load, and reads what they measured."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

LUA = Path(__file__).with_name("clients.lua")
CONNECTIONS = 16


class Load(NamedTuple):
    """The results of wrk: requests answered in a second, latency, and the number of failures, which are
    answers other than 2xx or 3xx, and socket errors."""

    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


def wrk(url: str, seconds: float, clients: Path | None = None) -> Load:
    """Sends requests as fast as possible, over 16 connections that are kept open."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", "--latency"]
    environ = dict(os.environ)
    if clients is not None:
        command += ["-s", str(LUA)]
        environ["CLIENTS"] = str(clients)
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True, env=environ).stdout
    failed = [int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", said)]
    failed += [int(n) for line in re.findall(r"Socket errors: (.*)", said) for n in re.findall(r"\d+", line)]
    return Load(
        per_s=float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),  # type: ignore[index]  # wrk says it
        p50_ms=_ms(said, "50"),
        p99_ms=_ms(said, "99"),
        failed=sum(failed),
    )


def _ms(said: str, percent: str) -> float:
    value, unit = re.findall(rf"\s{percent}%\s+([\d.]+)(us|ms|s)", said)[0]
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


class Steady(NamedTuple):
    """The results of a fixed rate: requests sent and failed, a percentile and the worst time in ms."""

    sent: int
    failed: int
    p99_ms: float
    worst_ms: float


STEADY_CLIENTS = tuple(f"{first}.16.1.1" for first in (2, 5, 8, 41, 89, 133, 178, 200))
"""Addresses in several parts of the world."""


def steady(url: str, per_s: float, seconds: int, folder: Path) -> Steady:
    """Sends requests at a fixed rate with h2load over HTTP/1.1. Each of eight clients has two connections,
    which are kept open."""
    each = CONNECTIONS // len(STEADY_CLIENTS)
    rate = max(1, round(per_s / CONNECTIONS))
    logs = [folder / f"h2load-{number}.log" for number in range(len(STEADY_CLIENTS))]
    running = []
    for log, client in zip(logs, STEADY_CLIENTS, strict=True):
        log.unlink(missing_ok=True)
        options = [f"-c{each}", f"--duration={seconds}", f"--rps={rate}", f"--log-file={log}"]
        command = ["h2load", "--h1", *options, f"--header=X-Forwarded-For: {client}", url]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    for process in running:
        if process.wait() != 0:
            raise RuntimeError("h2load failed")
    rows = [line.split("\t") for log in logs for line in log.read_text().splitlines()]
    took_ms = sorted(int(row[2]) / 1e3 for row in rows)
    failed = sum(row[1] != "200" for row in rows)
    return Steady(len(rows), failed, took_ms[int(len(took_ms) * 0.99)], took_ms[-1])

"""Load from wrk and h2load, and what they measured."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

LUA = Path(__file__).with_name("clients.lua")
CONNECTIONS = 16


class Load(NamedTuple):
    """`per_s`: requests answered a second; `p50_ms`, `p99_ms`: latency; `failed`: answers that were
    not 2xx or 3xx, and socket errors."""

    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


def wrk(url: str, seconds: float, clients: Path | None = None) -> Load:
    """As fast as it goes, over 16 kept connections."""
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
    """What a fixed rate of requests got: how many, how many failed, percentile and worst in ms."""

    sent: int
    failed: int
    p99_ms: float
    worst_ms: float


def steady(url: str, per_s: float, seconds: int, log: Path) -> Steady:
    """A fixed rate over 16 connections (h2load speaking HTTP/1.1)."""
    log.unlink(missing_ok=True)
    rate = max(1, round(per_s / CONNECTIONS))
    options = [f"-c{CONNECTIONS}", f"--duration={seconds}", f"--rps={rate}", f"--log-file={log}"]
    subprocess.run(["h2load", "--h1", *options, url], capture_output=True, check=True)
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    took_ms = sorted(int(row[2]) / 1e3 for row in rows)
    failed = sum(row[1] != "200" for row in rows)
    return Steady(len(rows), failed, took_ms[int(len(took_ms) * 0.99)], took_ms[-1])

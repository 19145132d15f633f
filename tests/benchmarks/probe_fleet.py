"""Measures the time and memory that the prober takes for a whole distribution, with the real service
config and mirror files against a local fleet of mirrors.

    python -m tests.benchmarks.probe_fleet ../shared/data/almalinux

The mirrors keep their protocols and modules, become public, and move to loopback: names of one label below
example.org, half of them with IPv6 too, served over HTTP and TLS by two processes of their own
(--latency-ms makes them slower). Some are dead: 15 refuse the connection, 5 accept it and say nothing. The
first round asks for everything, the second is a normal one a quarter of an hour later. There is no wait
before second tries. Each round is a process of its own, of which the peak memory is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import logging
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from app.files import paths
from app.probe import Pace, ProbeOptions, run_probe
from app.probe.fetch import Network
from app.sources.folder import MIRROR_ENDINGS
from app.sources.mirror_files import read_mirror
from app.sources.service_config import read_service_config
from tests.probe.fleet import repomd

START = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)
SYNCED = f"{START.timestamp() - 600:.0f}\n".encode()
REFUSED, SILENT = 15, 5
REFUSED_ADDRESS = "127.1.0.9"


# --- the fleet -----------------------------------------------------------------------------------


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency_s: float) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")
            path = lines[0].split(" ")[1]
            if any(line.lower().startswith("host: silent-") for line in lines):
                await asyncio.sleep(3600)
            await asyncio.sleep(latency_s)
            unchanged = any(line.lower().startswith("if-none-match") for line in lines)
            writer.write(response(lines[0].startswith("HEAD"), path, unchanged))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def response(is_head: bool, path: str, unchanged: bool) -> bytes:
    if unchanged:
        return b"HTTP/1.1 304 Not Modified\r\n\r\n"
    body = SYNCED
    if path.endswith("repomd.xml"):
        # As large as real ones, in the same place of the tree at every mirror.
        body = repomd(path[path.index("/", 1) :], 1_795_000_000) + b" " * 3500
    head = f'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
    return head if is_head else head + body


async def serve(folder: Path, latency_s: float, ports: tuple[int, int]) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "tls.pem")
    servers = [
        await asyncio.start_server(
            lambda reader, writer: answer(reader, writer, latency_s),
            host,
            port,
            ssl=context,
            backlog=1000,
            reuse_port=True,
        )
        for port, context in zip(ports, (None, tls), strict=True)
        for host in ("127.0.0.1", "::1")
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


# --- the data ------------------------------------------------------------------------------------


def write_data(source: Path, folder: Path, ports: tuple[int, int]) -> int:
    """Writes the real config with an origin, and every real mirror moved to loopback. Returns the number of
    mirrors."""
    http, https = ports
    config = yaml.safe_load((source / "config.yml").read_text())
    config["origin"] = f"http://origin.example.org:{http}/almalinux/"
    config["module_origins"] = {"kitten": f"http://origin.example.org:{http}/kitten/"}
    config["probe"] = {"allow_private_addresses": True}
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    (folder / "mirrors.d").mkdir()
    parsed, _ = read_service_config(folder / "config.yml")
    number = 0
    for path in paths(source / "mirrors.d", *MIRROR_ENDINGS):
        mirror, _ = read_mirror(path, parsed)
        if mirror is None:
            continue
        kind = "refused" if number < REFUSED else "silent" if number < REFUSED + SILENT else "mirror"
        host = f"{kind}-{mirror.name.replace('.', '-')}"[:60].rstrip("-") + ".example.org"
        bases = {"http": f"http://{host}:{http}", "https": f"https://{host}:{https}"}
        own = {
            protocol: f"{bases[protocol]}/almalinux/" for protocol in mirror.addresses if protocol in bases
        }
        kitten = mirror.module_addresses.get("kitten", {})
        moved = {"name": mirror.name, "address": own, "geolocation": {"country": mirror.country or "DE"}}
        if kitten:
            modules = {protocol: f"{bases[protocol]}/kitten/" for protocol in kitten if protocol in bases}
            moved["address_optional"] = {"kitten": modules}
        (folder / "mirrors.d" / f"{mirror.name}.yml").write_text(yaml.safe_dump(moved))
        number += 1
    return number


def write_certificate(folder: Path) -> None:
    arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=fleet"
    names = ["-addext", "subjectAltName=DNS:*.example.org", "-keyout", "tls.key", "-out", "tls.crt"]
    subprocess.run(["openssl", *arguments.split(), *names], cwd=folder, check=True, capture_output=True)
    (folder / "tls.pem").write_text((folder / "tls.key").read_text() + (folder / "tls.crt").read_text())


# --- the rounds ----------------------------------------------------------------------------------


async def lookup(host: str) -> Sequence[str]:
    if host.startswith("refused-"):
        return [REFUSED_ADDRESS]
    return ["127.0.0.1", "::1"] if len(host) % 2 else ["127.0.0.1"]


def one_round(folder: Path, minutes: int) -> None:
    """Runs one round in this process, and prints its figures."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    tls = ssl.create_default_context(cafile=str(folder / "tls.crt"))
    started = time.monotonic()
    before = spent(folder)

    def clock() -> dt.datetime:
        return START + dt.timedelta(minutes=minutes, seconds=time.monotonic() - started)

    network = Network(lookup=lookup, tls=tls, clock=clock, routed=lambda family: True)
    code = run_probe(ProbeOptions(data_dir=folder), network, Pace(retry_after_s=0.0))
    requests = spent(folder) - before
    figures = {
        "requests": requests.total(),
        "most for one mirror": requests.most_common(3),
        "exit code": code,
        "seconds": round(time.monotonic() - started, 1),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def spent(folder: Path) -> Counter[str]:
    """The requests by host name, as the prober counted them, within the hour that all rounds are in."""
    memories = (json.loads(path.read_bytes()) for path in (folder / "state" / "probe").glob("[!.]*.json"))
    counts: Counter[str] = Counter()
    for memory in memories:
        for host, record in memory["spent"].items():
            counts[host.partition(":")[0]] += record["requests"]
    return counts


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of config.yml and mirrors.d")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        kind, first, *rest = options.part
        if kind == "serve":
            asyncio.run(serve(options.source, options.latency_ms / 1000, (int(first), int(rest[0]))))
        else:
            one_round(options.source, int(first))
        return
    me = [sys.executable, "-m", "tests.benchmarks.probe_fleet"]
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), free_ports()
        write_certificate(folder)
        mirrors = write_data(options.source, folder, ports)
        sys.stdout.write(f"{mirrors} mirrors\n")
        server = [*me, name, "--latency-ms", str(options.latency_ms), "--part", "serve", *map(str, ports)]
        servers = [subprocess.Popen(server) for _ in range(2)]
        try:
            time.sleep(2)
            for title, minutes in (("everything", 0), ("a normal round", 15), ("the next one", 30)):
                sys.stdout.write(f"--- {title}\n")
                sys.stdout.flush()
                subprocess.run([*me, name, "--part", "round", str(minutes)], check=True)
        finally:
            for process in servers:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()

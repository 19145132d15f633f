"""What `/metrics` tells: of all processes of a server together, and of the worker behind the store."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.logs import Faults
from app.model import Content, MirrorState, ProbeRound, Status
from app.serving.current import Current
from app.serving.tally import BUCKETS_S, Counted, Tally, TallyFiles, server_name
from app.snapshot.status import Heartbeat, decode_heartbeat
from app.store import file_store
from app.web.metrics import exposition
from app.web.readiness import reasons
from tests.conftest import wait_until
from tests.servers import Answer, GunicornServer
from tests.spoiling import loop
from tests.web.asking import FRANKFURT, LIST, STRANGER, TOKYO, Ask, application, asking, variables
from tests.worker.network import NOON, Network

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]

ALMALINUX = (("form", "almalinux"), ("reason", "geography"), ("status", "200"))


def samples(answer: Answer) -> Samples:
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.body.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def requests_of(found: Samples) -> dict[Labels, float]:
    return {labels: value for (name, labels), value in found.items() if name == "mirrorwise_requests_total"}


@pytest.fixture
def var(published: Path, tmp_path: Path) -> Path:
    """A published sample, with no counts in it."""
    (tmp_path / "store").symlink_to(published / "store")
    return tmp_path


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


@pytest.fixture
def ask_app(var: Path) -> Ask:
    return asking(application(var))


# --- requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "form", "status", "reason"),
    [
        (LIST, "almalinux", "200", "geography"),
        ("/mirrorlist/9//baseos/?arch=x86_64", "almalinux", "200", "geography"),
        (f"{LIST}&redirect=1", "almalinux", "302", "geography"),
        ("/mirrorlist/9.7/baseos", "almalinux", "200", "vault"),
        ("/mirrorlist/9evil/baseos", "almalinux", "404", ""),
        (f"{LIST}&limit=-3", "almalinux", "400", ""),
        ("/mirrorlist?repo=baseos-9&arch=x86_64", "mirrormanager", "200", "geography"),
        ("/mirrorlist", "mirrormanager", "400", ""),
        ("/?release=9&repo=baseos&arch=x86_64", "centos", "200", "geography"),
        ("/metalink/9/baseos?arch=x86_64", "metalink", "200", "geography"),
        ("/isolist/9/x86_64", "isolist", "200", "geography"),
        ("/download/9.8/BaseOS/x86_64/os/a.rpm", "download", "302", "geography"),
        ("/", "other", "200", ""),
        ("/whoami", "other", "200", ""),
        ("/nothing", "other", "404", ""),
    ],
)
def test_requests(ask_app: Ask, target: str, form: str, status: str, reason: str) -> None:
    """Each request counts once, under its form, status and reason, whether it is remembered or not."""
    for _ in range(3):
        ask_app(target, headers={"X-Forwarded-For": FRANKFURT})
    found = requests_of(samples(ask_app("/metrics")))
    assert found == {(("form", form), ("reason", reason), ("status", status)): 3}


def test_memo_hits_and_latency(ask_app: Ask) -> None:
    """Questions that were asked before are counted, and every request is in one bucket of the histogram."""
    for address in (FRANKFURT, FRANKFURT, TOKYO, FRANKFURT):
        ask_app(LIST, headers={"X-Forwarded-For": address})
    found = samples(ask_app("/metrics"))
    assert found["mirrorwise_memo_hits_total", ()] == 3
    buckets = [
        found["mirrorwise_request_duration_seconds_bucket", (("le", str(bound)),)]
        for bound in (*BUCKETS_S, "+Inf")
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] == found["mirrorwise_request_duration_seconds_count", ()] == 4
    assert 0 < found["mirrorwise_request_duration_seconds_sum", ()] < 10


def test_threads_lose_no_count() -> None:
    """Threads that are switched as often as can be still count exactly."""
    tally = Tally()

    def count() -> None:
        for _ in range(20_000):
            tally.memo_hits += 1
            tally.add(("almalinux", 200, "geography"), 0.5)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert (tally.memo_hits, sum(tally.requests.values()), sum(tally.buckets)) == (80_000,) * 3
    assert tally.seconds == 40_000


# --- several processes ------------------------------------------------------------------------------------


@pytest.fixture
def server(var: Path) -> Iterator[GunicornServer]:
    server = GunicornServer(var, variables(var), processes=3)
    yield server
    server.stop()


@pytest.mark.slow
def test_processes_are_added_up(server: GunicornServer, var: Path) -> None:
    """Whichever process is asked, all count; totals never go back, not even when a process is killed."""
    totals: list[float] = []

    def total() -> float:
        found = requests_of(samples(server.ask("/metrics")))
        totals.append(found.get(ALMALINUX, 0))
        return totals[-1]

    def counting() -> set[int]:
        return {int(path.stem.rpartition("-")[2]) for path in (var / "metrics").glob("*.json")}

    def serving() -> list[float]:
        found = samples(server.ask("/metrics"))
        return [value for (name, _), value in found.items() if name == "mirrorwise_snapshot_processes"]

    wait_until(lambda: len(counting()) == 3 and counting() == set(server.descendants()), "a file for each")
    for _ in range(60):
        assert server.ask(LIST, headers={"X-Forwarded-For": FRANKFURT}).status == 200
    wait_until(lambda: total() == 60, "all 60 requests counted")
    os.kill(min(counting()), signal.SIGKILL)
    wait_until(lambda: len(counting()) == 4, "another in its place")
    for _ in range(20):
        assert server.ask(LIST, headers={"X-Forwarded-For": FRANKFURT}).status == 200
    wait_until(lambda: total() == 80, "80 requests counted")
    assert totals == sorted(totals)
    wait_until(lambda: serving() == [3.0], "the dead one counts no more among those that serve")


def test_servers_keep_apart(tmp_path: Path) -> None:
    """Another server's counts are not ours; a former one's files go when they are an hour old. Our own
    stay, also those of processes that ended long ago."""

    def file(pid: int) -> Counted:
        return Counted(pid=pid, memo_hits=pid)

    ended = subprocess.Popen(["true"])
    ended.wait()
    names = (f"{ended.pid}-former", f"{os.getpid()}-other", server_name())
    former, other, ours = (TallyFiles(tmp_path, name) for name in names)
    former.write(file(1))
    ours.write(file(3))
    an_hour_ago = time.time() - 3601
    for path in tmp_path.iterdir():
        os.utime(path, (an_hour_ago, an_hour_ago))
    other.write(file(2))
    TallyFiles(tmp_path, names[2]).write(file(4))
    assert [counted.pid for counted in ours.others()] == [3, 4]
    assert [counted.pid for counted in other.others()] == [2]
    assert former.others() == []


def in_the_way(folder: Path) -> None:
    folder.write_text("a file")


def leading_nowhere(folder: Path) -> None:
    folder.symlink_to(folder.with_name("gone"))


def in_a_circle(folder: Path) -> None:
    folder.touch()
    loop(folder)


@pytest.mark.parametrize("harm", [in_the_way, leading_nowhere, in_a_circle])
def test_counts_that_cannot_be_written(var: Path, harm: Callable[[Path], None]) -> None:
    """Without a place for its counts a process goes on serving, says what is wrong, and tells its own."""
    harm(var / "metrics")
    ask = asking(application(var))
    assert ask(LIST).status == 200
    found = samples(ask("/metrics"))
    assert found["mirrorwise_snapshot_age_seconds", ()] > 0
    assert requests_of(found) == {ALMALINUX: 1}
    assert b"\nmetrics: " in ask("/readyz").body


STRANGE_COUNTS = (
    b'{"pid": -1}',
    b'{"pid": 1, "buckets": [' + b"1, " * 40 + b"1]}",
    b'{"pid": 1, "seconds": -1}',
    b'{"pid": 1, "requests": [["list", 200, "geography", 1' + b"0" * 400 + b"]]}",
    b'{"pid": 1, "memo_hits": 9e999}',
    b'{"pid": ' + b"[" * 100_000,
    b"\xff",
)


def test_strange_counts(var: Path) -> None:
    """A file that no process of ours has written counts nothing."""
    app = application(var)
    tallies = app.extensions["mirrorwise"].tallies
    for number, content in enumerate(STRANGE_COUNTS, 1):
        (var / "metrics" / f"{tallies._server}-{number}.json").write_bytes(content)
    ask = asking(app)
    assert ask(LIST).status == 200
    assert requests_of(samples(ask("/metrics"))) == {ALMALINUX: 1}


# --- snapshot, mirrors, worker ----------------------------------------------------------------------------


def test_snapshot_and_mirrors(ask_app: Ask) -> None:
    """Generation, ages, and public mirrors by status, as /mirrors has them."""
    found = samples(ask_app("/metrics"))
    generation = ask_app(LIST).headers["X-Mirrorlist-Generation"]
    assert found["mirrorwise_snapshot_processes", (("generation", generation),)] == 1
    assert 0 <= found["mirrorwise_snapshot_age_seconds", ()] < 24 * 3600  # made at the beginning of the run
    assert found["mirrorwise_geoip_database_age_seconds", (("database", "city"),)] >= 0
    mirrors = {labels[0][1]: n for (name, labels), n in found.items() if name == "mirrorwise_mirrors"}
    assert mirrors["ok"] > 30 and mirrors["stale"] == mirrors["unreachable"] == mirrors["degraded"] == 1
    assert sum(mirrors.values()) == ask_app("/mirrors").body.count(b'"mirror":')


def test_lists_and_repos(ask_app: Ask) -> None:
    """How many public mirrors each list may have, and what the prober found of each repo."""
    found = samples(ask_app("/metrics"))
    names = {
        arch: (("arch", arch), ("release", "9.8"), ("repo", "highavailability"))
        for arch in ("x86_64", "s390x")
    }
    listed = {arch: found["mirrorwise_list_mirrors", labels] for arch, labels in names.items()}
    seen = {
        (arch, content): found[
            "mirrorwise_repo_mirrors", tuple(sorted((*labels, ("content", content.value))))
        ]
        for arch, labels in names.items()
        for content in Content
    }
    assert seen["s390x", Content.MISSING] == 1 and seen["x86_64", Content.MISSING] == 0
    others = [mirror for mirror in msgspec.json.decode(ask_app("/mirrors").body) if mirror["status"] == "ok"]
    assert listed["x86_64"] >= len(others) > 30 and 0 < listed["s390x"] < listed["x86_64"]
    isos = (("arch", "x86_64"), ("release", "9.8"), ("repo", ""))
    assert found["mirrorwise_list_mirrors", isos] >= listed["x86_64"]


def test_only_what_is_expected_is_counted(network: Network) -> None:
    """However many keys state files have, the metrics have those of config.yml; what a mirror had that is
    down does not count."""
    names = network.several(3)
    content = {f"9.8/{repo}/x86_64": Content.CURRENT for repo in ("baseos", "canary")}
    for name, status in zip(names, (Status.OK, Status.OK, Status.BROKEN), strict=True):
        state = MirrorState(mirror=name, probed_at=ended(1).completed_at, status=status, content=content)
        network.states.mkdir(parents=True, exist_ok=True)
        (network.states / f"{name}.json").write_bytes(msgspec.json.encode(state))
    worker = network.worker()
    worker.step(NOON)
    worker.stop()
    current = Current(network.settings(), file_store(network.var), None)
    current.refresh()
    text = exposition(current).decode()
    line = 'mirrorwise_repo_mirrors{arch="x86_64",content="current",release="9.8",repo="baseos"} 2.0\n'
    assert line in text and "canary" not in text


def test_prober(network: Network) -> None:
    """Its last complete round, as its file says."""
    network.probed(network.several(3))
    network.round(NOON - 300, took_s=120, interval_s=900)
    worker = network.worker()
    worker.step(NOON)
    current = Current(network.settings(), file_store(network.var), None)
    current.refresh()
    text = exposition(current).decode()
    for line in (
        "mirrorwise_prober_round_seconds 120.0",
        "mirrorwise_prober_interval_seconds 900.0",
        "mirrorwise_prober_round_mirrors 1.0",
        "mirrorwise_prober_round_requests 10.0",
    ):
        assert f"{line}\n" in text
    assert "mirrorwise_prober_round_age_seconds" in text
    network.round(NOON, interval_s=600)
    worker.step(NOON + 6)  # states are read once a minute
    worker.stop()
    assert current.heartbeat is not None
    assert decode_heartbeat(file_store(network.var).heartbeat() or b"").last_round == msgspec.structs.replace(
        ended(0, interval_s=600), started_at=ended(0).completed_at, mirrors=1, requests=10
    )


def test_worker(network: Network) -> None:
    """The worker's steps, compiles, faults and guard reach /metrics and /readyz through the store."""
    names = network.several(10)
    broken = network.mirrors / "secret-corp.yml"
    broken.write_text("name: [")
    worker = network.worker()
    worker.step(NOON)
    network.remove(*names[:8])
    worker.step(NOON + 10)
    worker.step(NOON + 20)
    worker.stop()
    current = Current(network.settings(), file_store(network.var), None)
    current.refresh()
    assert current.heartbeat is not None
    text = exposition(current).decode()
    for line in (
        "mirrorwise_worker_step_seconds_count 2.0",
        "mirrorwise_worker_compile_seconds_count 2.0",
        "mirrorwise_worker_publications_total 1.0",
        "mirrorwise_worker_guard_holding 1.0",
        'mirrorwise_worker_faults{source="mirrors"} 1.0',
        'mirrorwise_worker_faults{source="guard"} 1.0',
        'mirrorwise_worker_faults{source="store"} 0.0',
    ):
        assert f"{line}\n" in text
    said = "\n".join(reasons(current, NOON + 25))
    assert "guard: edits of 8 mirror files are held back" in said and "would keep 2 of 10 mirrors" in said
    assert "worker: faults in what it reads: 1 in mirrors" in said
    assert "no sign of life" not in said
    assert "secret" not in text + said


def ended(minutes_ago: float, interval_s: float | None = 900) -> ProbeRound:
    moment = datetime.fromtimestamp(NOON, UTC) - timedelta(minutes=minutes_ago)
    return ProbeRound(completed_at=moment, interval_s=interval_s)


@pytest.mark.parametrize(
    ("heartbeat", "published_ago_s", "says"),
    [
        pytest.param(Heartbeat(at_s=NOON), 60, [], id="well"),
        pytest.param(Heartbeat(at_s=NOON + 9e4), 60, [], id="a clock set back"),
        pytest.param(
            Heartbeat(worker="host/1/ab", at_s=NOON - 93),
            60,
            ["worker: no sign of life for 93 s from host/1/ab; no worker holds the lease"],
            id="silent",
        ),
        pytest.param(Heartbeat(at_s=NOON, last_round=ended(44)), 60, [], id="a round is late"),
        pytest.param(
            Heartbeat(at_s=NOON, last_round=ended(52)),
            60,
            ["prober: the last round ended 52 min ago; they come every 15 min"],
            id="the prober has stopped",
        ),
        pytest.param(
            Heartbeat(at_s=NOON, last_round=ended(9999, interval_s=None)), 60, [], id="rounds by hand"
        ),
        pytest.param(
            Heartbeat(worker="host/1/ab", at_s=NOON - 7200, last_round=ended(121)),
            60,
            ["worker: no sign of life for 7200 s from host/1/ab; no worker holds the lease"],
            id="a silent worker knows nothing of the prober",
        ),
        pytest.param(
            None,
            60,
            ["worker: no sign of life has been seen; no worker holds the lease"],
            id="never seen",
        ),
        pytest.param(
            Heartbeat(at_s=NOON), 26 * 3600, ["snapshot: nothing new has been published for 26 h"], id="old"
        ),
        pytest.param(
            Heartbeat(at_s=NOON, faults={"state": 2, "guard": 1, "geoip": 1}, guard="held back: x"),
            60,
            [
                "guard: held back: x",
                "worker: faults in what it reads: 1 in geoip, 2 in state; its log says more",
            ],
            id="guard and faults",
        ),
    ],
)
def test_reasons(var: Path, heartbeat: Heartbeat | None, published_ago_s: float, says: list[str]) -> None:
    """/readyz names what an operator should look at, and nothing else."""
    current: Current = application(var).extensions["mirrorwise"]
    assert current.serving is not None
    current.serving = replace(current.serving, published_at_s=NOON - published_ago_s)
    current.heartbeat = heartbeat
    assert list(reasons(current, NOON)) == says


def test_store_errors(network: Network) -> None:
    """Every failed look at the store counts; the fault is named once, and gone when the store is well."""
    network.several(3)
    current = Current(network.settings(), file_store(network.var), None)
    for _ in range(3):
        current.refresh()
    text = exposition(current).decode()
    assert 'mirrorwise_web_failures_total{source="store"} 3.0\n' in text
    assert 'mirrorwise_web_faults{source="store"} 1.0\n' in text
    worker = network.worker()
    worker.step(NOON)
    worker.stop()
    current.refresh()
    text = exposition(current).decode()
    assert 'mirrorwise_web_failures_total{source="store"} 3.0\n' in text
    assert 'mirrorwise_web_faults{source="store"} 0.0\n' in text


def test_faults_by_source() -> None:
    """Subjects of one source count together; `failures` grows also while nothing changes."""
    faults = Faults(logging.getLogger("test"))
    for _ in range(3):
        faults.replace("mirrors/", {"mirrors/a.yml": "bad", "mirrors/b.yml": "bad"})
    faults.set("store", "gone")
    assert faults.by_source == {"mirrors": 2, "store": 1}
    assert faults.failures == {"mirrors": 6, "store": 1}
    faults.replace("mirrors/", {})
    assert faults.by_source == {"store": 1}


# --- what is not told -------------------------------------------------------------------------------------


def test_no_addresses_and_no_private_mirrors(ask_app: Ask) -> None:
    """Neither clients' addresses nor what they sent, nor private mirrors, are in the metrics."""
    ask_app(f"{LIST}&ip={TOKYO}&limit=canary", headers={"X-Forwarded-For": FRANKFURT})
    ask_app("/canary/canary", headers={"X-Forwarded-For": "10.20.0.1", "User-Agent": "canary"})
    ask_app(LIST, headers={"X-Forwarded-For": "10.20.0.1"})
    text = ask_app("/metrics", source=STRANGER).body.decode()
    for word in ("canary", FRANKFURT, TOKYO, STRANGER, "10.20", "127.0.0", "corp", "net-"):
        assert word not in text


def test_misses_are_said_to_be_misses(ask_app: Ask) -> None:
    """Who reads the numbers is told that a caching nginx in front leaves only its misses."""
    help_lines = [
        line for line in ask_app("/metrics").body.decode().splitlines() if line.startswith("# HELP")
    ]
    told = {line.split()[2] for line in help_lines if "caching nginx" in line}
    assert told == {
        "mirrorwise_requests_total",
        "mirrorwise_request_duration_seconds",
        "mirrorwise_memo_hits_total",
    }

"""The whole service, in processes of its own: what people start, kill, edit and put nginx in front of."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from app.settings import SecretUrl
from app.store import FileStore
from app.store.redis import LEASE, RedisStore
from tests.conftest import ROOT, RedisServer, free_port, wait_until
from tests.servers import Answer, Command, GunicornServer, NginxServer, WorkerProcess, environ
from tests.servers import ask as ask_on
from tests.worker.network import Network, generation

LIST = "/mirrorlist/9/baseos?arch=x86_64"
LINE = re.compile(r"https://[a-z0-9.-]+/[a-z0-9]+/9\.8/BaseOS/x86_64/os/")


def exists(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected by its parent does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def all_ended(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(map(exists, pids))


def is_whole(answer: Answer, mirrors: int) -> bool:
    lines = answer.body.decode().split("\n")
    return answer.status == 200 and len(lines) == mirrors + 1 and all(map(LINE.fullmatch, lines[:-1]))


class Visitors:
    """Clients that ask all the time, on connections of their own; `bad` are answers that were not a whole
    list, and what kept them from getting one."""

    def __init__(self, server: GunicornServer, mirrors: int, count: int = 2) -> None:
        self.bad: list[object] = []
        self.asked = 0
        self._server = server
        self._mirrors = mirrors
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(count)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        while not self._stopping.wait(0.002):
            try:
                answer = self._server.ask(LIST)
            except OSError as error:
                self.bad.append(error)
            else:
                self.asked += 1
                if not is_whole(answer, self._mirrors):
                    self.bad.append(answer)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    network = Network(tmp_path)
    network.several(8)
    network.city_database()
    return network


@pytest.fixture
def variables(network: Network) -> dict[str, str]:
    return environ(network.data, network.var)


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """Stops what is started, last first: `processes.callback(server.stop)`."""
    with ExitStack() as stack:
        yield stack


def published(store: FileStore | RedisStore) -> str:
    wait_until(lambda: store.pointer() is not None, "the first publication")
    return generation(store) or ""


def published_since(store: FileStore | RedisStore, former: str | None) -> Callable[[], bool]:
    return lambda: generation(store) not in (former, None)


# --- mirrorwise up --------------------------------------------------------------------------------------


@pytest.fixture
def up(tmp_path: Path, processes: ExitStack) -> Command:
    """`mirrorwise up` with the sample network, serving."""
    variables = environ(ROOT / "data", tmp_path / "var", WEB_CONCURRENCY="2")
    command = Command(tmp_path / "up.log", ["up", "--port", str(free_port())], variables)
    processes.callback(command.stop)
    wait_until(lambda: "Ctrl-C" in command.said() or command.process.poll() is not None, "serving", 60)
    assert command.process.poll() is None, command.said()
    return command


def test_up(up: Command) -> None:
    """It prints three curl lines, each of which gives an answer; Ctrl-C ends every process, quickly."""
    urls = re.findall(r"^  curl '(http://127\.0\.0\.1:[^']+)'$", up.said(), re.MULTILINE)
    assert len(urls) == 3
    for url in urls:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  # loopback, as matched
            assert response.status == 200
            assert response.read().endswith(b"\n")
    pids = up.descendants()
    assert len(pids) >= 4  # the worker, gunicorn's master and two of its processes
    started = time.monotonic()
    assert up.signal(signal.SIGINT) == 0
    assert time.monotonic() - started < 5
    wait_until(all_ended(pids), "all processes have ended", 5)
    assert "Traceback" not in up.said()


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([signal.SIGTERM], id="terminated"),
        pytest.param(
            [signal.SIGHUP, signal.SIGINT, signal.SIGINT, signal.SIGTERM],
            id="impatient user",
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.slow
def test_up_ends_all_of_it(up: Command, numbers: list[signal.Signals]) -> None:
    """SIGTERM, or closing its terminal and pressing Ctrl-C again and again, leaves no process behind."""
    pids = up.descendants()
    for number in numbers:
        up.process.send_signal(number)
    assert up.process.wait(timeout=20) == 0
    wait_until(all_ended(pids), "all processes have ended", 5)
    assert "Traceback" not in up.said()


@pytest.mark.slow
def test_up_ends_when_a_part_does(up: Command) -> None:
    """If one of its parts ends by itself, the others are ended too, and the exit code says so."""
    pids = up.descendants()
    os.kill(pids[0], signal.SIGKILL)
    assert up.process.wait(timeout=20) == 1
    wait_until(all_ended(pids), "all processes have ended", 5)


# --- editing --------------------------------------------------------------------------------------------


def test_edit_is_served_by_all_processes(
    network: Network, variables: dict[str, str], processes: ExitStack, tmp_path: Path
) -> None:
    """With the default settings, a mirror file edited is in the answers of every web process within two
    seconds."""
    variables["REFRESH_SECONDS"] = ""
    worker = WorkerProcess(tmp_path, variables)
    processes.callback(worker.stop)
    published(network.store())
    server = GunicornServer(tmp_path, variables, processes=3)
    processes.callback(server.stop)
    server.wait_until_serving()
    path = network.mirror("m00.example.org")
    path.write_text(path.read_text().replace("/examplelinux/", "/moved/"))
    edited_s = time.monotonic()
    store = network.store()

    def followed() -> bool:
        newest = generation(store)
        has_edit = b"/moved/" in (store.snapshot(newest or "") or b"")
        return has_edit and server.said().count(f"serving generation {newest}") == 3

    wait_until(followed, "all processes serve the edit")
    took_s = time.monotonic() - edited_s
    compiles_s = re.findall(r"compiled .* in ([0-9.]+) s", worker.said())
    assert took_s < 2 + float(compiles_s[-1])
    for _ in range(20):
        assert b"/moved/" in server.ask(LIST).body


# --- kill -9 --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_standby_takes_over_from_the_killed(
    network: Network, variables: dict[str, str], processes: ExitStack, tmp_path: Path
) -> None:
    """When a worker is killed, the one that stands by publishes what comes next."""
    first = WorkerProcess(tmp_path, variables, name="first")
    processes.callback(first.stop)
    published(network.store())
    second = WorkerProcess(tmp_path, variables, name="second")
    processes.callback(second.stop)
    wait_until(lambda: "standing by" in second.said(), "the second stands by")
    before = generation(network.store())
    first.signal(signal.SIGKILL)
    network.mirror("new.example.org")
    wait_until(published_since(network.store(), before), "the second publishes")
    wait_until(lambda: "published generation" in second.said(), "and says so")


@pytest.mark.slow
def test_worker_killed_while_publishing(
    network: Network,
    variables: dict[str, str],
    processes: ExitStack,
    tmp_path: Path,
    redis_server: RedisServer,
) -> None:
    """However often and at whatever moment the worker is killed, every answer is a whole list, and the
    next worker goes on."""
    variables["REDIS_URL"] = redis_server.url
    store = RedisStore.at(SecretUrl(redis_server.url))
    processes.callback(store.close)
    worker = WorkerProcess(tmp_path, variables)
    processes.callback(worker.stop)
    published(store)
    server = GunicornServer(tmp_path, variables)
    processes.callback(server.stop)
    server.wait_until_serving()
    weight = 1
    with Visitors(server, mirrors=8) as visitors:
        for kill_after_s in (0.0, 0.05, 0.12):
            before = generation(store)
            killed_s = time.monotonic() + kill_after_s
            while time.monotonic() < killed_s or weight == 1:
                weight += 1
                network.mirror("m00.example.org", more=f"weight: {weight % 50 + 1}\n")
            worker.signal(signal.SIGKILL)
            store._client.delete(LEASE)  # as if the 15 seconds of its lease had passed
            worker.start()
            weight += 1
            network.mirror("m00.example.org", more=f"weight: {weight % 50 + 51}\n")
            wait_until(published_since(store, before), "the next worker publishes")
        server.wait_until_serving(generation(store) or "")
    assert visitors.bad == []
    assert visitors.asked > 100


@pytest.mark.slow
def test_web_process_killed(
    network: Network, variables: dict[str, str], processes: ExitStack, tmp_path: Path
) -> None:
    """A web process that is killed is replaced, and the others answer meanwhile."""
    worker = WorkerProcess(tmp_path, variables, "--once")
    processes.callback(worker.stop)
    assert worker.process.wait(timeout=30) == 0
    server = GunicornServer(tmp_path, variables)
    processes.callback(server.stop)
    server.wait_until_serving()
    killed, *_ = server.descendants()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.said().count("serving generation") == 3, "it is replaced")
    assert not exists(killed)
    assert is_whole(server.ask(LIST), mirrors=8)


# --- ending ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_worker_ends_cleanly(
    network: Network, variables: dict[str, str], processes: ExitStack, tmp_path: Path
) -> None:
    """SIGTERM ends the worker with what runs beside it, and gives its lease back."""
    worker = WorkerProcess(tmp_path, variables)
    processes.callback(worker.stop)
    published(network.store())
    pids = worker.descendants()
    assert worker.signal(signal.SIGTERM) == 0
    wait_until(all_ended(pids), "the scan has ended")
    assert "Traceback" not in worker.said()
    with ExitStack() as held:
        store = network.store()
        held.callback(store.close)
        assert store.lease("the next", 1)


@pytest.mark.slow
def test_web_ends_quickly(variables: dict[str, str], processes: ExitStack, tmp_path: Path) -> None:
    """SIGTERM ends gunicorn within seconds, also while a client keeps its connection open."""
    server = GunicornServer(tmp_path, variables)
    processes.callback(server.stop)
    connection = server.connection()
    processes.callback(connection.close)
    assert ask_on(connection, "/healthz").status == 200
    pids = server.descendants()
    started = time.monotonic()
    assert server.signal(signal.SIGTERM) == 0
    assert time.monotonic() - started < 5
    wait_until(all_ended(pids), "all processes have ended")


# --- Redis ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_redis_comes_and_goes(
    network: Network,
    variables: dict[str, str],
    processes: ExitStack,
    tmp_path: Path,
    redis_server: RedisServer,
) -> None:
    """Redis killed, hung, and restarted empty under load: not one request fails, web processes that start
    meanwhile serve the last good copy, and in the end an edit is served by all of them."""
    variables["REDIS_URL"] = redis_server.url
    store = RedisStore.at(SecretUrl(redis_server.url))
    processes.callback(store.close)
    worker = WorkerProcess(tmp_path, variables)
    processes.callback(worker.stop)
    published(store)
    server = GunicornServer(tmp_path, variables)
    processes.callback(server.stop)
    server.wait_until_serving()
    with Visitors(server, mirrors=8) as visitors:
        redis_server.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: "no answer within" in server.said(), "the hang is noticed")
        redis_server.process.send_signal(signal.SIGCONT)
        redis_server.stop()
        wait_until(lambda: "not connected" in server.said(), "the loss is noticed")
        late = GunicornServer(newly_made(tmp_path / "late"), variables, processes=1)
        processes.callback(late.stop)
        wait_until(lambda: late.ask("/readyz").status == 200, "the last good copy is served")
        assert is_whole(late.ask(LIST), mirrors=8)
        redis_server.start()
        wait_until(lambda: store.pointer() is not None, "published again")
        before = generation(store)
        network.mirror("m00.example.org", more="weight: 7\n")
        wait_until(published_since(store, before), "the edit is published")
        newest = generation(store)
        server.wait_until_serving(newest or "")
        late.wait_until_serving(newest or "")
        wait_until(lambda: late.ask("/readyz").body.count(b"\n") == 1, "nothing is wrong any more")
    assert visitors.bad == []


def newly_made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# --- nginx ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_behind_nginx(
    network: Network, variables: dict[str, str], processes: ExitStack, tmp_path: Path
) -> None:
    """With the committed site in front, over a unix socket, the client's address arrives, and answers are
    those that gunicorn gives."""
    variables["TRUSTED_PROXIES"] = "none"  # the peer on a unix socket is trusted all the same
    worker = WorkerProcess(tmp_path, variables, "--once")
    processes.callback(worker.stop)
    assert worker.process.wait(timeout=30) == 0
    server = GunicornServer(tmp_path, variables, unix=True)
    processes.callback(server.stop)
    server.wait_until_serving()
    nginx = NginxServer(newly_made(tmp_path / "nginx"), server.address)
    processes.callback(nginx.stop)

    def through(target: str, source: str) -> Answer:
        connection = http.client.HTTPConnection(
            "127.0.0.1", nginx.port, timeout=10, source_address=(source, 0)
        )
        with ExitStack() as stack:
            stack.callback(connection.close)
            forged = {"X-Forwarded-For": "192.0.2.1", "Accept": "application/json"}
            return ask_on(connection, target, headers=forged)

    for source in ("127.0.0.1", "127.0.0.42", "127.0.33.1"):
        assert msgspec.json.decode(through("/whoami", source).body)["address"] == source
        for target in (LIST, f"{LIST}&ip=203.0.113.1", "/mirrorlist/99/baseos", f"{LIST}&format=json"):
            answer, direct = through(target, source), server.ask(target, headers={"X-Forwarded-For": source})
            assert (answer.status, answer.body) == (direct.status, direct.body)
            ours = [name for name in direct.headers if name.startswith(("X-", "Content-", "Cache-"))]
            assert [answer.headers[name] for name in ours] == [direct.headers[name] for name in ours]

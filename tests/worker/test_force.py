"""`worker --force` while a worker runs: it is asked through the store, and its answer is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.model import Status
from app.settings import SecretUrl
from app.snapshot.status import WorkerAnswer, decode_heartbeat
from app.store import FileStore, Store
from app.store.redis import RedisStore
from app.worker.losses import Force
from app.worker.request import ANSWER_WITHIN_S, ask_running_worker
from tests.conftest import ROOT, RedisServer, wait_until
from tests.servers import WorkerProcess, environ
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, listed

MINUTE = 60.0


@pytest.fixture
def names(network: Network) -> list[str]:
    names = network.several(8)
    network.probed(names)
    return names


def stepping(step: Callable[[], None]) -> Callable[[float], None]:
    """Lets the worker make a step while the command waits."""
    return lambda _: step()


@pytest.mark.parametrize(
    ("force", "down", "kept", "done", "words"),
    [
        pytest.param(Force.PAST_GUARD, 7, 1, True, "is published", id="accepted"),
        pytest.param(
            Force.PAST_GUARD, 8, 8, False, "still held back: the prober's verdicts", id="all are down"
        ),
        pytest.param(Force.TO_ORIGIN, 8, 0, True, "is published", id="to the origin"),
        pytest.param(Force.PAST_GUARD, 0, 8, True, "is published", id="nothing is held"),
    ],
)
def test_the_running_worker_is_asked(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    force: Force,
    down: int,
    kept: int,
    done: bool,
    words: str,
) -> None:
    """The worker that runs publishes what it holds back, once, and says what came of it."""
    worker = start()
    worker.step(NOON)
    network.probed(names[:down], Status.UNREACHABLE, NOON + 10)
    worker.step(NOON + MINUTE)
    assert len(listed(store)) == 8
    answer = ask_running_worker(network.store(), force, stepping(lambda: worker.step(NOON + 2 * MINUTE)))
    assert answer is not None
    assert answer.done is done
    assert words in answer.text
    assert len(listed(store)) == kept
    network.probed(names, Status.OK, NOON + 3 * MINUTE)
    worker.step(NOON + 3 * MINUTE)
    network.probed(names[:7], Status.UNREACHABLE, NOON + 4 * MINUTE)
    worker.step(NOON + 5 * MINUTE)
    assert len(listed(store)) == 8, "force is for one publication"


def test_a_config_that_is_at_fault(network: Network, start: StartWorker, names: list[str]) -> None:
    """The answer says what keeps the worker from publishing what the files say."""
    worker = start()
    worker.step(NOON)
    network.config.write_text("config_version: 2\n")
    answer = ask_running_worker(
        network.store(), Force.PAST_GUARD, stepping(lambda: worker.step(NOON + MINUTE))
    )
    assert answer is not None and not answer.done
    assert "config_version" in answer.text


def test_no_worker_runs(network: Network) -> None:
    """Then nothing is asked, and the command does it itself."""
    assert ask_running_worker(network.store(), Force.PAST_GUARD, stepping(lambda: None)) is None


def test_the_worker_ends_meanwhile(network: Network, start: StartWorker, names: list[str]) -> None:
    """A worker that ends before it has answered leaves no request behind, and the command does it itself."""
    worker = start()
    worker.step(NOON)
    assert ask_running_worker(network.store(), Force.PAST_GUARD, stepping(worker.stop)) is None
    assert network.store().take_request() is None


def test_a_worker_that_does_not_answer(network: Network, start: StartWorker, names: list[str]) -> None:
    """After a while the command says who did not answer."""
    worker = start()
    worker.step(NOON)
    answer = ask_running_worker(network.store(), Force.PAST_GUARD, stepping(lambda: None))
    assert answer == WorkerAnswer(
        request=answer.request if answer else "",
        done=False,
        text=f"{worker.owner} has not answered within {ANSWER_WITHIN_S:.0f} s; its log says more",
    )


@pytest.mark.parametrize("junk", [b"", b"junk", b'{"name": 1}', b'{"name": "a", "force": 9}', b"[" * 10_000])
def test_what_is_no_request(
    network: Network, store: FileStore, start: StartWorker, names: list[str], junk: bytes
) -> None:
    """Junk under the request's name is taken away, and nothing comes of it."""
    worker = start()
    store.ask(junk)
    worker.step(NOON)
    assert worker.faults.current == {}
    assert store.take_request() is None
    beat = store.heartbeat()
    assert beat is not None and decode_heartbeat(beat).answer is None


# --- with real processes ---------------------------------------------------------------------------------


@pytest.fixture(params=["files", "redis"])
def place(
    request: pytest.FixtureRequest, network: Network, tmp_path: Path, redis_server: RedisServer
) -> Iterator[tuple[Store, dict[str, str]]]:
    """A store, and the environment of processes that use it."""
    variables = environ(network.data, network.var)
    with ExitStack() as stack:
        if request.param == "redis":
            variables["REDIS_URL"] = redis_server.url
            store: Store = RedisStore.at(SecretUrl(redis_server.url))
        else:
            store = network.store()
        stack.callback(store.close)
        yield store, variables


def forced(variables: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "worker", "--force", *options]
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.slow
def test_the_command(
    network: Network, place: tuple[Store, dict[str, str]], names: list[str], tmp_path: Path
) -> None:
    """With a worker running, `worker --force` prints what was published, or what is still held and why, and
    its exit code says which."""
    store, variables = place
    network.city_database()
    worker = WorkerProcess(tmp_path, variables)
    try:
        wait_until(lambda: store.pointer() is not None, "the first publication", 30)
        network.remove(*names)
        wait_until(lambda: b"held back" in (store.heartbeat() or b""), "the guard holding", 30)
        done = forced(variables)
        assert (done.returncode, done.stdout) == (1, "")
        assert "wait for `mirrorwise worker --force --to-origin`" in done.stderr
        assert sorted(listed(store)) == names
        done = forced(variables, "--to-origin")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("generation ")
        assert listed(store) == []
    finally:
        worker.stop()
    for name in names:
        network.mirror(name)
    done = forced(variables, "--once")
    assert done.returncode == 0, done.stderr
    assert sorted(listed(store)) == names


@pytest.mark.slow
@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_edits_go_out_within_two_seconds(
    network: Network, place: tuple[Store, dict[str, str]], names: list[str], tmp_path: Path
) -> None:
    """A real worker on a real Redis, whose prober finds nobody: an edit that disables a mirror, and a new
    mirror, are out at once, while the verdicts are held."""
    store, variables = place
    network.city_database()
    worker = WorkerProcess(tmp_path, variables)
    try:
        wait_until(lambda: store.pointer() is not None, "the first publication", 30)
        network.probed(names, Status.UNREACHABLE)
        wait_until(lambda: b"verdicts on 8 mirrors" in (store.heartbeat() or b""), "the guard holding", 90)
        network.mirror(names[0], more="disabled: true\n")
        wait_until(lambda: sorted(listed(store)) == names[1:], "the disabled mirror's end", 5)
        network.mirror("new.example.org", more="probe: false\n")
        wait_until(lambda: "new.example.org" in listed(store), "the new mirror", 5)
        assert sorted(listed(store)) == sorted([*names[1:], "new.example.org"])
    finally:
        worker.stop()


@pytest.mark.slow
def test_to_origin_goes_with_force() -> None:
    """`--to-origin` alone is a wrong usage."""
    command = [sys.executable, "-m", "app", "worker", "--to-origin"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--to-origin goes with --force" in done.stderr

"""Redis in every kind of trouble under the running service: nobody who asks notices, the operator does,
and nothing has to be restarted."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import msgspec
import pytest
import redis

from app.snapshot import schema
from app.store import Publication
from app.store.index import Index, Kept, encode_index
from app.store.redis import INDEX, LEASE, OBJECT
from tests.chaos.service import Crowd, Service, lists, reasons, says
from tests.conftest import free_port, wait_until
from tests.servers import GunicornServer


class Running(NamedTuple):
    service: Service
    web: GunicornServer

    @property
    def client(self) -> redis.Redis:
        """Somebody at the server itself."""
        return self.service.client


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all of this module: each test leaves it well, which is part of what it tests."""
    with ExitStack() as stack:
        service = Service(tmp_path_factory.mktemp("service"), stack)
        service.start_worker()
        web = service.start_web()
        wait_until(lists(web, "https://"), "serving")
        yield Running(service, web)


# --- what happens to Redis, and what ends it -----------------------------------------------------------


def kill(on: Running) -> None:
    on.service.redis.stop()


def start(on: Running) -> None:
    on.service.redis.start()


def hang(on: Running) -> None:
    on.service.redis.process.send_signal(signal.SIGSTOP)


def go_on(on: Running) -> None:
    on.service.redis.process.send_signal(signal.SIGCONT)


def slow_down(on: Running) -> None:
    on.service.line.delay_s = 3.0


def speed_up(on: Running) -> None:
    on.service.line.delay_s = 0.0


PASSWORD = "s3cret"  # noqa: S105 - of a server that lives as long as this module


def change_password(on: Running) -> None:
    on.client.config_set("requirepass", PASSWORD)
    on.client.client_kill_filter(_type="normal", skipme=True)


def change_it_back(on: Running) -> None:
    with redis.Redis(port=on.service.redis.port, password=PASSWORD) as client:
        client.config_set("requirepass", "")


def fill(on: Running) -> None:
    on.client.config_set("maxmemory", "1mb")


def make_room(on: Running) -> None:
    on.client.config_set("maxmemory", "0")


def demote(on: Running) -> None:
    on.client.replicaof("127.0.0.1", str(free_port()))


def promote(on: Running) -> None:
    on.client.replicaof("NO", "ONE")


class Trouble(NamedTuple):
    """`words`: what whoever notices says; `worker`: the worker does, `web`: the web does."""

    begin: Callable[[Running], None]
    end: Callable[[Running], None]
    words: str
    worker: bool = True
    web: bool = True


OFTEN = {"killed, and back empty", "hung", "junk", "damaged objects"}  # the rest is slow, taken together

TROUBLES = {
    "killed, and back empty": Trouble(kill, start, "is not connected"),
    "hung": Trouble(hang, go_on, "gives no answer within 2 s"),
    "slow": Trouble(slow_down, speed_up, "gives no answer within 2 s"),
    "full": Trouble(fill, make_room, "is out of memory", web=False),
    "a read-only replica": Trouble(demote, promote, "is a read-only replica", web=False),
    "password changed": Trouble(change_password, change_it_back, "asks for a password"),
}


def named(log: str, name: str, words: str) -> int:
    """How often a fault of the store was logged."""
    return len([line for line in log.splitlines() if f"WARNING {name}: store:" in line and words in line])


@pytest.mark.slow
@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(trouble, id=name, marks=() if name in OFTEN else pytest.mark.slow)
        for name, trouble in TROUBLES.items()
    ],
)
def test_trouble(running: Running, trouble: Trouble) -> None:
    """Every request gets its list while it lasts; whoever is concerned names the fault once, web in
    /readyz too; when it is over, an edit made meanwhile is served, and nothing is wrong any more."""
    service, web = running
    logs = (service.worker.log, web.log)
    sizes = [log.stat().st_size for log in logs]

    def said(which: int) -> str:
        return logs[which].read_text()[sizes[which] :]

    crowd = Crowd(web, pause_s=0.01)
    with crowd.asking():
        trouble.begin(running)
        edit = service.edit()
        if trouble.worker:
            wait_until(lambda: trouble.words in said(0), "the worker notices")
        if trouble.web:
            wait_until(says(web, f"store: Redis at {service.line.url}: it {trouble.words}"), "web")
        asked = crowd.asked
        wait_until(lambda: crowd.asked > asked + 50, "people still ask")
        trouble.end(running)
        wait_until(lists(web, edit), "the edit is served")
        wait_until(lambda: "store:" not in reasons(web), "nothing is wrong with the store any more")
    assert crowd.bad == []
    assert all(len(bodies) == 1 for bodies in crowd.bodies.values())
    assert named(said(0), "mirrorwise.worker", trouble.words) == (1 if trouble.worker else 0)
    assert named(said(1), "mirrorwise.web", trouble.words) == (1 if trouble.web else 0)


# --- what is in Redis ------------------------------------------------------------------------------------


def empty(on: Running) -> None:
    on.client.flushall()


def spoil_index(on: Running) -> None:
    on.client.set(INDEX, '{"kept": [')


def nest_index(on: Running) -> None:
    on.client.set(INDEX, '{"kept":' + "[" * 100_000)


def retype_index(on: Running) -> None:
    on.client.delete(INDEX)
    on.client.lpush(INDEX, "not", "ours")


def strange_name(on: Running) -> None:
    on.client.set(INDEX, '{"kept": [{"generation": "a\\r\\nX-Evil: 1", "snapshot": "0"}]}')


def publish(on: Running, data: bytes) -> None:
    on.service.store.publish(
        Publication(
            generation=schema.generation_of(data), snapshot=data, memory=b"", blobs=(), published_at_s=1.0
        ),
        None,
    )


def snapshot_there(on: Running) -> schema.Snapshot:
    data = on.service.store.snapshot(on.service.there() or "")
    assert data is not None
    return schema.decode(data)


def newer_schema(on: Running) -> None:
    publish(on, msgspec.msgpack.encode({"schema": schema.SCHEMA + 1, "much": "new"}))


def misfitting_tables(on: Running) -> None:
    """Well-formed, and yet every request would fail."""
    publish(on, schema.encode(msgspec.structs.replace(snapshot_there(on), fates=b"")))


def damaged(on: Running) -> None:
    """An index in order, of objects that are not."""
    junk = "0" * 64
    on.client.set(OBJECT + junk, "junk")
    index = Index(kept=(Kept(generation="feedbeef", snapshot=junk),), memory=junk, status=junk)
    on.client.set(INDEX, encode_index(index))


CONTENTS = {
    "emptied": (empty, "nothing has been published"),
    "junk": (spoil_index, "not an index of Mirrorwise"),
    "deep junk": (nest_index, "not an index of Mirrorwise"),
    "another type": (retype_index, "has another type"),
    "a name that splits headers": (strange_name, "strange name"),
    "a newer schema": (newer_schema, f"schema {schema.SCHEMA + 1}"),
    "tables that do not fit": (misfitting_tables, "do not fit each other"),
    "damaged objects": (damaged, "does not hold what its name says"),
}


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        pytest.param(*content, id=name, marks=() if name in OFTEN else pytest.mark.slow)
        for name, content in CONTENTS.items()
    ],
)
def test_wrong_content(running: Running, harm: Callable[[Running], None], words: str) -> None:
    """What cannot be read is not served, by nobody; the reason is named once, and in /readyz; the worker
    puts it right as soon as it looks, without being told."""
    service, web = running
    before = service.there()
    size = web.log.stat().st_size
    crowd = Crowd(web, pause_s=0.01)
    with crowd.asking():
        service.worker.process.send_signal(signal.SIGSTOP)
        try:
            harm(running)
            wait_until(says(web, words), "web says why")
            asked = crowd.asked
            wait_until(lambda: crowd.asked > asked + 50, "people still ask")
        finally:
            service.worker.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "store:" not in reasons(web), "the worker has put it right")
    assert crowd.bad == []
    assert {found for found, _ in crowd.bodies} == {before}
    assert service.there() == before
    assert named(web.log.read_text()[size:], "mirrorwise.web", words) == 1


@pytest.mark.slow
@pytest.mark.parametrize("harm", [spoil_index, retype_index, damaged])
def test_worker_starts_with_wrong_content(running: Running, harm: Callable[[Running], None]) -> None:
    """A worker that is started while Redis holds junk publishes over it."""
    service, web = running
    service.worker.signal(signal.SIGTERM)
    harm(running)
    service.worker.start()
    edit = service.edit()
    wait_until(lists(web, edit), "the edit is served")
    wait_until(lambda: "store:" not in reasons(web), "nothing is wrong any more")


# --- the lease ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_worker_killed_again_and_again(running: Running) -> None:
    """A worker that is killed and started again publishes at once: no lease of the dead one has to run out
    (15 s), however often it happens, and at whatever moment."""
    service, web = running
    for pause_s in (0.0, 0.3, 0.8, 1.3):
        service.worker.process.kill()
        service.worker.process.wait()
        service.worker.start()
        time.sleep(pause_s)  # it is killed in the midst of what it does then
    service.worker.process.kill()
    service.worker.process.wait()
    edit = service.edit()
    started_s = time.monotonic()
    service.worker.start()
    wait_until(lists(web, edit), "the edit is served")
    assert time.monotonic() - started_s < 10
    wait_until(says(web, f"/{service.worker.process.pid}/"), "/readyz names it")


@pytest.mark.slow
def test_lease_of_another_type(running: Running) -> None:
    """What stands in the place of the lease, and is none, stops no publication."""
    service, web = running
    for junk in ("for ever", ["a", "list"]):
        service.worker.process.send_signal(signal.SIGSTOP)
        service.client.delete(LEASE)
        if isinstance(junk, str):
            service.client.set(LEASE, junk)
        else:
            service.client.rpush(LEASE, *junk)
        service.worker.process.send_signal(signal.SIGCONT)
        edit = service.edit()
        wait_until(lists(web, edit), "the edit is served")
        assert "worker:" not in reasons(web)


@pytest.mark.slow
def test_worker_ends_while_redis_drips(running: Running) -> None:
    """A worker that waits for an answer which comes byte by byte ends within seconds of being told to, and
    the next one needs no lease to run out."""
    service, web = running
    service.worker.signal(signal.SIGTERM)
    service.line.bytes_per_s = 150.0
    try:
        service.worker.start()
        ours = f"/{service.worker.process.pid}/"
        wait_until(
            lambda: ours in (service.store.holder() or ""), "it leads, and reads what was before it", 30
        )
        started_s = time.monotonic()
        assert service.worker.signal(signal.SIGTERM) == 0
        assert time.monotonic() - started_s < 8
    finally:
        service.line.bytes_per_s = None
    assert "ended within a step" in service.worker.said()
    service.worker.start()
    edit = service.edit()
    wait_until(lists(web, edit), "the edit is served", 10)


# --- starting web ------------------------------------------------------------------------------------------


def drip(on: Running) -> None:
    on.service.line.bytes_per_s = 100.0


def flow(on: Running) -> None:
    on.service.line.bytes_per_s = None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "end"),
    [
        pytest.param(kill, start, id="down"),
        pytest.param(hang, go_on, id="hung"),
        pytest.param(drip, flow, id="a hundred bytes a second"),
    ],
)
def test_web_starts_while(
    running: Running,
    begin: Callable[[Running], None],
    end: Callable[[Running], None],
    request: pytest.FixtureRequest,
) -> None:
    """A web process that is started then serves the last good copy from its disk, at once, and follows
    when Redis is well again."""
    service, web = running
    wait_until(lambda: "store:" not in reasons(web), "all is well")
    newest = service.edit()
    wait_until(lists(web, newest), "the edit is served, so that it is kept")
    wait_until(lambda: service.network.var.joinpath("store", "index.json").exists(), "kept")
    wait_until(lambda: (service.there() or "?") in kept_index(service), "this one is kept")
    begin(running)
    started_s = time.monotonic()
    try:
        late = service.start_web(f"late{request.node.callspec.id[:4].strip()}")
        assert newest in late.ask("/mirrorlist/9/baseos?arch=x86_64").body.decode()
        assert time.monotonic() - started_s < 12
    finally:
        end(running)
    edit = service.edit()
    wait_until(lists(late, edit), "it follows")
    late.stop()


def kept_index(service: Service) -> str:
    return (service.network.var / "store" / "index.json").read_text()


@pytest.mark.slow
def test_new_node_starts_while_hung(running: Running) -> None:
    """With no copy on its disk either, it says so (503, and why), lives, and recovers by itself."""
    service, _ = running
    hang(running)
    try:
        node = service.start_web("node", MIRRORWISE_VAR=str(service.folder / "other"))
        assert node.ask("/mirrorlist/9/baseos").status == 503
        wait_until(lambda: b"no answer within" in node.ask("/readyz").body, "it says why")
        assert node.ask("/readyz").status == 503
    finally:
        go_on(running)
    wait_until(lists(node, "https://"), "it serves")
    node.stop()

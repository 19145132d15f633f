"""What only Redis can do to us: time, the network, other people's commands."""

from __future__ import annotations

import itertools
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

import app.store.redis
from app.model import StoreError
from app.settings import SecretUrl, read_settings
from app.store import Blob, FileStore, LeaseLost, Store, open_store
from app.store.index import Index, Swap, encode_index
from app.store.redis import (
    HEARTBEAT,
    INDEX,
    LEASE,
    OBJECT,
    PIECE_BYTES,
    PREFIX,
    REQUEST,
    SHARED,
    SHARED_VALUE,
    RedisStore,
)
from app.store.redis_errors import TIMEOUT_S
from tests.conftest import RedisServer, free_port, wait_until
from tests.store.conftest import ClusterNode, publication, readme_users


@contextmanager
def opened(url: str) -> Iterator[RedisStore]:
    store = RedisStore.at(SecretUrl(url))
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(empty_redis: RedisServer) -> Iterator[RedisStore]:
    with opened(empty_redis.url) as store:
        yield store


@pytest.fixture
def client(empty_redis: RedisServer) -> Iterator[redis.Redis]:
    """Somebody else at the same server."""
    with redis.Redis(port=empty_redis.port) as client:
        yield client


def every_method(store: Store) -> dict[str, Callable[[], object]]:
    return {
        "pointer": store.pointer,
        "snapshot": lambda: store.snapshot("a"),
        "blob": lambda: store.blob("0" * 64),
        "has_blob": lambda: store.has_blob(Blob.of(b"old")),
        "put_blob": lambda: store.put_blob(b"new"),
        "publish": lambda: store.publish(publication("b"), owner=None),
        "memory": store.memory,
        "remember": lambda: store.remember(b"new", None),
        "status": store.status,
        "publish_status": lambda: store.publish_status(b"new"),
        "statistics": store.statistics,
        "publish_statistics": lambda: store.publish_statistics(b"new"),
        "lease": lambda: store.lease("one", 30),
        "holder": store.holder,
        "release": lambda: store.release("one"),
        "beat": lambda: store.beat(b""),
        "heartbeat": store.heartbeat,
        "shared": store.shared,
        "read_shared": lambda: store.read_shared("survey/a"),
        "share": lambda: store.share("survey/a", b"new"),
        "unshare": lambda: store.unshare("survey/b"),
        "ask": lambda: store.ask(b""),
        "take_request": store.take_request,
    }


# --- lease and fencing -----------------------------------------------------------------------------


def test_the_lease_ends_by_itself(store: RedisStore) -> None:
    """A worker that does not renew loses it, may not publish, and another takes over."""
    assert store.lease("one", 0.05)
    wait_until(lambda: store.lease("two", 30), "the lease expiring")
    with pytest.raises(LeaseLost):
        store.publish(publication("a"), owner="one")
    assert store.pointer() is None
    assert not store.lease("one", 30)


def test_renewing_prolongs_the_lease(store: RedisStore, client: redis.Redis) -> None:
    """Its time to live begins anew, rounded to milliseconds."""
    store.lease("one", 5)
    store.lease("one", 50)
    assert 40_000 < client.pttl(LEASE) <= 50_000


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda client: client.rpush(LEASE, "not", "ours"), id="a list"),
        pytest.param(lambda client: client.hset(LEASE, "not", "ours"), id="a hash"),
        pytest.param(lambda client: client.set(LEASE, "for ever"), id="for ever"),
        pytest.param(lambda client: client.set(LEASE, b"\xff for a week", ex=7 * 86_400), id="for a week"),
    ],
)
def test_what_is_no_lease(
    store: RedisStore, client: redis.Redis, write: Callable[[redis.Redis], object]
) -> None:
    """Something in place of the lease that no worker has written counts as none, for all: it stops no
    worker, ends the right to publish, and is gone with the next lease."""
    store.lease("one", 30)
    client.delete(LEASE)
    write(client)
    store.holder()
    store.release("one")
    with pytest.raises(LeaseLost):
        store.publish(publication("a"), owner="one")
    assert store.lease("two", 30)
    assert store.holder() == "two"
    assert not store.lease("one", 30)
    store.publish(publication("a"), owner="two")


def test_a_lease_lost_in_the_middle_of_a_publication(store: RedisStore, client: redis.Redis) -> None:
    """Between our check and our EXEC another worker takes over: nothing is published."""
    store.publish(publication("a"), owner=None)
    store.lease("one", 30)

    def usurped(index: Index) -> Index:
        client.set(LEASE, "two")
        return Index()

    with pytest.raises(LeaseLost):
        store._swap(Swap(change=usurped, adds={}, owner="one"))
    assert store.snapshot("a") == b"snapshot of a"


def test_a_lease_renewed_in_the_middle_of_a_publication(store: RedisStore, empty_redis: RedisServer) -> None:
    """Our own renewal from another thread costs a second try, not the publication."""
    store.lease("one", 30)
    tries = itertools.count(1)

    def renewed(index: Index) -> Index:
        if next(tries) == 1:
            with opened(empty_redis.url) as same_worker:
                assert same_worker.lease("one", 30)
        return Index(published_at_s=5.0)

    store._swap(Swap(change=renewed, adds={}, owner="one"))
    assert next(tries) == 3


def test_endless_conflict_ends(store: RedisStore, client: redis.Redis) -> None:
    """When the index changes under every try, we give up with a sentence."""

    def disturbed(index: Index) -> Index:
        client.append(INDEX, " ")
        return index

    store.publish(publication("a"), owner=None)
    with pytest.raises(StoreError, match=r"others kept changing {mirrorwise:1}:index"):
        store._swap(Swap(change=disturbed, adds={}))


def test_an_object_that_vanishes_in_the_middle_of_a_publication(
    store: RedisStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even after we have looked for it: the publication is refused rather than made without it."""
    digest = store.put_blob(b"networks")

    def encode_while_it_vanishes(index: Index) -> bytes:  # the last that happens before EXEC
        client.delete(OBJECT + digest)
        return encode_index(index)

    monkeypatch.setattr(app.store.redis, "encode_index", encode_while_it_vanishes)
    with pytest.raises(StoreError, match="put them again"):
        store.publish(publication("a", (digest,)), owner=None)
    assert store.pointer() is None


# --- what is kept ----------------------------------------------------------------------------------


def test_keys_are_ours_and_none_piles_up(store: RedisStore, client: redis.Redis) -> None:
    """All keys have the versioned prefix; after many rounds only those needed are left, and only
    unclaimed objects have a time to live."""
    for number in range(20):
        blob = store.put_blob(str(number // 10).encode() * 3_000_000)
        store.lease("one", 30)
        store.publish(publication(str(number), (blob,)), owner="one")
        store.publish_status(str(number).encode())
        store.beat(b"")
    unclaimed = store.put_blob(b"never published")
    keys = {key.decode() for key in client.scan_iter()}
    assert all(key.startswith(PREFIX) for key in keys)
    objects = {key for key in keys if key.startswith(OBJECT)}
    assert keys - objects == {INDEX, LEASE, HEARTBEAT}
    assert len(objects) == 3 + 1 + 1 + 1 + 1  # snapshots, blob, memory, status, the unclaimed one
    lasting = {key for key in objects if client.ttl(key) == -1}
    assert objects - lasting == {OBJECT + unclaimed}
    assert 3500 < client.ttl(OBJECT + unclaimed) <= 3600


# --- the server in trouble -------------------------------------------------------------------------


def test_nobody_listens() -> None:
    """Every method: StoreError that names the server, and recovery is not our business."""
    port = free_port()
    with opened(f"redis://user:s3cret@127.0.0.1:{port}/0") as store:
        for name, method in every_method(store).items():
            with pytest.raises(StoreError, match=rf"127.0.0.1:{port}/0: it is not connected") as caught:
                method()
            assert "s3cret" not in str(caught.value), name


@pytest.mark.slow
def test_a_hanging_server(redis_server: RedisServer) -> None:
    """Every method ends within the timeout, and works again when the server does."""
    with opened(redis_server.url) as store:
        store.publish(publication("a"), owner=None)
        redis_server.process.send_signal(signal.SIGSTOP)
        outcomes: dict[str, tuple[str, float]] = {}

        def ask(name: str, method: Callable[[], object]) -> None:
            started_s = time.monotonic()
            with pytest.raises(StoreError) as caught:
                method()
            outcomes[name] = str(caught.value), time.monotonic() - started_s

        threads = [
            threading.Thread(target=ask, args=(name, method)) for name, method in every_method(store).items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        redis_server.process.send_signal(signal.SIGCONT)
        assert len(outcomes) == len(threads)
        for name, (message, duration_s) in outcomes.items():
            assert "no answer within 2 s" in message, name
            assert duration_s < TIMEOUT_S + 0.8, name
        assert store.snapshot("a") == b"snapshot of a"


def test_a_restarted_server_is_empty_not_an_error(redis_server: RedisServer) -> None:
    """The dead connections in the pool are replaced silently, and publishing starts afresh."""
    with opened(redis_server.url) as store:
        store.publish(publication("a"), owner=None)
        redis_server.stop()
        with pytest.raises(StoreError, match="not connected"):
            store.pointer()
        redis_server.start()
        assert store.pointer() is None
        redis_server.stop()
        redis_server.start()
        store.publish(publication("b"), owner=None)
        assert store.snapshot("b") == b"snapshot of b"


@pytest.mark.parametrize("method", list(every_method(FileStore(Path()))))
def test_a_connection_that_died_in_the_pool(store: RedisStore, client: redis.Redis, method: str) -> None:
    """The server closed it meanwhile: replaced once, unnoticed."""
    store.publish(publication("a"), owner=None)
    client.client_kill_filter(_type="normal", skipme=True)
    every_method(store)[method]()


@contextmanager
def answering(*answers: bytes) -> Iterator[RedisStore]:
    """A store whose server answers one GET on each connection, and then closes it."""

    def serve(server: socket.socket) -> None:
        for answer in answers:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                return
            with connection:
                while b"GET" not in (command := connection.recv(4096)):  # what connecting brings
                    connection.sendall(b"+OK\r\n" * command.count(b"*"))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            with opened(f"redis://127.0.0.1:{server.getsockname()[1]}/0") as store:
                yield store
        finally:
            thread.join()


def test_a_connection_that_dies_under_a_command() -> None:
    """As when a firewall has forgotten it: tried once more on a new connection, and only once."""
    with answering(b"", b"$-1\r\n") as store:
        assert store.pointer() is None
    with answering(b"", b"") as store, pytest.raises(StoreError, match="not connected"):
        store.pointer()


def test_a_full_server(redis_server: RedisServer) -> None:
    """Publishing fails with the reason, reading goes on, and room makes it work again."""
    with opened(redis_server.url) as store, redis.Redis(port=redis_server.port) as client:
        store.publish(publication("a"), owner=None)
        client.config_set("maxmemory", "1mb")
        for attempt in (
            lambda: store.publish(publication("b"), owner=None),
            lambda: store.beat(b""),
            lambda: store.lease("one", 30),
        ):
            with pytest.raises(StoreError, match=r"is out of memory \(OOM: command not allowed"):
                attempt()
        assert store.snapshot("a") == b"snapshot of a"
        client.config_set("maxmemory", "0")
        store.publish(publication("b"), owner=None)


def test_a_read_only_replica(redis_server: RedisServer, empty_redis: RedisServer, store: RedisStore) -> None:
    """Reading is all that it is for; writing says why not."""
    store.publish(publication("a"), owner=None)
    with opened(redis_server.url) as replica, redis.Redis(port=redis_server.port) as client:
        with redis.Redis(port=empty_redis.port) as master:
            master.config_set("repl-diskless-sync-delay", "0")
        client.replicaof("127.0.0.1", empty_redis.port)
        wait_until(lambda: replica.pointer() is not None, "the first replication")
        assert replica.snapshot("a") == b"snapshot of a"
        with pytest.raises(StoreError, match="read-only replica"):
            replica.publish(publication("b"), owner=None)


@pytest.mark.parametrize("method", list(every_method(FileStore(Path()))))
def test_keys_of_another_type(store: RedisStore, client: redis.Redis, method: str) -> None:
    """Somebody else's lists under our names: a sentence that names the keys, or simply mended."""
    store.publish(publication("a"), owner=None)
    keys = [*client.keys(OBJECT + "*"), INDEX, LEASE, HEARTBEAT, REQUEST, OBJECT + "0" * 64]
    keys += [SHARED, SHARED_VALUE + "survey/a"]
    for key in keys:
        client.delete(key)
        client.lpush(key, "not", "ours")
    mended = {"put_blob", "publish", "remember", "beat", "lease", "holder", "release"}
    mended |= {"publish_status", "publish_statistics"}
    mended |= {"has_blob", "read_shared", "share", "unshare", "ask", "take_request"}
    if method in mended:
        every_method(store)[method]()
    else:
        with pytest.raises(StoreError, match=r"one of the keys {mirrorwise:1}:\* .* another type"):
            every_method(store)[method]()


def test_an_index_that_is_not_ours(store: RedisStore, client: redis.Redis) -> None:
    """Reading says so; publishing mends it."""
    store.publish(publication("a"), owner=None)
    client.set(INDEX, "junk")
    with pytest.raises(StoreError, match=r"not an index of Mirrorwise"):
        store.pointer()
    store.publish(publication("b"), owner=None)
    assert store.snapshot("b") == b"snapshot of b"


def test_a_damaged_object_is_not_believed(store: RedisStore, client: redis.Redis) -> None:
    """It raises; publishing again mends it."""
    store.publish(publication("a"), owner=None)
    for key in client.keys(OBJECT + "*"):
        client.set(key, "junk")
    with pytest.raises(StoreError, match="does not hold what its name says"):
        store.snapshot("a")
    store.publish(publication("a"), owner=None)
    assert store.snapshot("a") == b"snapshot of a"


def test_a_damaged_shared_value_is_not_believed(store: RedisStore, client: redis.Redis) -> None:
    """It counts as none, like one that was evicted, until it is shared again; the others stay."""
    for name in ("survey/a", "survey/b"):
        store.share(name, b"value")
    for spoil in (
        lambda key: client.append(key, "junk"),
        client.delete,
        lambda key: client.lpush(key, "junk"),
    ):
        client.delete(SHARED_VALUE + "survey/a")
        spoil(SHARED_VALUE + "survey/a")
        assert store.read_shared("survey/a") is None
    client.delete(SHARED_VALUE + "survey/a")
    store.share("survey/a", b"again")
    assert (store.read_shared("survey/a"), store.read_shared("survey/b")) == (b"again", b"value")


def test_an_evicted_snapshot_is_gone(store: RedisStore, client: redis.Redis) -> None:
    """A server that evicts keys may lose it: None, like any other that is gone."""
    store.publish(publication("a"), owner=None)
    client.delete(*client.keys(OBJECT + "*"))
    assert store.pointer() is not None
    assert store.snapshot("a") is None


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\r\n", b":abc\r\n", b"$-5\r\n", b"*1\r\n", b""]
)
def test_something_else_listens_there(answer: bytes) -> None:
    """Not Redis at all: StoreError, whatever it answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with opened(f"redis://127.0.0.1:{server.getsockname()[1]}/0") as store:
            with pytest.raises(StoreError, match="Redis at"):
                store.pointer()
            with pytest.raises(StoreError, match="Redis at"):
                store.publish(publication("a"), owner=None)
        server.shutdown(socket.SHUT_RDWR)


# --- getting in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("db", [0, 3])
def test_the_users_of_the_readme(redis_server: RedisServer, db: int) -> None:
    """The worker's user can do everything, web's can read everything, and the prober's can share surveys
    alone; for a database other than 0 each needs SELECT, and its absence is called what it is."""
    at = f"127.0.0.1:{redis_server.port}/{db}"
    rules = {user: readme_users()[user] for user in ("worker", "web", "prober")}
    with redis.Redis(port=redis_server.port) as client:
        for user, allowed in rules.items():
            client.execute_command("ACL", "SETUSER", user, "on", ">s3cret", *allowed)
        if db:
            for user in rules:
                refusal = pytest.raises(StoreError, match=r"does not allow the user .*NOPERM.*select")
                with opened(f"redis://{user}:s3cret@{at}") as store, refusal:
                    store.pointer()
                client.execute_command("ACL", "SETUSER", user, "+select")
    with opened(f"redis://worker:s3cret@{at}") as worker:
        for name, method in every_method(worker).items():
            method()
            assert name
    with opened(f"redis://web:s3cret@{at}") as web:
        assert web.snapshot("b") == b"snapshot of b"
        assert web.memory() is not None
        with pytest.raises(StoreError, match=r"it does not allow the user to do this \(NOPERM: "):
            web.publish_status(b"")
    with opened(f"redis://prober:s3cret@{at}") as prober:
        prober.share("survey/a", bytes(2 * PIECE_BYTES))
        assert set(prober.shared()) == {"survey/a"}
        assert prober.read_shared("survey/a") == bytes(2 * PIECE_BYTES)
        for name, method in every_method(prober).items():
            if name not in ("shared", "read_shared", "share"):
                with pytest.raises(StoreError, match=r"it does not allow the user to do this \(NOPERM: "):
                    method()
        with pytest.raises(StoreError, match="NOPERM"):
            prober.share("scan/a", b"")


def test_passwords(redis_server: RedisServer) -> None:
    """Right ones get in; wrong and missing ones are called so, and not shown."""
    at = f"127.0.0.1:{redis_server.port}/0"
    with redis.Redis(port=redis_server.port) as client:
        client.config_set("requirepass", "s3cret")
    refused = {
        f"redis://:wr0ng@{at}": r"it does not accept the user or the password \(WRONGPASS: ",
        f"redis://web:wr0ng@{at}": r"it does not accept the user or the password \(WRONGPASS: ",
        f"redis://{at}": r"it asks for a password, and the URL gives none \(NOAUTH: ",
    }
    for url, words in refused.items():
        with opened(url) as store, pytest.raises(StoreError, match=words) as caught:
            store.pointer()
        assert "wr0ng" not in str(caught.value)
    with opened(f"redis://:s3cret@{at}") as store:
        assert store.pointer() is None


def test_a_password_changed_while_connected(redis_server: RedisServer) -> None:
    """Open connections go on; a new one says that it needs a password now."""
    with opened(redis_server.url) as store, redis.Redis(port=redis_server.port) as client:
        store.publish(publication("a"), owner=None)
        client.config_set("requirepass", "s3cret")
        client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(StoreError, match="asks for a password"):
            store.pointer()
        client.config_set("requirepass", "")
        assert store.pointer() is not None


def test_a_unix_socket(tmp_path: Path) -> None:
    """unix:// with a database number."""
    server = RedisServer(tmp_path, "--unixsocket", str(tmp_path / "redis.sock"))
    try:
        with opened(f"unix://{tmp_path}/redis.sock?db=2") as store:
            store.publish(publication("a"), owner=None)
        with redis.Redis(port=server.port, db=2) as client:
            assert client.exists(INDEX)
    finally:
        server.stop()


def test_open_store_follows_the_settings(empty_redis: RedisServer, tmp_path: Path) -> None:
    """Files without REDIS_URL; Redis with it; for web the replica when there is one. Opening
    connects to nothing."""
    dead = f"redis://127.0.0.1:{free_port()}"
    files = open_store(read_settings({"MIRRORWISE_VAR": str(tmp_path)}))
    files.publish(publication("files"), owner=None)
    settings = read_settings({"REDIS_URL": empty_redis.url, "REDIS_READ_URL": dead})
    both = [open_store(settings), open_store(settings, for_web=True)]
    both[0].publish(publication("redis"), owner=None)
    with pytest.raises(StoreError, match=dead.removeprefix("redis://")):
        both[1].pointer()
    pointer = files.pointer()
    assert pointer is not None
    assert pointer.generation == "files"
    assert (tmp_path / "store" / "index.json").is_file()
    for store in (files, *both):
        store.close()


# --- cluster mode ----------------------------------------------------------------------------------


def test_cluster_mode_has_one_database(session_cluster: ClusterNode) -> None:
    """Another number in the URL is refused with what to do."""
    words = r"has database 0 only; leave the number out of the URL"
    url = session_cluster.url.removesuffix("0") + "3"
    with opened(url) as store, pytest.raises(StoreError, match=words):
        store.pointer()


@pytest.fixture
def two_nodes(tmp_path: Path) -> Iterator[tuple[ClusterNode, ClusterNode]]:
    """A cluster whose second node has all the slots."""
    with ExitStack() as stack:
        nodes = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            nodes.append(ClusterNode(tmp_path / name))
            stack.callback(nodes[-1].stop)
        without, with_slots = nodes
        with_slots.take_slots()
        with redis.Redis(port=without.port) as client:
            client.cluster("MEET", "127.0.0.1", with_slots.port, with_slots.cluster_port)
            wait_until(
                lambda: client.cluster("INFO")["cluster_state"] == "ok", "the nodes knowing each other"
            )
        yield without, with_slots


def test_the_wrong_node_of_a_cluster(two_nodes: tuple[ClusterNode, ClusterNode]) -> None:
    """It is told which one holds our keys, and what to do; that one serves."""
    without, with_slots = two_nodes
    with opened(without.url) as store:
        for name, method in every_method(store).items():
            words = (
                rf"another node holds our keys; put that node into the URL \(MOVED: .*:{with_slots.port}\)"
            )
            with pytest.raises(StoreError, match=words):
                method()
            assert name
    with opened(with_slots.url) as store:
        store.publish(publication("a"), owner=None)
        assert store.snapshot("a") == b"snapshot of a"


def test_a_slot_on_its_way(two_nodes: tuple[ClusterNode, ClusterNode]) -> None:
    """While the keys are being moved to another node, too."""
    target, source = two_nodes
    with redis.Redis(port=source.port) as client, redis.Redis(port=target.port) as other:
        slot = client.cluster("KEYSLOT", PREFIX)
        other.cluster("SETSLOT", slot, "IMPORTING", client.cluster("MYID").decode())
        client.cluster("SETSLOT", slot, "MIGRATING", other.cluster("MYID").decode())
    words = rf"is handing our keys to another node .* once it has them \(ASK: .*:{target.port}\)"
    with opened(source.url) as store, pytest.raises(StoreError, match=words):
        store.pointer()


def test_all_keys_have_one_slot(empty_cluster: ClusterNode) -> None:
    """So that they may be watched and changed together."""
    with redis.Redis(port=empty_cluster.port) as client:
        slots = {
            client.cluster("KEYSLOT", key) for key in (INDEX, LEASE, HEARTBEAT, OBJECT + "0" * 64, SHARED)
        }
    assert len(slots) == 1

"""The four places that stores are tested on, and the servers behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import pytest
import redis

from app.settings import SecretUrl
from app.store import FileStore, Publication, Store
from app.store.redis import RedisStore
from tests.conftest import ROOT, RedisServer, free_port, wait_until


class Place:
    """Somewhere to keep things; `open` gives a store as a further process would have it."""

    def __init__(self, opener: Callable[[], Store]) -> None:
        self._opener = opener
        self._opened: list[Store] = []

    def open(self) -> Store:
        store = self._opener()
        self._opened.append(store)
        return store

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture(scope="session")
def session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for all tests that leave it running."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def empty_redis(session_redis: RedisServer) -> RedisServer:
    with redis.Redis(port=session_redis.port) as client:
        client.flushall()
    return session_redis


class ClusterNode(RedisServer):
    """A server in cluster mode, of a cluster of its own; without slots until it is given them."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.cluster_port = free_port()
        cluster = ("--cluster-enabled", "yes", "--cluster-port", str(self.cluster_port))
        super().__init__(folder, *cluster, *options)

    def take_slots(self, first: int = 0, last: int = 16383) -> None:
        with redis.Redis(port=self.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            wait_until(lambda: "ok" in str(client.cluster("INFO")["cluster_state"]), "the cluster being up")


@pytest.fixture(scope="session")
def session_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterNode]:
    """One node that has all slots, for all tests that leave it running."""
    node = ClusterNode(tmp_path_factory.mktemp("cluster"))
    node.take_slots()
    yield node
    node.stop()


@pytest.fixture
def empty_cluster(session_cluster: ClusterNode) -> ClusterNode:
    with redis.Redis(port=session_cluster.port) as client:
        client.flushall()
    return session_cluster


@pytest.fixture(params=["file", "redis", "cluster", "fakeredis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    opener: Callable[[], Store]
    if request.param == "file":
        opener = lambda: FileStore(tmp_path / "store")  # noqa: E731 - three one-liners side by side
    elif request.param in ("redis", "cluster"):
        url = SecretUrl(request.getfixturevalue(f"empty_{request.param}").url)
        opener = lambda: RedisStore.at(url)  # noqa: E731 - as above
    else:
        server = fakeredis.FakeServer()
        opener = lambda: RedisStore(fakeredis.FakeRedis(server=server), "fakeredis")  # noqa: E731 - as above
    place = Place(opener)
    yield place
    place.close()


def publication(generation: str, blobs: tuple[str, ...] = (), memory: bytes | None = None) -> Publication:
    """One whose parts say which generation they belong to."""
    return Publication(
        generation=generation,
        snapshot=f"snapshot of {generation}".encode(),
        memory=f"memory of {generation}".encode() if memory is None else memory,
        blobs=blobs,
        published_at_s=1000.0,
    )


def readme_users() -> dict[str, list[str]]:
    """What the README tells people to allow to each user of Redis and of the sentinels."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"- \*\*Redis\*\*:.*?(?=\n- )", text, re.DOTALL)
    assert section is not None
    rules = re.findall(r"(worker|web|prober|sentinels): `([^`]+)`", section[0], re.IGNORECASE)
    return {user.lower(): allowed.split() for user, allowed in rules}

"""The three places that stores are tested on, and the servers behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import pytest
import redis

from app.settings import SecretUrl
from app.store import FileStore, Publication, Store
from app.store.redis import RedisStore
from tests.conftest import RedisServer


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


@pytest.fixture(params=["file", "redis", "fakeredis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    opener: Callable[[], Store]
    if request.param == "file":
        opener = lambda: FileStore(tmp_path / "store")  # noqa: E731 - three one-liners side by side
    elif request.param == "redis":
        url = SecretUrl(request.getfixturevalue("empty_redis").url)
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

"""A site whose store and files come, go and are spoiled under the web processes that follow it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.serving.current import Current
from app.settings import SecretUrl, Settings
from app.store import Store, file_store
from app.worker.loop import Worker
from tests.conftest import RedisServer
from tests.worker.network import NOON, Network, generation

FRANKFURT, CORP = "192.0.2.1", "10.20.0.1"


class Site:
    """A network, the worker that publishes it into a store, and web processes that follow."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.network = Network(folder)
        self.network.several(4)
        self.network.mirror("corp.example.com", more="private: true\nsubnets: [10.20.0.0/16]\n")
        self.city = self.network.city_database()
        self.store = store
        self.worker: Worker = self.network.worker(store)
        self.now = NOON
        self.followers: list[Current] = []

    def publish(self) -> str:
        """Another generation."""
        self.now += 1
        self.network.mirror("m00.example.org", more=f"weight: {self.now - NOON:.0f}\n")
        self.worker.step(self.now)
        published = generation(self.store)
        assert published is not None
        return published

    def follower(self, settings: Settings | None = None) -> Current:
        """Without a city database, unless the settings have one."""
        settings = settings or self.network.settings()
        kept = file_store(settings.var_dir) if settings.redis_url else None
        self.followers.append(Current(settings, self.store, kept))
        return self.followers[-1]

    def with_city(self) -> Current:
        return self.follower(self.network.settings(self.city))

    def with_redis(self, server: RedisServer) -> Settings:
        """Settings of a node that has Redis, and a `var` of its own."""
        return msgspec.structs.replace(
            self.network.settings(),
            var_dir=self.network.var.with_name("node"),
            redis_url=SecretUrl(server.url),
        )

    def stop(self) -> None:
        for follower in self.followers:
            follower.stop()
        self.worker.stop()


def served(current: Current) -> str | None:
    return current.serving.snapshot.generation if current.serving else None


def knows_networks(current: Current) -> bool:
    assert current.serving is not None and current.serving.networks is not None
    return current.serving.networks.overlay_name(CORP) is not None


def knows_places(current: Current) -> bool:
    return current.cities is not None and current.cities.place(FRANKFURT) == "DE/50/8"

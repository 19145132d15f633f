"""A site whose store and files come, go and are spoiled under the web processes that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from app.serving.current import Current
from app.settings import SecretUrl, Settings
from app.snapshot import schema
from app.store import Publication, Store, file_store
from app.worker.loop import Worker
from tests.conftest import RedisServer
from tests.geo.databases import write_places
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

    def put_places(self, places: Mapping[str, str]) -> str:
        """A places database, in the store; its digest."""
        path = write_places(self.network.data.with_name("places.mmdb"), places)
        return self.store.put_blob(path.read_bytes())

    def publish_places(self, places: Mapping[str, str]) -> str:
        """What is published now, with these places."""
        return publish_as_places(self.store, self.put_places(places))

    def follower(self, settings: Settings | None = None, store: object = None) -> Current:
        """Without a city database, unless the settings have one. `store` stands before the site's own."""
        settings = settings or self.network.settings()
        kept = file_store(settings.var_dir) if settings.redis_url else None
        self.followers.append(Current(settings, cast("Store", store or self.store), kept))
        return self.followers[-1]

    def on_another_node(self) -> Settings:
        """Settings of a node with a `var` of its own."""
        return msgspec.structs.replace(self.network.settings(), var_dir=self.network.var.with_name("node"))

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


def publish_places(store: Store, content: bytes) -> str:
    """What is published there, with this places database; the new generation."""
    return publish_as_places(store, store.put_blob(content))


def publish_as_places(store: Store, digest: str) -> str:
    """The same, with the digest of the places database."""
    pointer = store.pointer()
    data = store.snapshot(pointer.generation) if pointer else None
    assert pointer is not None and data is not None
    snapshot = msgspec.structs.replace(schema.decode(data), place_database=digest)
    content = schema.encode(snapshot)
    publication = Publication(
        generation=schema.generation_of(content),
        snapshot=content,
        memory=b"",
        blobs=(digest, *filter(None, [snapshot.networks])),
        published_at_s=pointer.published_at_s,
    )
    store.publish(publication, None)
    return publication.generation


def served(current: Current) -> str | None:
    return current.serving.snapshot.generation if current.serving else None


def knows_networks(current: Current) -> bool:
    assert current.serving is not None and current.serving.networks is not None
    return current.serving.networks.find(CORP).overlay is not None


def place_in(current: Current, address: str = FRANKFURT) -> str:
    """Where this address is, as the process serves it; "" where it knows no places."""
    assert current.serving is not None
    return current.serving.places.place(address) if current.serving.places else ""


def knows_words(current: Current) -> bool:
    """Whether the process has the vendor's names of places."""
    return current.cities is not None and current.cities.locate(FRANKFURT).city is not None

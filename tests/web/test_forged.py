"""A store whose values are impossible although their digests are right, as a bug of ours would write them."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask

from app.model import digest_of
from app.snapshot import schema
from app.store import FileStore, Publication, file_store
from tests.web.asking import FRANKFURT, LIST, Ask, application, asking
from tests.web.forging import altered_bytes, as_plain, forgeries

pytestmark = pytest.mark.slow

CORP = "10.20.0.1"
TARGETS = (
    LIST,
    f"{LIST}&protocol=rsync,http&limit=50",
    f"{LIST}&family=6",
    f"{LIST}&country=JP",
    f"{LIST}&country=global",
    f"{LIST}&exclude_country=DE,US",
    f"{LIST}&region=aws:eu-central-1",
    f"{LIST}&format=json",
    f"{LIST}&redirect=1",
    "/mirrorlist/10/appstream",
    "/mirrorlist/10-kitten/baseos?arch=x86_64",
    "/mirrorlist/9.7/baseos?arch=x86_64",
    "/mirrorlist?repo=baseos-9&arch=x86_64",
    "/mirrorlist?path=9.8/BaseOS/x86_64/os",
    "/metalink/9/baseos?arch=x86_64",
    "/isolist/9/x86_64",
    "/download/9.8/BaseOS/x86_64/os/repodata/repomd.xml",
    "/download/9.8/BaseOS/x86_64/os/Packages/a.rpm?limit=50",
    f"{LIST}&explain=1&format=json",
    f"{LIST}&explain=1&mirror=mirror.fra1.example.net",
    "/explain",
    "/mirrors",
    "/mirrors/mirror.fra1.example.net",
    "/whoami",
    "/metrics",
    "/readyz",
    "/",
)
PAGES = ("/explain", "/mirrors", "/mirrors/mirror.fra1.example.net")
CLIENTS = (FRANKFURT, CORP, "198.51.100.77", "2001:db8:49:30::1", "2001:db8:ffff::1")


class Site:
    """A web process over a copy of the published sample network."""

    def __init__(self, published: Path, folder: Path) -> None:
        shutil.copytree(published / "store", folder / "store")
        self.store: FileStore = file_store(folder)
        self.app: Flask = application(folder)
        self.ask: Ask = asking(self.app)
        self.current = self.app.extensions["mirrorwise"]
        pointer = self.store.pointer()
        assert pointer is not None
        self.data = self.store.snapshot(pointer.generation) or b""
        self.networks = self.store.blob(schema.decode(self.data).networks or "") or b""
        self.status = self.store.status() or b""

    def publish(self, data: bytes, networks: bytes) -> None:
        self.store.publish(
            Publication(
                generation=schema.generation_of(data),
                snapshot=data,
                memory=b"",
                blobs=(self.store.put_blob(networks),),
                published_at_s=1.8e9,
            ),
            None,
        )

    @property
    def generation(self) -> str:
        serving = self.current.serving
        assert serving is not None
        return str(serving.snapshot.generation)

    def answers(self) -> None:
        """Every kind of request is answered, and every kind of client."""
        asked = [*zip(TARGETS, cycle(CLIENTS), strict=False), *((LIST, client) for client in CLIENTS)]
        for target, client in asked:
            answer = self.ask(target, headers={"X-Forwarded-For": client})
            assert answer.status < 500, (target, client, answer.body)
            assert not {"X-Evil", "X"} & set(answer.headers), (target, client)
        for page in PAGES:
            assert self.ask(page, headers={"Accept": "text/html"}).status < 500, page


@pytest.fixture
def site(published: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    caplog.set_level(logging.CRITICAL, "mirrorwise")
    site = Site(published, tmp_path)
    yield site
    site.current.stop()


def judge(site: Site, forged: bytes, networks: bytes) -> bool:
    """Publish it. Either it is refused, /readyz says so and the former one stays; or everything is answered
    from it. Returns whether it was refused."""
    before, generation = site.generation, schema.generation_of(forged)
    site.publish(forged, networks)
    site.current.refresh()
    assert "refresh" not in site.current.faults.current
    refused = site.generation == before
    if refused:
        assert b"\nstore: " in site.ask("/readyz").body
    else:
        assert site.generation == generation
        site.answers()
        site.publish(site.data, site.networks)
        site.current.refresh()
    return refused


def encoded(content: Any) -> bytes:
    return msgspec.msgpack.encode(content, order="deterministic")


def test_snapshots(site: Site) -> None:
    """Whatever one value of a snapshot is: it is refused, or everything is answered from it."""
    good = schema.decode(site.data)
    refused = {
        forgery.name: judge(site, encoded(forgery.content), site.networks)
        for forgery in islice(forgeries(as_plain(good)), 0, None, 3)
        if encoded(forgery.content) != site.data
    }
    site.answers()
    assert len(refused) > 550 and sum(refused.values()) > 300


def test_networks_databases(site: Site) -> None:
    """The same for bytes of a networks database."""
    plain = as_plain(schema.decode(site.data))
    for forgery in altered_bytes(site.networks, 300):
        judge(site, encoded({**plain, "networks": digest_of(forgery.content)}), forgery.content)
    site.answers()


def test_status_documents(site: Site) -> None:
    """The same for values of a status document, whose former one stays as well."""
    for forgery in islice(forgeries(msgspec.msgpack.decode(site.status)), 0, None, 2):
        before, forged = site.current.serving.status, encoded(forgery.content)
        site.store.publish_status(forged)
        site.current.refresh()
        if site.current.serving.status != forged:
            assert site.current.serving.status == before, forgery.name
            assert b"\nstatus document: " in site.ask("/readyz").body, forgery.name
        site.answers()


@pytest.mark.parametrize("file", ["index.json", "heartbeat"])
def test_small_documents(site: Site, file: str) -> None:
    """The same for what is JSON."""
    path = site.store.directory / file
    good = path.read_text()
    for forgery in forgeries(json.loads(good)):
        path.write_text(json.dumps(forgery.content))
        site.current._heartbeat_at = float("-inf")
        site.current.refresh()
        assert "refresh" not in site.current.faults.current, forgery.name
        site.answers()
        path.write_text(good)

"""Sites whose web processes follow a store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import SecretUrl
from app.store import file_store
from app.store.redis import RedisStore
from tests.conftest import RedisServer
from tests.serving.site import Site


@pytest.fixture
def site(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    """Over a file store, with one generation published."""
    caplog.set_level(logging.INFO, "mirrorwise.web")
    site = Site(tmp_path, file_store(tmp_path / "var"))
    site.publish()
    yield site
    site.stop()


@pytest.fixture
def redis_site(tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    caplog.set_level(logging.INFO, "mirrorwise.web")
    store = RedisStore.at(SecretUrl(redis_server.url))
    site = Site(tmp_path, store)
    site.publish()
    yield site
    site.stop()
    store.close()

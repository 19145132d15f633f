"""The network of AlmaLinux's size, published, the service that shows it, and the browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.settings import read_settings
from tests.pages.browser import Chromium
from tests.pages.world import World, a_world
from tests.servers import GunicornServer, NginxOptions, NginxServer


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return a_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def server(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    server = GunicornServer(tmp_path_factory.mktemp("server"), world.environ, processes=1)
    server.wait_until_serving()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def nginx(
    world: World, server: GunicornServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NginxServer]:
    options = NginxOptions(settings=read_settings(world.environ))
    nginx = NginxServer(tmp_path_factory.mktemp("nginx"), server.address, options)
    yield nginx
    nginx.stop()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.stop()

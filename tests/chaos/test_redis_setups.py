"""The service on the kinds of Redis that people run in earnest: Sentinel, a replica to read from, TLS
with a user for each part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.model import StoreError
from app.settings import SecretUrl
from app.store.redis import RedisStore
from tests.chaos.service import Crowd, Service, lists, reasons, says
from tests.conftest import RedisServer, free_port, wait_until
from tests.store.conftest import readme_users
from tests.store.test_sentinel import PASSWORD, Authority, Watched, arguments


def settled(service: Service, edit: str) -> None:
    wait_until(lists(service.web, edit), f"{edit} is served", 30)
    wait_until(lambda: "store:" not in reasons(service.web), "nothing is wrong with the store")


@pytest.mark.slow
def test_sentinel_failover(service: Service, tmp_path: Path) -> None:
    """When the master dies, worker and web follow Sentinel to the new one; nobody who asks notices."""
    with ExitStack() as stack:
        folder = tmp_path / "sentinel"
        folder.mkdir()
        watched = Watched(folder)
        stack.callback(watched.stop)
        service.on(watched.url())
        service.start_worker()
        web = service.start_web()
        settled(service, service.edit())
        crowd = Crowd(web)
        with crowd.asking():
            watched.master.stop()
            wait_until(says(web, "store: "), "web notices")
            settled(service, service.edit())
        assert crowd.bad == []
        assert service.worker.said().count("WARNING mirrorwise.worker: store:") < 10
        assert PASSWORD not in service.worker.said() + web.said() + reasons(web)


@pytest.mark.slow
def test_replica_to_read_from(service: Service, tmp_path: Path) -> None:
    """Web reads from its replica alone: it goes on while the master is down, says so when the replica is,
    and follows again when it is back."""
    (tmp_path / "replica").mkdir()
    service.client.config_set("repl-diskless-sync-delay", "0")
    replica = RedisServer(tmp_path / "replica", "--replicaof", f"127.0.0.1 {service.redis.port}")
    try:
        service.start_worker()
        service.variables["REDIS_READ_URL"] = replica.url
        service.variables["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"  # web asks nobody there
        web = service.start_web()
        settled(service, service.edit())
        crowd = Crowd(web)
        with crowd.asking():
            service.redis.stop()
            wait_until(lambda: "not connected" in service.worker.said(), "the worker notices")
            assert "store:" not in reasons(web)
            service.redis.start()
            settled(service, service.edit())
            replica.stop()
            wait_until(says(web, "store: "), "web notices")
            edit = service.edit()
            replica.start()
            settled(service, edit)
        assert crowd.bad == []
    finally:
        replica.stop()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The worker's URL and web's, of a server that speaks nothing but TLS, with a user for each."""
    folder = tmp_path / "guarded"
    folder.mkdir()
    authority, port = Authority(folder), free_port()
    users = readme_users()
    server = RedisServer(
        folder,
        *arguments(authority.options(port)),
        *("--user", "worker", "on", ">w0rk", *users["worker"]),
        *("--user", "web", "on", ">r3ad", *users["web"]),
        *("--user", "default", "off"),
    )
    at = f"127.0.0.1:{port}/0?ssl_ca_certs={authority.certificate}"
    yield f"rediss://worker:w0rk@{at}", f"rediss://web:r3ad@{at}"
    server.stop()


@pytest.mark.slow
def test_tls_and_users(service: Service, guarded: tuple[str, str]) -> None:
    """With the users and commands that the README names, the worker can do its work and web its own; web's
    user cannot write."""
    service.on(SecretUrl(guarded[0]))
    service.variables["REDIS_READ_URL"] = guarded[1]
    service.start_worker()
    web = service.start_web()
    settled(service, service.edit())
    service.worker.stop()  # gives its lease back, which takes DEL
    assert "WARNING" not in service.worker.said() + web.said()
    reader = RedisStore.at(SecretUrl(guarded[1]))
    with pytest.raises(StoreError, match="does not allow the user to do this"):
        reader.beat(b"")
    reader.close()
    assert "r3ad" not in web.said() and "w0rk" not in service.worker.said()

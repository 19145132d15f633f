"""Redis behind Sentinel, and over TLS: real servers on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.model import StoreError
from app.settings import SecretUrl
from app.store.redis import RedisStore
from tests.conftest import RedisServer, accepts, free_port, need_program, wait_until
from tests.store.conftest import publication

PASSWORD = "s3cret"  # noqa: S105 - of servers that live as long as this test


class Watched:
    """A master, a replica, and a sentinel that watches them."""

    def __init__(self, folder: Path) -> None:
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        options = ("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0")
        self.master = RedisServer(folder / "a", *options)
        self.replica = RedisServer(
            folder / "b",
            *options,
            "--replicaof",
            f"127.0.0.1 {self.master.port}",
            "--replica-announce-ip",
            "127.0.0.1",
        )
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor mirrors 127.0.0.1 {self.master.port} 1\n"
            f"sentinel auth-pass mirrors {PASSWORD}\n"
            "sentinel down-after-milliseconds mirrors 500\n"
        )
        self.sentinel = subprocess.Popen(
            [need_program("redis-server"), str(config), "--sentinel"], stdout=subprocess.DEVNULL
        )
        wait_until(lambda: accepts(self.port), "the sentinel listening")
        with redis.Redis(port=self.port) as client:
            self.ask = client
            wait_until(lambda: bool(self.replicas()), "the sentinel finding the replica")

    def replicas(self) -> list[object]:
        return [replica for replica in self.ask.sentinel_slaves("mirrors") if not replica["is_sdown"]]

    @property
    def url(self) -> SecretUrl:
        dead = free_port()
        return SecretUrl(f"redis+sentinel://:{PASSWORD}@127.0.0.1:{dead},127.0.0.1:{self.port}/mirrors/0")

    def stop(self) -> None:
        self.sentinel.kill()
        self.sentinel.wait()
        self.master.stop()
        self.replica.stop()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.stop()


def test_a_failover(watched: Watched) -> None:
    """The master is found through any living sentinel; when it changes, the open store follows by
    itself, writer and reader alike."""
    writer, reader = RedisStore.at(watched.url), RedisStore.at(watched.url, replica=True)
    try:
        assert writer.lease("one", 60)
        writer.publish(publication("a"), owner="one")
        wait_until(lambda: reader.snapshot("a") is not None, "the replica having it")
        with redis.Redis(port=watched.replica.port, password=PASSWORD) as replica:
            assert any(client["cmd"] == "get" for client in replica.client_list()), "it reads there"

        watched.master.stop()

        def published() -> bool:
            try:
                writer.lease("one", 60)
                writer.publish(publication("b"), owner="one")
            except StoreError:
                return False
            return True

        wait_until(published, "publishing to the new master")
        wait_until(lambda: reader.snapshot("b") is not None, "reading it")
    finally:
        writer.close()
        reader.close()


def test_an_unknown_master(watched: Watched) -> None:
    """A sentence without the password."""
    wrong = SecretUrl(watched.url.value.replace("/mirrors/", "/nobody/"))
    for replica in (False, True):
        store = RedisStore.at(wrong, replica=replica)
        with pytest.raises(
            StoreError,
            match=r"\*\*\*@127.0.0.1:.*no sentinel names a master .nobody.: .*knows no master of that name",
        ) as caught:
            store.pointer()
        assert PASSWORD not in str(caught.value)
        store.close()


def test_tls(tmp_path: Path) -> None:
    """rediss:// checks the server's certificate against the authority in the URL, and refuses one
    that it does not know."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [
            *(need_program("openssl"), "req", *options.split(), "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    tls_port = free_port()
    server = RedisServer(
        tmp_path,
        *("--tls-port", str(tls_port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificate)),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
    )
    try:
        trusting = RedisStore.at(SecretUrl(f"rediss://127.0.0.1:{tls_port}/0?ssl_ca_certs={certificate}"))
        trusting.publish(publication("a"), owner=None)
        assert trusting.snapshot("a") == b"snapshot of a"
        trusting.close()
        wary = RedisStore.at(SecretUrl(f"rediss://127.0.0.1:{tls_port}/0"))
        with pytest.raises(StoreError, match=r"(?i)certificate"):
            wary.pointer()
        wary.close()
    finally:
        server.stop()

"""Redis behind Sentinel, and over TLS: real servers on loopback."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from app.model import StoreError
from app.settings import SecretUrl, read_settings
from app.store.redis import RedisStore
from tests.conftest import RedisServer, accepts, free_port, need_program, wait_until
from tests.store.conftest import publication, readme_users

PASSWORD = "s3cret"  # noqa: S105 - of servers that live as long as this test


class Authority:
    """A key, and a certificate for 127.0.0.1 that vouches for itself."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        subprocess.run(
            [
                *(need_program("openssl"), "req", *options.split()),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(self.key), "-out", str(self.certificate)),
            ],
            check=True,
            capture_output=True,
        )

    def options(self, port: int) -> dict[str, str]:
        """Of a server that speaks TLS on this port."""
        return {
            "tls-port": str(port),
            "tls-auth-clients": "no",
            "tls-ca-cert-file": str(self.certificate),
            "tls-cert-file": str(self.certificate),
            "tls-key-file": str(self.key),
        }


def arguments(options: dict[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in options.items() for word in (f"--{name}", value))


class Watched:
    """A master, a replica, and a sentinel that watches them. `sentinel_lines`: more of its configuration;
    `secure`: all of them speak TLS alone."""

    def __init__(self, folder: Path, *sentinel_lines: str, secure: bool = False) -> None:
        self.authority = Authority(folder / "tls") if secure else None
        self.master = self._server(folder / "a")
        self.replica = self._server(folder / "b", "--replicaof", f"127.0.0.1 {self.port_of(self.master)}")
        self.port = free_port()
        tls = {"tls-replication": "yes", **self.authority.options(self.port)} if self.authority else {}
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {0 if secure else self.port}\nbind 127.0.0.1\ndir {folder}\n"
            + "".join(f"{name} {value}\n" for name, value in tls.items())
            + f"sentinel monitor mirrors 127.0.0.1 {self.port_of(self.master)} 1\n"
            f"sentinel auth-pass mirrors {PASSWORD}\n"
            "sentinel down-after-milliseconds mirrors 500\n" + "".join(f"{line}\n" for line in sentinel_lines)
        )
        self.sentinel = subprocess.Popen(
            [need_program("redis-server"), str(config), "--sentinel"], stdout=subprocess.DEVNULL
        )
        wait_until(lambda: accepts(self.port), "the sentinel listening")

    def _server(self, folder: Path, *options: str) -> RedisServer:
        folder.mkdir()
        tls = {}
        if self.authority is not None:
            tls = {"tls-replication": "yes", **self.authority.options(free_port())}
        return RedisServer(
            folder,
            *("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"),
            *("--user", "powerless", "on", ">p0wer", "+ping"),
            *("--replica-announce-ip", "127.0.0.1", *options, *arguments(tls)),
        )

    def port_of(self, server: RedisServer) -> int:
        """Where it is spoken to, by the sentinel too."""
        tls = server.options.index("--tls-port") + 1 if self.authority else 0
        return int(server.options[tls]) if tls else server.port

    def url(self, user: str = f":{PASSWORD}@", query: str = "", master: str = "mirrors") -> SecretUrl:
        """That of the sentinel, and of one that is dead; with the authority's certificate."""
        scheme = "redis"
        if self.authority is not None:
            scheme, query = "rediss", f"?ssl_ca_certs={self.authority.certificate}{query.replace('?', '&')}"
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{self.port}"
        return SecretUrl(f"{scheme}+sentinel://{user}{hosts}/{master}/0{query}")

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
    writer, reader = RedisStore.at(watched.url()), RedisStore.at(watched.url(), replica=True)
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
    wrong = watched.url(master="nobody")
    for replica in (False, True):
        store = RedisStore.at(wrong, replica=replica)
        with pytest.raises(
            StoreError,
            match=r"\*\*\*@127.0.0.1:.*no sentinel names a master .nobody.: .*knows no master of that name",
        ) as caught:
            store.pointer()
        assert PASSWORD not in str(caught.value)
        store.close()


# --- who asks whom for a password --------------------------------------------------------------------------

SENTINEL_PASSWORD = "w4tch"  # noqa: S105 - as above


class Access(NamedTuple):
    """`lines`: how the sentinel is guarded; `query`: what the URL gives it."""

    lines: tuple[str, ...] = ()
    query: str = ""
    secure: bool = False


def sentinel_user(*rules: str) -> str:
    return f"user web on >{SENTINEL_PASSWORD} {' '.join(rules)}"


REQUIREPASS = (f"requirepass {SENTINEL_PASSWORD}",)
DEFAULT_OFF = "user default off"
AS_DEFAULT = f"?sentinel_password={SENTINEL_PASSWORD}"
AS_WEB = f"?sentinel_username=web&sentinel_password={SENTINEL_PASSWORD}"

LET_IN = {
    "nothing asked": Access(),
    "a password": Access(REQUIREPASS, AS_DEFAULT),
    "an ACL user": Access((sentinel_user(*readme_users()["sentinels"]), DEFAULT_OFF), AS_WEB),
    "TLS": Access(secure=True),
    "TLS and an ACL user": Access((sentinel_user(*readme_users()["sentinels"]), DEFAULT_OFF), AS_WEB, True),
}


@contextmanager
def behind(folder: Path, access: Access) -> Iterator[Watched]:
    watched = Watched(folder, *access.lines, secure=access.secure)
    try:
        yield watched
    finally:
        watched.stop()


@pytest.mark.parametrize("access", LET_IN.values(), ids=LET_IN)
def test_guarded_sentinels(tmp_path: Path, access: Access) -> None:
    """With what the URL gives them, and no more rights than the README names, the store writes to the
    master and reads from the replica."""
    with behind(tmp_path, access) as watched:
        url = watched.url(query=access.query)
        assert read_settings({"REDIS_URL": url.value}).redis_url == url
        writer, reader = RedisStore.at(url), RedisStore.at(url, replica=True)
        try:
            writer.publish(publication("a"), owner=None)
            wait_until(lambda: reader.snapshot("a") is not None, "the replica having it")
            wait_until(lambda: reads_at(reader, watched.port_of(watched.replica)), "reading there")
        finally:
            writer.close()
            reader.close()


def reads_at(reader: RedisStore, port: int) -> bool:
    """Whether it reads from this server; if not, it connects anew next time."""
    assert reader.snapshot("a") is not None
    ports = {connection.port for connection in reader._client.connection_pool._available_connections}
    reader._drop_connections()
    return ports == {port}


BY_SENTINEL = r"the sentinel at 127\.0\.0\.1:[0-9]+ "
BY_SERVER = r"the Redis server( at 127\.0\.0\.1:[0-9]+)? "

REFUSED: dict[str, tuple[Access, str, str]] = {
    "the sentinel: NOAUTH": (
        Access(REQUIREPASS),
        f":{PASSWORD}@",
        BY_SENTINEL + r"asks for a password, and the URL gives none \(NOAUTH: ",
    ),
    "the sentinel: WRONGPASS": (
        Access(REQUIREPASS, "?sentinel_password=wr0ng"),
        f":{PASSWORD}@",
        BY_SENTINEL + r"does not accept the user or the password \(WRONGPASS: ",
    ),
    "the sentinel: NOPERM": (
        Access((sentinel_user("+ping"), DEFAULT_OFF), AS_WEB),
        f":{PASSWORD}@",
        BY_SENTINEL + r"does not allow the user to do this \(NOPERM: .*sentinel",
    ),
    "the server: NOAUTH": (
        Access(),
        "",
        BY_SERVER + r"asks for a password, and the URL gives none \(NOAUTH: ",
    ),
    "the server: WRONGPASS": (
        Access(),
        ":wr0ng@",
        BY_SERVER + r"does not accept the user or the password \(WRONGPASS: ",
    ),
    "the server: NOPERM": (
        Access(),
        "powerless:p0wer@",
        r"the Redis server does not allow the user to do this \(NOPERM: ",
    ),
}


@pytest.mark.parametrize("replica", [False, True], ids=["master", "replica"])
@pytest.mark.parametrize(("access", "user", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, access: Access, user: str, words: str, replica: bool) -> None:
    """Whoever refuses is named with the reason, and the master's name is not blamed; no password is
    shown."""
    with behind(tmp_path, access) as watched:
        store = RedisStore.at(watched.url(user, access.query), replica=replica)
        with pytest.raises(StoreError, match=words) as caught:
            store.pointer()
        assert "knows no master" not in str(caught.value)
        for secret in (PASSWORD, SENTINEL_PASSWORD, "wr0ng", "p0wer"):
            assert secret not in str(caught.value)
        store.close()


def test_sentinels_that_want_tls(tmp_path: Path) -> None:
    """Without it, and with an authority that has not signed their certificate, each is said to be out of
    reach."""
    with behind(tmp_path, Access(secure=True)) as watched:
        url = watched.url().value.partition("?")[0]
        for wrong, reason in ((url.replace("rediss+", "redis+"), ""), (url, "certificate")):
            for replica in (False, True):
                store = RedisStore.at(SecretUrl(wrong), replica=replica)
                live = rf"the sentinel at 127.0.0.1:{watched.port} is not connected \(.*(?i:{reason})"
                with pytest.raises(StoreError, match=live):
                    store.pointer()
                store.close()


def test_a_sentinel_that_may_not_name_replicas(tmp_path: Path) -> None:
    """The reader says so, rather than read from the master for ever."""
    access = Access((sentinel_user("+sentinel|masters"), DEFAULT_OFF), AS_WEB)
    with behind(tmp_path, access) as watched:
        reader = RedisStore.at(watched.url(query=access.query), replica=True)
        with pytest.raises(StoreError, match=r"the sentinel at .* does not allow the user .*\(NOPERM: "):
            reader.pointer()
        reader.close()


def test_a_master_that_is_none(watched: Watched) -> None:
    """While the sentinels still name a server that has been made a replica, it is called that."""
    writer = RedisStore.at(watched.url())
    writer.publish(publication("a"), owner=None)
    watched.sentinel.send_signal(signal.SIGSTOP)  # or it would make it a master again
    with redis.Redis(port=watched.master.port, password=PASSWORD) as client:
        client.replicaof("127.0.0.1", str(free_port()))
    watched.sentinel.send_signal(signal.SIGCONT)
    with pytest.raises(StoreError, match=r"the Redis server is a read-only replica \(READONLY"):
        writer.lease("one", 30)
    writer.close()


def test_tls(tmp_path: Path) -> None:
    """rediss:// checks the server's certificate against the authority in the URL, and refuses one
    that it does not know."""
    authority, tls_port = Authority(tmp_path), free_port()
    server = RedisServer(tmp_path, *arguments(authority.options(tls_port)))
    try:
        trusting = RedisStore.at(
            SecretUrl(f"rediss://127.0.0.1:{tls_port}/0?ssl_ca_certs={authority.certificate}")
        )
        trusting.publish(publication("a"), owner=None)
        assert trusting.snapshot("a") == b"snapshot of a"
        trusting.close()
        wary = RedisStore.at(SecretUrl(f"rediss://127.0.0.1:{tls_port}/0"))
        with pytest.raises(StoreError, match=r"(?i)certificate"):
            wary.pointer()
        wary.close()
    finally:
        server.stop()

"""Another server takes over behind the same address: whatever the former one does, it is left."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import redis

from app.model import StoreError
from app.settings import SecretUrl
from app.store.redis import INDEX, RENEW_S, RedisStore
from tests.conftest import RedisServer, wait_until
from tests.store.conftest import publication
from tests.store.takeover import TAKEOVERS, Pair, Takeover

SILENT = ("READONLY", "READONLY and stale", "NOREPLICAS", "MISCONF")
"""They answer those who read, which takes as long as a connection is kept. "none the wiser" is like them."""


@pytest.mark.parametrize(
    ("takeover", "reading"),
    [
        pytest.param(
            takeover,
            reading,
            id=f"{'reading' if reading else 'writing'}-{name}",
            marks=pytest.mark.slow if reading and name in SILENT else (),
        )
        for name, takeover in TAKEOVERS.items()
        for reading in (False, True)
    ],
)
@pytest.mark.slow
def test_one_error_at_most(tmp_path: Path, takeover: Takeover, reading: bool) -> None:
    """After one error, or after `RENEW_S` where there is none, the store is at the new server: with
    several connections in its pool, all of which led to the former one."""
    with ExitStack() as stack:
        pair = Pair(tmp_path, stack, takeover.kind)
        store = RedisStore.at(SecretUrl(pair.line.url))
        stack.callback(store.close)
        store.publish(publication("a"), owner=None)
        use_several_connections(store)
        takeover.begin(pair)
        use: Callable[[], object] = store.heartbeat if reading else lambda: store.lease("one", 30)
        if takeover.says and (takeover.reading or not reading):
            with pytest.raises(StoreError, match=takeover.says):
                use()
            pair.take_over()
            use()
        else:
            pair.take_over()
            count = commands(pair.following_client)

            def arrives() -> bool:
                use()
                return commands(pair.following_client) > count

            wait_until(arrives, "the new server being asked", RENEW_S + 1)


def use_several_connections(store: RedisStore) -> None:
    pool = store._client.connection_pool
    taken = [pool.get_connection() for _ in range(3)]
    for connection in taken:
        pool.release(connection)


def commands(client: redis.Redis) -> int:
    """How many GET and SET the server has been asked for."""
    stats = client.info("commandstats")
    return sum(stats.get(name, {"calls": 0})["calls"] for name in ("cmdstat_get", "cmdstat_set"))


class Refusing:
    """Speaks as much of Redis as a lease takes. It refuses `command` with `reply`, once, and is obliging
    otherwise; `connections`: those it has had."""

    def __init__(self, command: bytes, reply: str) -> None:
        self.command, self.reply = command, reply
        self.connections: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.url = SecretUrl(f"redis://127.0.0.1:{self._server.getsockname()[1]}/0")

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            aborted = False
            while asked := connection.recv(65536):
                for word in asked.split(b"\r\n"):
                    refused = self.reply if word == self.command else ""
                    if refused:
                        self.reply = ""
                        aborted = word == b"SET"
                        if word == b"EXEC":
                            refused = f"EXECABORT Transaction discarded because of: {refused}"
                        connection.sendall(f"-{refused}\r\n".encode())
                    elif word == b"EXEC" and aborted:
                        connection.sendall(
                            b"-EXECABORT Transaction discarded because of previous errors.\r\n"
                        )
                    else:
                        connection.sendall(ANSWERS.get(word, b""))


ANSWERS = {
    **dict.fromkeys((b"WATCH", b"UNWATCH", b"MULTI", b"CLIENT"), b"+OK\r\n"),
    b"GET": b"$-1\r\n",
    b"SET": b"+QUEUED\r\n",
    b"EXEC": b"*1\r\n+OK\r\n",
}

REPLIES = {
    "READONLY You can't write against a read only replica.": "it is a read-only replica",
    "MASTERDOWN Link with MASTER is down": "it is a replica that has lost its master",
    "CLUSTERDOWN The cluster is down": "it is in cluster mode, and its cluster is down",
    "NOREPLICAS Not enough good replicas to write.": "it accepts no writes while it has too few replicas",
    "MISCONF Errors writing to the AOF file: No space": "it accepts no writes while it cannot save",
    "OOM command not allowed when used memory > 'maxmemory'.": "it is out of memory",
    "NOPERM this user has no permissions": "it does not allow the user to do this",
    "MOVED 3999 192.0.2.7:6379": r"another node holds our keys; put that node into the URL .*192.0.2.7:6379",
    "ASK 3999 192.0.2.7:6379": r"is handing our keys to another node of its cluster.*192.0.2.7:6379",
    "TRYAGAIN Multiple keys request during rehashing of slot": r"it refuses this \(.*Multiple keys",
}


@pytest.mark.parametrize(("reply", "words"), REPLIES.items(), ids=[reply.split()[0] for reply in REPLIES])
@pytest.mark.parametrize("command", [b"GET", b"SET", b"EXEC"])
def test_a_reply_within_a_transaction(command: bytes, reply: str, words: str) -> None:
    """Wherever in it the server refuses (when read, when queued, or at EXEC, which wraps the reason), it
    is called what it is, and the next attempt connects anew."""
    with ExitStack() as stack:
        server = Refusing(command, reply)
        stack.callback(server.stop)
        store = RedisStore.at(server.url)
        stack.callback(store.close)
        with pytest.raises(StoreError, match=words):
            store.lease("one", 30)
        assert store.lease("one", 30)
        assert len(server.connections) == 2


def test_an_index_that_may_not_be_read_is_not_replaced(tmp_path: Path) -> None:
    """A refused read within a publication ends it: what is there is not taken for nothing."""
    server = RedisServer(tmp_path)
    try:
        with redis.Redis(port=server.port) as client:
            rules = "+@all ~* -get"
            client.execute_command("ACL", "SETUSER", "blind", "on", ">s3cret", *rules.split())
            seeing = RedisStore.at(SecretUrl(server.url))
            seeing.publish(publication("a"), owner=None)
            blind = RedisStore.at(SecretUrl(server.url.replace("//", "//blind:s3cret@")))
            before = client.get(INDEX)
            with pytest.raises(StoreError, match="does not allow the user"):
                blind.remember(b"new", None)
            assert client.get(INDEX) == before
            seeing.close()
            blind.close()
    finally:
        server.stop()

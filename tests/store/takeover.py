"""Two servers behind one address, and the ways in which the first stops being the right one."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import redis

from tests.chaos.line import SlowLine
from tests.conftest import RedisServer, free_port, wait_until
from tests.store.conftest import ClusterNode


class Pair:
    """`line` is the address. It leads to `former` until `take_over`, which moves new connections to
    `following`; established ones stay. `following` is empty unless its case says otherwise, which is
    the hardest: all has to be published there anew. `client`, `following_client`: somebody at them."""

    def __init__(self, folder: Path, stack: ExitStack, kind: type[RedisServer]) -> None:
        self.former, self.following = (self._server(folder / name, stack, kind) for name in ("a", "b"))
        self.line = SlowLine(self.former.port)
        stack.callback(self.line.stop)
        self.client: redis.Redis = stack.enter_context(redis.Redis(port=self.former.port))
        self.following_client: redis.Redis = stack.enter_context(redis.Redis(port=self.following.port))

    def _server(self, folder: Path, stack: ExitStack, kind: type[RedisServer]) -> RedisServer:
        folder.mkdir(parents=True)
        server = kind(folder, "--repl-diskless-sync-delay", "0", "--enable-debug-command", "local")
        stack.callback(server.stop)
        if isinstance(server, ClusterNode):
            server.take_slots()
        return server

    def take_over(self) -> None:
        self.line.target = self.following.port


def hang(pair: Pair) -> None:
    pair.former.process.send_signal(signal.SIGSTOP)


def follow_the_new_master(pair: Pair) -> None:
    pair.client.replicaof("127.0.0.1", str(pair.following.port))


def change_roles(pair: Pair) -> None:
    """As people do it: the new master has all data."""
    pair.following_client.replicaof("127.0.0.1", str(pair.former.port))
    link = "master_link_status"
    wait_until(lambda: pair.following_client.info("replication")[link] == "up", "the replica having all")
    pair.following_client.replicaof("NO", "ONE")
    follow_the_new_master(pair)


def follow_a_dead_master(pair: Pair) -> None:
    pair.client.replicaof("127.0.0.1", str(free_port()))


def lose_its_master(pair: Pair) -> None:
    pair.client.config_set("replica-serve-stale-data", "no")
    follow_a_dead_master(pair)


def load(pair: Pair) -> None:
    """The data of the new master, which takes a minute at this pace."""
    pair.client.config_set("key-load-delay", 200_000)
    pair.client.config_set("loading-process-events-interval-bytes", 1024)
    pair.following_client.config_set("rdbcompression", "no")
    for number in range(300):
        pair.following_client.set(f"ballast:{number}", b"x" * 2000)
    follow_the_new_master(pair)
    wait_until(lambda: bool(pair.client.info("persistence")["loading"]), "loading")


def lose_its_slots(pair: Pair) -> None:
    pair.client.cluster("DELSLOTSRANGE", 0, 16383)


def miss_its_replica(pair: Pair) -> None:
    pair.client.config_set("min-replicas-to-write", 1)


def fail_to_save(pair: Pair) -> None:
    shutil.rmtree(pair.former.folder)
    pair.client.config_set("save", "3600 1")
    pair.client.set("ballast", "x")
    pair.client.bgsave()
    status = "rdb_last_bgsave_status"
    wait_until(lambda: pair.client.info("persistence")[status] == "err", "saving failed")


def go_on_alone(pair: Pair) -> None:
    """The former master has heard nothing of it: it answers, and it may be written to."""


class Takeover(NamedTuple):
    """`says`: the error of whoever is still connected to the former server, if it gives one: `reading`,
    too, or only when writing."""

    begin: Callable[[Pair], None]
    says: str | None
    reading: bool = False
    kind: type[RedisServer] = RedisServer


TAKEOVERS = {
    "READONLY": Takeover(change_roles, r"it is a read-only replica \(READONLY: "),
    "READONLY and stale": Takeover(follow_a_dead_master, r"it is a read-only replica \(READONLY: "),
    "MASTERDOWN": Takeover(
        lose_its_master, r"it is a replica that has lost its master.*\(MASTERDOWN: ", True
    ),
    "LOADING": Takeover(load, r"it is still loading its data \(LOADING: ", True),
    "CLUSTERDOWN": Takeover(lose_its_slots, r"its cluster is down.*\(CLUSTERDOWN: ", True, ClusterNode),
    "NOREPLICAS": Takeover(miss_its_replica, r"it accepts no writes while .* replicas \(NOREPLICAS: "),
    "MISCONF": Takeover(fail_to_save, r"it accepts no writes while it cannot save.*\(MISCONF: "),
    "hung": Takeover(hang, r"it gives no answer within 2 s", True),
    "none the wiser": Takeover(go_on_alone, None),
}

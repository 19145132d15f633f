"""The store in Redis or Valkey, any version since 6.0.9 and without scripts or modules.

All keys are below `PREFIX`, whose number changes when their meaning does, so that two versions of
Mirrorwise can share a server. For an ACL: `~mirrorwise:1:*` with GET, SET, APPEND, EXISTS, DEL,
UNLINK, PERSIST, WATCH, UNWATCH, MULTI, EXEC for the worker; GET is enough for web.

The index is replaced in a WATCH/MULTI/EXEC that watches the lease too, so a worker whose lease has
expired cannot publish, however late its commands arrive. Objects are written before, with a time to
live that the swap takes away (`index`). All of it is in the server's memory: a server that evicts
keys (`maxmemory-policy` other than noeviction) may lose a snapshot, which then reads as gone.

A timeout is 2 s without any progress, not for the whole: a snapshot of 15 MB passes slow links.
A connection that died in the pool is replaced once, silently; timeouts are never retried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SlaveNotFoundError

from app.model import StoreError
from app.settings import SecretUrl
from app.store.index import (
    UNCLAIMED_S,
    Index,
    IndexedStore,
    Swap,
    decode_index,
    encode_index,
    lease_lost,
    missing_objects,
)
from app.store.protocol import NotOursError

PREFIX = "mirrorwise:1:"
INDEX = PREFIX + "index"
LEASE = PREFIX + "lease"
HEARTBEAT = PREFIX + "heartbeat"
OBJECT = PREFIX + "object:"  # + SHA-256

TIMEOUT_S = 2.0
PIECE_BYTES = 1 << 20
TRIES = 10
SENTINEL_PORT = 26379

_DOWN = ("refused", "reset by peer", "closed by server", "Broken pipe")
"""What one and the same server says while it goes down and stays so: one fault, so one sentence."""

T = TypeVar("T")


class RedisStore(IndexedStore):
    """`where` names the server in messages. Connects at the first command, not before."""

    def __init__(self, client: redis.Redis, where: str) -> None:
        self.where = f"Redis at {where}"
        self._client = client
        self._sentinels: list[redis.Redis] = []

    @classmethod
    def at(cls, url: SecretUrl, replica: bool = False) -> RedisStore:
        """The server at a URL that settings has checked. `replica`: behind Sentinel, read from any
        replica, or from the master while there is none."""
        if not url.value.startswith("redis+sentinel://"):
            return cls(redis.Redis.from_url(url.value, **_connection_options()), str(url))
        parts = urlsplit(url.value)
        master, _, db = parts.path.strip("/").partition("/")
        sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            [_host_and_port(text) for text in parts.netloc.rpartition("@")[2].split(",")],
            sentinel_kwargs=_connection_options(),
            username=unquote(parts.netloc.rpartition("@")[0].partition(":")[0]) or None,
            password=unquote(parts.netloc.rpartition("@")[0].partition(":")[2]) or None,
            db=int(db or 0),
            **_connection_options(),
        )
        client_for = sentinel.slave_for if replica else sentinel.master_for
        store = cls(client_for(master), str(url))  # type: ignore[no-untyped-call]  # as above
        store._sentinels = sentinel.sentinels
        return store

    def lease(self, owner: str, ttl_s: float) -> bool:
        ttl_ms = max(1, round(ttl_s * 1000))

        def renew(pipe: Pipeline) -> bool:
            holder = _get(pipe, LEASE)
            if holder is not None and holder != owner.encode():
                return False
            pipe.multi()
            pipe.set(LEASE, owner, px=ttl_ms)
            return True

        return self._transact(renew, LEASE)

    def release(self, owner: str) -> None:
        def give_back(pipe: Pipeline) -> None:
            holder = _get(pipe, LEASE)
            pipe.multi()
            if holder == owner.encode():
                pipe.delete(LEASE)

        self._transact(give_back, LEASE)

    def beat(self, data: bytes) -> None:
        with self._spoken():
            self._client.set(HEARTBEAT, data)

    def heartbeat(self) -> bytes | None:
        with self._spoken():
            return _get(self._client, HEARTBEAT)

    def close(self) -> None:
        for client in (self._client, *self._sentinels):
            client.close()
            client.connection_pool.disconnect()

    # --- objects and index ------------------------------------------------------------------------

    def _load_index(self) -> bytes | None:
        with self._spoken():
            return _get(self._client, INDEX)

    def _load_object(self, digest: str) -> bytes | None:
        with self._spoken():
            return _get(self._client, OBJECT + digest)

    def _save_object(self, digest: str, data: bytes) -> None:
        """In pieces, because the timeout of a socket is for all of one argument."""
        key = OBJECT + digest
        with self._spoken():
            if self._holds(key, data):
                return
            with self._client.pipeline() as pipe:
                pipe.set(key, data[:PIECE_BYTES], ex=UNCLAIMED_S)
                for start in range(PIECE_BYTES, len(data), PIECE_BYTES):
                    pipe.append(key, data[start : start + PIECE_BYTES])
                pipe.execute()

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return _get(self._client, key) == data
        except redis.ResponseError:
            return False  # of another type: SET replaces it

    def _swap(self, swap: Swap) -> None:
        needs = {*swap.adds, *swap.needs}

        def replace(pipe: Pipeline) -> None:
            if swap.owner is not None and _get(pipe, LEASE) != swap.owner.encode():
                raise lease_lost(swap.owner, self.where)
            former = self._former_index(pipe)
            index = swap.change(former)
            missing = [digest for digest in needs if not pipe.exists(OBJECT + digest)]
            if missing:
                raise missing_objects(missing, self.where)
            dropped = former.objects() - index.objects()
            pipe.multi()
            for digest in needs:
                pipe.persist(OBJECT + digest)
            pipe.set(INDEX, encode_index(index))
            if dropped:
                pipe.unlink(*(OBJECT + digest for digest in dropped))

        for digest, data in swap.adds.items():
            self._save_object(digest, data)
        self._transact(replace, INDEX, LEASE, *(OBJECT + digest for digest in needs))

    def _former_index(self, pipe: Pipeline) -> Index:
        """One that cannot be used is taken for none: the swap mends it."""
        try:
            return decode_index(_get(pipe, INDEX), self.where)
        except (StoreError, redis.ResponseError):
            return Index()

    # --- talking to the server --------------------------------------------------------------------

    def _transact(self, step: Callable[[Pipeline], T], *watched: str) -> T:
        """Run `step` between WATCH and EXEC; again when a watched key changed meanwhile (a renewed
        lease, an expired object) or the connection died."""
        with self._spoken(), self._client.pipeline() as pipe:
            for _ in range(TRIES):
                try:
                    pipe.watch(*watched)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                    result = step(pipe)
                    pipe.execute()
                    return result
                except redis.WatchError:
                    continue
        raise StoreError(f"{self.where}: others kept changing {watched[0]}; gave up after {TRIES} tries")

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Errors of the client library as sentences, without what they quote: commands, payloads,
        and connections with their passwords."""
        try:
            yield
        except (redis.RedisError, OSError, ValueError) as error:
            kind = NotOursError if "WRONGTYPE" in str(error) else StoreError
            raise kind(f"{self.where}: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    match error:
        case MasterNotFoundError():
            return "no sentinel knows a reachable master of that name"
        case SlaveNotFoundError():
            return "no sentinel knows a reachable replica or master of that name"
        case redis.TimeoutError() | TimeoutError():
            return f"no answer within {TIMEOUT_S:g} s"
        case redis.AuthenticationError() | redis.exceptions.NoPermissionError():
            return f"user or password not accepted, or not allowed to do this ({_reason(error)})"
        case redis.exceptions.OutOfMemoryError():
            return f"out of memory ({_reason(error)})"
        case redis.ReadOnlyError():
            return f"it is a read-only replica ({_reason(error)})"
        case redis.BusyLoadingError():
            return "it is still loading its data"
        case redis.ConnectionError() if any(words in str(error) for words in _DOWN):
            return "not connected (it refuses or closes connections)"
        case redis.ConnectionError():
            return f"not connected ({_reason(error)})"
        case redis.ResponseError() if "WRONGTYPE" in str(error):
            return f"one of the keys {PREFIX}* was written by something else and has another type; delete it"
        case _:
            return f"refused ({_reason(error)})"


def _reason(error: Exception) -> str:
    """The error's own text; of one from a pipeline, only what follows the quoted command."""
    return str(error).rpartition("caused error: ")[2][:200].rstrip(".") or type(error).__name__


def _connection_options() -> dict[str, Any]:
    # RESP2, because RESP3 needs a newer server and brings nothing to plain gets and sets.
    return {
        "protocol": 2,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    }


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(SENTINEL_PORT)
    return host.strip("[]"), int(port)


def _get(client: redis.Redis, key: str) -> bytes | None:
    value = client.get(key)
    return value.encode() if isinstance(value, str) else value  # never str: nothing is decoded

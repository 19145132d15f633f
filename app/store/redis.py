"""The store in Redis or Valkey, of any version since 6.0.9, without scripts or modules.

All keys begin with `PREFIX`, whose number changes when their meaning does, so that two versions of
Mirrorwise can share a server. An ACL has to allow `~{mirrorwise:1}:*` with GET, SET, APPEND, STRLEN,
GETRANGE, EXISTS, DEL, UNLINK, PERSIST, PTTL, HGET, HGETALL, HSET, HDEL, WATCH, UNWATCH, MULTI and EXEC for
the worker, and GET for web. A prober only shares what it found: it needs SET, APPEND, HGETALL, HSET, MULTI
and EXEC for the keys `SHARED` and `SHARED_VALUE`. All need SELECT if the database is not 0.

The index is replaced in a WATCH/MULTI/EXEC that watches the lease too. So a worker whose lease has
expired cannot publish, however late its commands arrive. A lease that is no string or never ends, because
something else wrote it, counts as none. Objects are written before, with a time to live that the swap
takes away (`index`). A server that evicts keys (`maxmemory-policy` other than noeviction) may lose a
snapshot, which then is not there.

A timeout is 2 s without any progress, so that a snapshot of 15 MB gets through a slow link. If a
connection in the pool has died, it is replaced once, silently; timeouts are never retried.

Behind an address (a DNS name, a virtual IP) another server may take over, while connections stay with
the former server. That one may refuse us, hang, or answer as before. So every error closes the idle
connections, and without errors they are renewed every `RENEW_S`: the next look after that resolves the
name and connects anew. Behind Sentinel connections are not renewed. The sentinels end the connections to a
former master themselves, and they may be away for a while, in which no new connection can be made.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import redis
from redis.client import Pipeline

from app.model import StoreError, digest_of
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
from app.store.protocol import REQUEST_S, NotOursError
from app.store.redis_connect import client_at
from app.store.redis_errors import code_of, sentence
from app.store.succession import Succession

PREFIX = "{mirrorwise:1}:"  # the braces give all keys one slot in a cluster
INDEX = PREFIX + "index"
LEASE = PREFIX + "lease"
HEARTBEAT = PREFIX + "heartbeat"
SHARED = PREFIX + "shared"  # a hash of the SHA-256 of each shared value, by name
SHARED_VALUE = SHARED + ":"  # + name
REQUEST = PREFIX + "request"
OBJECT = PREFIX + "object:"  # + SHA-256

RENEW_S = 5.0
PIECE_BYTES = 1 << 20
TRIES = 10
LONGEST_LEASE_S = 60.0

T = TypeVar("T")


class RedisStore(IndexedStore):
    """A store in Redis. It connects at the first command. `where` names the server in messages."""

    def __init__(
        self,
        client: redis.Redis,
        where: str,
        sentinels: list[redis.Redis] | None = None,
        line: Succession | None = None,
    ) -> None:
        super().__init__()
        self.where = f"Redis at {where}"
        self._line = line
        self._client = client
        self._sentinels = sentinels or []
        self._renew_at = math.inf if self._sentinels else 0.0

    @classmethod
    def at(cls, url: SecretUrl, replica: bool = False, var_dir: Path | None = None) -> RedisStore:
        """Returns the store at a URL that settings has checked. With `replica`, behind Sentinel, any replica
        is used, or the master while there is none. `var_dir` is the folder in which the workers of this
        machine find out which of them are dead."""
        client, sentinels = client_at(url, replica)
        line = Succession(var_dir / "worker.lock") if var_dir else None
        return cls(client, str(url), sentinels, line)

    def lease(self, owner: str, ttl_s: float) -> bool:
        ttl_ms = max(1, round(ttl_s * 1000))
        dead = self._line.dead(owner) if self._line else frozenset()

        def renew(pipe: Pipeline) -> bool:
            holder = _holder(pipe)
            if holder is not None and holder != owner and holder not in dead:
                return False
            pipe.multi()
            pipe.set(LEASE, owner, px=ttl_ms)
            return True

        leading = self._transact(renew, LEASE)
        if leading and self._line:
            self._line.leads(owner)
        return leading

    def release(self, owner: str) -> None:
        def give_back(pipe: Pipeline) -> None:
            holder = _holder(pipe)
            pipe.multi()
            if holder == owner:
                pipe.delete(LEASE)

        self._transact(give_back, LEASE)

    def holder(self) -> str | None:
        with self._spoken():
            try:
                return _text(_get(self._client, LEASE))
            except redis.ResponseError as error:
                if code_of(error) != "WRONGTYPE":
                    raise
                return None

    def beat(self, data: bytes) -> None:
        with self._spoken():
            self._client.set(HEARTBEAT, data)

    def heartbeat(self) -> bytes | None:
        with self._spoken():
            return _get(self._client, HEARTBEAT)

    def shared(self) -> dict[str, str]:
        with self._spoken():
            tags: dict[bytes, bytes] = self._client.hgetall(SHARED)  # type: ignore[assignment]  # not async here
            return {name.decode(errors="replace"): tag.decode(errors="replace") for name, tag in tags.items()}

    def read_shared(self, name: str) -> bytes | None:
        with self._spoken(), self._client.pipeline() as pipe:
            pipe.hget(SHARED, name)
            pipe.get(SHARED_VALUE + name)
            tag, data = pipe.execute(raise_on_error=False)
            for answer in (tag, data):
                if isinstance(answer, redis.RedisError) and code_of(answer) != "WRONGTYPE":
                    raise answer
        return data if isinstance(data, bytes) and tag == digest_of(data).encode() else None

    def share(self, name: str, data: bytes) -> None:
        def put(pipe: Pipeline) -> None:
            _set_in_pieces(pipe, SHARED_VALUE + name, data)
            pipe.hset(SHARED, name, digest_of(data))

        self._change_shared(put)

    def unshare(self, *names: str) -> None:
        def remove(pipe: Pipeline) -> None:
            for name in names:
                pipe.hdel(SHARED, name)
                pipe.unlink(SHARED_VALUE + name)

        self._change_shared(remove)

    def _change_shared(self, change: Callable[[Pipeline], None]) -> None:
        """Makes a change in one step. If something else wrote the hash of tags, it is replaced."""
        with self._spoken(), self._client.pipeline() as pipe:
            try:
                change(pipe)
                pipe.execute()
            except redis.ResponseError as error:
                if code_of(error) != "WRONGTYPE":
                    raise
                self._client.unlink(SHARED)
                change(pipe)
                pipe.execute()

    def ask(self, request: bytes) -> None:
        with self._spoken():
            self._client.set(REQUEST, request, ex=REQUEST_S)

    def take_request(self) -> bytes | None:
        with self._spoken():
            try:
                request = _get(self._client, REQUEST)
            except redis.ResponseError as error:
                if code_of(error) != "WRONGTYPE":
                    raise
                request = b""  # none of ours, and taken away like any other
            if request is not None:
                self._client.delete(REQUEST)
            return request

    def close(self) -> None:
        if self._line:
            self._line.end()
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

    def _look_at_object(self, digest: str, start: int, size: int) -> tuple[int, bytes] | None:
        key = OBJECT + digest
        with self._spoken(), self._client.pipeline(transaction=False) as pipe:
            pipe.strlen(key)
            pipe.getrange(key, start, start + max(size, 1) - 1)
            length, piece = pipe.execute(raise_on_error=False)
            for answer in (length, piece):
                if isinstance(answer, redis.RedisError):
                    if code_of(answer) != "WRONGTYPE":
                        raise answer
                    return None
        return (length, piece[:size]) if length else None

    def _save_object(self, digest: str, data: bytes) -> None:
        key = OBJECT + digest
        with self._spoken():
            if self._holds(key, data):
                return
            with self._client.pipeline() as pipe:
                _set_in_pieces(pipe, key, data, ttl_s=UNCLAIMED_S)
                pipe.execute()

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return _get(self._client, key) == data
        except redis.ResponseError as error:
            if code_of(error) != "WRONGTYPE":
                raise
            return False  # SET replaces it

    def _swap(self, swap: Swap) -> None:
        needs = {*swap.adds, *swap.needs}

        def replace(pipe: Pipeline) -> None:
            if swap.owner is not None and _holder(pipe) != swap.owner:
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
        """Returns the index that is to be replaced. An index that cannot be used counts as empty, so that the
        swap repairs it."""
        try:
            return decode_index(_get(pipe, INDEX), self.where)
        except StoreError:
            return Index()
        except redis.ResponseError as error:
            if code_of(error) != "WRONGTYPE":
                raise
            return Index()

    # --- talking to the server --------------------------------------------------------------------

    def _transact(self, step: Callable[[Pipeline], T], *watched: str) -> T:
        """Runs `step` between WATCH and EXEC, and returns its result. `step` is run again if a watched key
        has changed meanwhile (a renewed lease, an expired object), and once if the connection has died."""
        died = False
        with self._spoken(), self._client.pipeline() as pipe:
            for _ in range(TRIES):
                try:
                    pipe.watch(*watched)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                    result = step(pipe)
                    pipe.execute()
                    return result
                except redis.WatchError as error:
                    cause = error.__context__
                if isinstance(cause, redis.ConnectionError):
                    if died:
                        raise cause
                    died = True
        raise StoreError(f"{self.where}: others kept changing {watched[0]}; gave up after {TRIES} tries")

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Turns errors of the client library into StoreErrors, and renews connections that are too old."""
        if time.monotonic() >= self._renew_at:
            self._drop_connections()
        try:
            yield
        except (redis.RedisError, OSError, ValueError) as error:
            self._drop_connections()
            if code_of(error) == "WRONGTYPE":
                problem = (
                    f"one of the keys {PREFIX}* was written by something else and has another type; "
                    "the worker replaces it"
                )
                raise NotOursError(f"{self.where}: {problem}") from error
            who = "the Redis server" if self._sentinels else "it"
            raise StoreError(f"{self.where}: {sentence(error, who)}") from error

    def _drop_connections(self) -> None:
        """Closes all idle connections, so that the next command resolves the name and connects anew."""
        if not self._sentinels:
            self._renew_at = time.monotonic() + RENEW_S
        for client in (self._client, *self._sentinels):
            client.connection_pool.disconnect(inuse_connections=False)


def _holder(pipe: Pipeline) -> str | None:
    """Returns the owner of the lease; None if there is no lease. A key of another type, and one that lasts
    longer than any lease of ours, count as no lease: otherwise a person would have to delete them."""
    try:
        holder = _text(_get(pipe, LEASE))
    except redis.ResponseError as error:
        if code_of(error) != "WRONGTYPE":
            raise
        return None
    lasts_ms = pipe.pttl(LEASE) if holder is not None else 0
    return holder if 0 <= lasts_ms <= LONGEST_LEASE_S * 1000 else None


def _set_in_pieces(pipe: Pipeline, key: str, data: bytes, ttl_s: int | None = None) -> None:
    """Adds to a pipeline the commands that set a value in pieces, because the socket's timeout holds for the
    whole of one argument."""
    pipe.set(key, data[:PIECE_BYTES], ex=ttl_s)
    for start in range(PIECE_BYTES, len(data), PIECE_BYTES):
        pipe.append(key, data[start : start + PIECE_BYTES])


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _get(client: redis.Redis, key: str) -> bytes | None:
    value = client.get(key)
    return value.encode() if isinstance(value, str) else value  # never str: nothing is decoded

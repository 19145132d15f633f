"""Makes Redis clients for a URL, checked by settings, that names a server, or sentinels and a master.

Sentinels may want a user and a password of their own, which are in the URL's query. With
`rediss+sentinel://`, both sentinels and servers are spoken to over TLS. The user of a sentinel needs AUTH,
SENTINEL MASTERS and SENTINEL SLAVES.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SlaveNotFoundError

from app.settings import SecretUrl
from app.store.redis_errors import TIMEOUT_S, Undirected, sentence

SENTINEL_PORT = 26379
SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")

Address = tuple[str, int]


def client_at(url: SecretUrl, replica: bool) -> tuple[redis.Redis, list[redis.Redis]]:
    """Returns a client for the server at `url`, and the clients for its sentinels if there are any. With
    `replica`, behind Sentinel, the client is for any replica, or for the master while there is none."""
    parts = urlsplit(url.value)
    if parts.scheme not in SENTINEL_SCHEMES:
        return redis.Redis.from_url(url.value, **_options()), []
    user, _, hosts = parts.netloc.rpartition("@")
    master, _, db = parts.path.strip("/").partition("/")
    given = parse_url(f"rediss://{user}@sentinel/{db}?{parts.query}")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    tls = {name: value for name, value in given.items() if name.startswith("ssl_")}
    secure = parts.scheme.startswith("rediss")
    sentinels = _Sentinels(
        [_address(text) for text in hosts.split(",")],
        sentinel_kwargs={
            "username": given.get("sentinel_username"),
            "password": given.get("sentinel_password"),
            **({"ssl": True, **tls} if secure else {}),
            **_options(),
        },
        username=given.get("username"),
        password=given.get("password"),
        db=given.get("db", 0),
        connection_class=_SecureNamedServer if secure else _NamedServer,
        **tls,
        **_options(),
    )
    client_for = sentinels.slave_for if replica else sentinels.master_for
    return client_for(master), sentinels.sentinels  # type: ignore[no-untyped-call]  # as above


class _Sentinels(Sentinel):
    """redis-py's client for sentinels, but its errors say what each sentinel answered."""

    def __init__(self, addresses: list[Address], **options: Any) -> None:
        super().__init__(addresses, **options)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def discover_master(self, service_name: str) -> Address:
        answers = []
        for sentinel in list(self.sentinels):
            try:
                masters: Any = sentinel.sentinel_masters()
            except (redis.RedisError, OSError, ValueError) as error:
                answers.append(sentence(error, _name(sentinel)))
                continue
            state = masters.get(service_name)
            if state is None:
                answers.append(f"{_name(sentinel)} knows no master of that name")
            elif not self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]  # as above
                answers.append(f"{_name(sentinel)} takes it for down")
            else:
                self._prefer(sentinel)
                return state["ip"], state["port"]
        raise Undirected(f"no sentinel names a master {service_name!r}: {'; '.join(answers)}")

    def discover_slaves(self, service_name: str) -> list[Address]:
        """Returns the addresses of the replicas, or none if no sentinel names any. Raises Undirected if a
        sentinel refuses to name them."""
        for sentinel in list(self.sentinels):
            try:
                replicas = self.filter_slaves(sentinel.sentinel_slaves(service_name))  # type: ignore[no-untyped-call]  # as above
            except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
                raise Undirected(sentence(error, _name(sentinel))) from error
            except (redis.RedisError, OSError, ValueError):
                continue  # the master is asked for next, which says why
            if replicas:
                self._prefer(sentinel)
                return list(replicas)
        return []

    def _prefer(self, sentinel: redis.Redis) -> None:
        """Puts this sentinel first in the list, so that later look-ups do not wait for a dead one each
        time."""
        self.sentinels.remove(sentinel)
        self.sentinels.insert(0, sentinel)


class _NamedServer(SentinelManagedConnection):
    """A connection to a server that a sentinel has named. If the server refuses us, the error names the
    server's address, and no other server is tried: the user and the password would be the same there."""

    _problem = ""  # what the last server did that could not be connected

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        except SlaveNotFoundError as error:
            raise Undirected(self._problem) from error

    def connect_to(self, address: Address) -> None:
        try:
            super().connect_to(address)  # type: ignore[no-untyped-call]  # as above
        except (redis.ConnectionError, redis.ResponseError) as error:
            self._problem = sentence(error, f"the Redis server at {_shown(*address)}")
            if isinstance(error, redis.AuthenticationError | redis.ResponseError):
                raise Undirected(self._problem) from error
            raise


class _SecureNamedServer(_NamedServer, SSLConnection):
    """A `_NamedServer` over TLS."""


def _options() -> dict[str, Any]:
    # RESP2, because RESP3 needs a newer server and brings nothing to plain gets and sets.
    return {
        "protocol": 2,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    }


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(SENTINEL_PORT)
    return host.strip("[]"), int(port)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _name(sentinel: redis.Redis) -> str:
    options = sentinel.connection_pool.connection_kwargs
    return f"the sentinel at {_shown(options['host'], options['port'])}"

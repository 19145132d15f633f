"""The whole service in processes of its own (redis-server, worker, gunicorn), and people who ask it all
the time."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from app.settings import SecretUrl
from app.store import Store
from app.store.redis import RedisStore
from tests.chaos.line import SlowLine
from tests.conftest import RedisServer, wait_until
from tests.servers import GunicornServer, WorkerProcess, ask, environ
from tests.worker.network import Network, generation

LIST = "/mirrorlist/9/baseos?arch=x86_64"
FRANKFURT, TOKYO, CORP, NOBODY = "192.0.2.1", "203.0.113.1", "10.20.0.1", "2001:db8:ffff::1"
ADDRESSES = (FRANKFURT, TOKYO, CORP, NOBODY)


class Service:
    """Started by `start_worker` and `start_web`; between them and Redis is a line that can be slow."""

    def __init__(self, folder: Path, stack: ExitStack, redis_options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.stack = stack
        self.network = Network(folder)
        self.network.several(8)
        self.network.mirror("corp.example.com", more="private: true\nsubnets: [10.20.0.0/16]\n")
        self.city = self.network.city_database()
        (folder / "redis").mkdir()
        self.redis = RedisServer(folder / "redis", *redis_options)
        stack.callback(self.redis.stop)
        self.line = SlowLine(self.redis.port)
        stack.callback(self.line.stop)
        self.variables = environ(self.network.data, self.network.var, REDIS_URL=self.line.url)
        self.store = self._opened(RedisStore.at(SecretUrl(self.redis.url)))
        self.client: redis.Redis = stack.enter_context(redis.Redis(port=self.redis.port))
        self.edits = 0

    def start_worker(self) -> None:
        self.worker = WorkerProcess(self.folder, self.variables)
        self.stack.callback(self.worker.stop)
        wait_until(lambda: self.there() is not None, "the first publication", 30)

    def start_web(self, name: str = "web", processes: int = 1, **variables: str) -> GunicornServer:
        folder = self.folder / name
        folder.mkdir()
        server = GunicornServer(folder, {**self.variables, **variables}, processes=processes)
        self.stack.callback(server.stop)
        self.web = server
        return server

    def on(self, url: SecretUrl) -> None:
        """For a service on another Redis than its own."""
        self.store = self._opened(RedisStore.at(url))
        self.variables["REDIS_URL"] = url.value

    def without_redis(self) -> None:
        """For a service on files alone."""
        self.store = self._opened(self.network.store())
        self.variables["REDIS_URL"] = ""

    def _opened(self, store: Store) -> Store:
        self.stack.callback(store.close)
        return store

    def there(self) -> str | None:
        """The generation in the store."""
        return generation(self.store)

    def edit(self) -> str:
        """Change a mirror file so that all lists change; what is in its URL from now on."""
        self.edits += 1
        path = self.network.mirror("m00.example.org")
        marked = f"/edit{self.edits}/"
        path.write_text(path.read_text().replace("/examplelinux/", marked))
        return marked


def reasons(server: GunicornServer) -> str:
    """What /readyz says, which is always that it is ready."""
    answer = server.ask("/readyz")
    assert answer.status == 200, answer.body
    return answer.body.decode()


def says(server: GunicornServer, words: str) -> Callable[[], bool]:
    return lambda: words in reasons(server)


def lists(server: GunicornServer, words: str) -> Callable[[], bool]:
    return lambda: words in server.ask(LIST).body.decode()


class Crowd:
    """Clients that ask all the time over kept connections, each as from one of ADDRESSES. `bad`: what they
    got instead of a list; `bodies`: all different bodies by generation and address."""

    def __init__(self, server: GunicornServer, pause_s: float = 0.002) -> None:
        self.bad: list[object] = []
        self.asked = 0
        self.bodies: dict[tuple[str, str], set[bytes]] = {}
        self._server = server
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(address,)) for address in ADDRESSES]

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join()

    def _visit(self, address: str) -> None:
        connection = self._server.connection()
        while not self._stopping.wait(self._pause_s):
            try:
                answer = ask(connection, LIST, headers={"X-Forwarded-For": address})
            except (OSError, http.client.HTTPException) as error:
                self.bad.append((time.time(), error))
                connection.close()
                continue
            self.asked += 1
            found = answer.headers["X-Mirrorlist-Generation"]
            if answer.status != 200 or not found or not answer.body.startswith(b"https://"):
                self.bad.append((time.time(), answer))
            else:
                self.bodies.setdefault((found, address), set()).add(answer.body)
        connection.close()

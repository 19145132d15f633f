"""Clients that ask without a pause, each time as another client with another question."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.bystanders import COUNTRIES
from tests.conftest import wait_until
from tests.servers import ask

PATIENCE_S = 30.0
"""As dnf has it."""


def any_address(chance: random.Random) -> str:
    return ".".join(str(chance.randrange(1, 224)) for _ in range(4))


def any_target(chance: random.Random) -> str:
    """A list that was hardly ever asked for before, so that it is ready nowhere, or now and then a page."""
    repo = f"{chance.choice(('9', '9.8'))}/{chance.choice(('baseos', 'appstream'))}"
    asked = f"{repo}?arch={chance.choice(('x86_64', 'aarch64', 's390x'))}"
    countries = ",".join(sorted(chance.sample(COUNTRIES, 3)))
    return chance.choice(
        [
            *[f"/mirrorlist/{asked}&limit={chance.randrange(1, 51)}"] * 8,
            *[f"/mirrorlist/{asked}&country={countries}"] * 8,
            f"/mirrorlist/{asked}&ip={any_address(chance)}",
            f"/metalink/{asked}",
            "/download/9/BaseOS/x86_64/os/Packages/gcc.rpm",
            "/whoami",
        ]
    )


class Strangers:
    """`bad`: what clients got instead of an answer. `slowest_s`: how long one had to wait at most."""

    def __init__(self, connect: Callable[[], http.client.HTTPConnection], count: int = 8) -> None:
        self.bad: list[object] = []
        self.asked = 0
        self.slowest_s = 0.0
        self._connect = connect
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(seed,)) for seed in range(count)]

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Lets them ask, and waits at the end until the service as it is then has answered many of them."""
        for thread in self._threads:
            thread.start()
        try:
            self.ask_on()
            yield
            self.ask_on()
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join()

    def ask_on(self) -> None:
        """Waits until a few hundred more were answered."""
        enough = self.asked + 300
        wait_until(lambda: self.asked > enough or bool(self.bad), "strangers are answered", 60)
        assert not self.bad, self.bad[:5]

    def _visit(self, seed: int) -> None:
        chance = random.Random(seed)
        connection = self._connect()
        connection.timeout = PATIENCE_S
        while not self._stopping.is_set():
            target, started = any_target(chance), time.monotonic()
            try:
                answer = ask(connection, target, headers={"X-Forwarded-For": any_address(chance)})
            except (OSError, http.client.HTTPException) as error:
                self.bad.append((target, error))
                connection.close()
                continue
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            self.asked += 1
            if answer.status not in (200, 302):
                self.bad.append((target, answer))
        connection.close()

"""Another Redis server takes over behind the address that worker and web were given."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.logs import MAX_PAUSE_S, pause_s
from app.settings import SecretUrl
from app.store.redis import INDEX
from app.store.redis_errors import TIMEOUT_S
from tests.chaos.service import Crowd, Service, lists, reasons, says
from tests.conftest import wait_until
from tests.store.takeover import TAKEOVERS, Pair, Takeover

PROMISE_S = 10.0
REFRESH_S = 0.5


def outage_s() -> float:
    """How long it takes until those who fail, hanging each time, pause as long as they ever do."""
    total, failures = 0.0, 0
    while (pause := pause_s(REFRESH_S, failures)) < MAX_PAUSE_S:
        total, failures = total + pause + TIMEOUT_S, failures + 1
    return total


@pytest.mark.slow
@pytest.mark.parametrize("takeover", TAKEOVERS.values(), ids=TAKEOVERS)
def test_an_edit_is_served_by_the_new_server(service: Service, tmp_path: Path, takeover: Takeover) -> None:
    """Within ten seconds of the address leading there, without a restart, whatever the former server still
    does to those who are connected to it, and for however long it has done so; every request gets its
    list meanwhile; who is refused says why, web in /readyz too."""
    with ExitStack() as stack:
        pair = Pair(tmp_path / "pair", stack, takeover.kind)
        service.on(SecretUrl(pair.line.url))
        service.variables["REFRESH_SECONDS"] = str(REFRESH_S)
        service.start_worker()
        web = service.start_web()
        wait_until(lists(web, service.edit()), "the first edit is served")
        crowd = Crowd(web, pause_s=0.01)
        with crowd.asking():
            takeover.begin(pair)
            began_s = time.monotonic()
            if takeover.says:
                words = takeover.says.partition(" ")[2].partition(".*")[0].partition(r" \(")[0]
                wait_until(lambda: words in service.worker.said(), "the worker says why")
                if takeover.reading:
                    wait_until(says(web, words), "web says why")
                wait_until(lambda: time.monotonic() - began_s > outage_s(), "the longest pauses", 30)
            edit = service.edit()
            pair.take_over()
            deadline_s = time.monotonic() + PROMISE_S
            wait_until(lambda: bool(pair.following_client.exists(INDEX)), "it is published there", PROMISE_S)
            wait_until(lists(web, edit), "the edit is served", deadline_s - time.monotonic())
            wait_until(lambda: "store:" not in reasons(web), "nothing is wrong with the store any more")
        assert crowd.bad == []
        assert service.worker.said().count(" store: Redis at") <= 2

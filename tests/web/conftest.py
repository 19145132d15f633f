"""The sample network of data/, published, and two ways of asking about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.settings import SERVERS
from tests.once import with_sample
from tests.servers import Answer, GunicornServer
from tests.web.asking import PROXY, Ask, application, asking, kept, variables


@pytest.fixture(scope="module")
def published(published_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `var` folder in which the sample network is published."""
    return with_sample(published_sample, tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def unpublished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unpublished")


AGE = re.compile(rb"[0-9]+ (?:s|min|h|days) ago")
"""How long ago something was, as pages say it: the next second may begin between two answers."""

# gunicorn's own worker stands in when ours cannot run: every answer of it is asked for, but not each time.
STAND_IN = pytest.param("gthread", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["application", "quick", STAND_IN])
def ask(
    request: pytest.FixtureRequest, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    """Asks twice, and sees to it that both answers are the same: of the application, of our worker of
    gunicorn, and of gunicorn's own."""
    server = None
    if request.param in SERVERS:
        var = tmp_path_factory.mktemp(request.param)
        (var / "store").symlink_to(published / "store")
        server = GunicornServer(var, {**variables(var), "MIRRORWISE_SERVER": request.param})
        server.wait_until_serving()
    once = server.ask if server else asking(application(published))

    def ask(
        target: str, method: str = "GET", headers: Mapping[str, str] | None = None, source: str = PROXY
    ) -> Answer:
        first, second = (once(target, method, headers, source) for _ in range(2))
        # gunicorn's Date may differ; and the order of headers means nothing.
        assert (second.status, kept(second)) == (first.status, kept(first))
        assert AGE.sub(b"", second.body) == AGE.sub(b"", first.body)
        return first

    yield ask
    if server:
        server.stop()


@pytest.fixture(scope="module", params=["application", "gunicorn"])
def ask_too_early(request: pytest.FixtureRequest, unpublished: Path) -> Iterator[Ask]:
    """Before anything was published."""
    if request.param == "application":
        yield asking(application(unpublished))
        return
    server = GunicornServer(unpublished, variables(unpublished), processes=1)
    yield server.ask
    server.stop()


@pytest.fixture(scope="module")
def ask_quickly(published: Path) -> Ask:
    return asking(application(published))

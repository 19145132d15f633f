"""A network and a worker for each test, as the worker's own tests have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.service import Service
from tests.worker.conftest import network, start, store

__all__ = ["network", "service", "start", "store"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Redis and a network; worker and web are the test's to start."""
    with ExitStack() as stack:
        yield Service(tmp_path, stack)

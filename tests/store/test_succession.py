"""Workers on one machine, over Redis: the lease of one that was killed need not run out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.settings import SecretUrl
from app.store import LeaseLost
from app.store.redis import RedisStore
from tests.conftest import ROOT, RedisServer
from tests.store.conftest import publication

Open = Callable[..., RedisStore]

WORKER = """
import sys
from pathlib import Path
from app.settings import SecretUrl
from app.store.redis import RedisStore
store = RedisStore.at(SecretUrl(sys.argv[1]), var_dir=Path(sys.argv[2]))
print(store.lease(sys.argv[3], 60), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def open_store(empty_redis: RedisServer, tmp_path: Path) -> Iterator[Open]:
    """A store as a worker with this `var/` has it."""
    opened = []

    def open_store(var: str = "var") -> RedisStore:
        opened.append(RedisStore.at(SecretUrl(empty_redis.url), var_dir=tmp_path / var))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


def killed(store: RedisStore) -> None:
    """As far as others can tell: its lock is gone, its lease is not."""
    store.close()


def test_killed_process(empty_redis: RedisServer, tmp_path: Path, open_store: Open) -> None:
    """As long as the process lives, stopped or not, nobody takes its lease; when it was killed, the next on
    this machine does at once, and one elsewhere has to wait."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, empty_redis.url, tmp_path / "var", "one"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with worker:
        assert worker.stdout is not None and worker.stdout.readline() == b"True\n"
        here, elsewhere = open_store(), open_store("other")
        assert not here.lease("two", 60)
        worker.kill()
        worker.wait()
        assert not elsewhere.lease("three", 60)
        assert here.lease("two", 60)
        assert here.holder() == "two"


def test_killed_before_it_led(open_store: Open, tmp_path: Path) -> None:
    """Workers that were killed before they had the lease leave the one before them known as dead."""
    first = open_store()
    assert first.lease("one", 60)
    killed(first)
    for number in range(5):
        crashing = open_store()
        assert crashing._line is not None
        assert "one" in crashing._line.dead(f"crashing/{number}")
        killed(crashing)
    last = open_store()
    assert last.lease("last", 60)
    assert (tmp_path / "var" / "worker.lock").read_text() == "last\n"


def test_another_machines_lease(open_store: Open) -> None:
    """What another machine's worker holds is not taken, whoever died here."""
    first, elsewhere = open_store(), open_store("other")
    assert first.lease("one", 60)
    first.release("one")
    assert elsewhere.lease("two", 60)
    killed(first)
    assert not open_store().lease("three", 60)


def test_never_two(open_store: Open) -> None:
    """A worker that is taken for dead wrongly (two machines over a disk without locks) publishes no more."""
    first = open_store()
    assert first.lease("one", 60)
    killed(first)
    second = open_store()
    assert second.lease("two", 60)
    with pytest.raises(LeaseLost):
        first.publish(publication("a"), owner="one")
    second.publish(publication("b"), owner="two")


@pytest.mark.parametrize("harm", ["a file for the folder", "a folder for the file", "a circle"])
def test_nothing_known(open_store: Open, tmp_path: Path, harm: str) -> None:
    """Where the file cannot be locked, leases work all the same, and run out by themselves."""
    var = tmp_path / "var"
    match harm:
        case "a file for the folder":
            var.write_text("in the way")
        case "a folder for the file":
            (var / "worker.lock").mkdir(parents=True)
        case _:
            var.symlink_to(var.name)
    first, second = open_store(), open_store()
    assert first.lease("one", 60) and first.lease("one", 60)
    killed(first)
    assert not second.lease("two", 60)


def test_replaced_folder(open_store: Open, tmp_path: Path) -> None:
    """A worker whose `var/` was taken away makes itself known in the new one."""
    first = open_store()
    assert first.lease("one", 60)
    (tmp_path / "var").rename(tmp_path / "old")
    assert first.lease("one", 60)
    second = open_store()
    assert not second.lease("two", 60)
    killed(first)
    assert second.lease("two", 60)

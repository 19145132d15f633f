"""Bugs that nobody has found yet: each costs the input or output that it is met in, and is named."""

from __future__ import annotations

import msgspec
import pytest

from app.model import Mirror, MirrorState
from app.snapshot.compile import MirrorLocation
from app.sources.state_files import StateFiles
from app.store import FileStore
from app.worker.geography import GeoFiles, NetworkFiles
from app.worker.locate import Locator
from app.worker.loop import Worker
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, generation, listed, replaced, status

MINUTE = 60.0


def flawed(*_: object, **__: object) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("state", StateFiles),
        pytest.param("cloud", NetworkFiles, marks=pytest.mark.slow),
        pytest.param("geoip", GeoFiles, marks=pytest.mark.slow),
    ],
)
def test_bug_in_an_input(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    where: type,
) -> None:
    """What was read of that kind stays, and edits of all others go out; the traceback is in the log once."""
    worker = start()
    worker.step(NOON)
    with monkeypatch.context() as patched:
        patched.setattr(where, "read", flawed)
        for minute in (1, 2):
            network.mirror(f"new{minute}.example.org", more="probe: false\n")
            worker.step(NOON + minute * MINUTE)
        assert set(listed(store)) == {*names, "new1.example.org", "new2.example.org"}
        assert set(worker.faults.current) == {f"inputs/{kind}"}
        assert "RuntimeError('a bug')" in worker.faults.current[f"inputs/{kind}"]
        assert caplog.text.count("Traceback") == 1
    network.mirror("new3.example.org", more="probe: false\n")
    worker.step(NOON + 3 * MINUTE)
    assert worker.faults.current == {}


def test_bug_in_the_location_of_one_mirror(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mirror whose addresses make a look-up fail is where its file says."""
    locate = Locator.locate

    def picky(locator: Locator, mirror: Mirror, state: MirrorState | None) -> MirrorLocation:
        if state is not None and state.addresses:
            raise RuntimeError("a bug")
        return locate(locator, mirror, state)

    monkeypatch.setattr(Locator, "locate", picky)
    path = network.state(names[1])
    state = msgspec.json.decode(path.read_bytes())
    replaced(path, msgspec.json.encode(state | {"addresses": ["192.0.2.1"]}))
    worker = start()
    worker.step(NOON)
    assert sorted(listed(store)) == names
    assert set(worker.faults.current) == {f"location/{names[1]}"}


@pytest.mark.parametrize(("part", "method"), [("read", "_read"), ("status", "_publish_status")])
def test_bug_in_a_part_of_a_step(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    method: str,
) -> None:
    """The other parts go on: new lists without a new status document, or that document, which names the bug,
    without new lists."""
    worker = start()
    worker.step(NOON)
    before = generation(store)
    monkeypatch.setattr(Worker, method, flawed)
    network.mirror("new.example.org", more="probe: false\n")
    worker.step(NOON + 2 * MINUTE)
    assert (generation(store) != before) is (part == "status")
    assert set(worker.faults.current) == {f"worker/{part}"}
    if part == "read":
        assert f"worker/{part}" in status(store).faults

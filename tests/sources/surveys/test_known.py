"""What a machine knows: by its own state files, and by what other machines share through the store."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from app.logs import Faults
from app.model import Mirror, MirrorState, Status, StoreError
from app.sources.folder import DataFolder
from app.sources.surveys.known import Known
from app.sources.surveys.own import SHARED, shared_tags
from app.store import FileStore, Store
from tests.builders import NOW, a_repomd, a_state, an_image_directory
from tests.worker.network import Network

IMAGES = {"9.8/x86_64": an_image_directory("x.iso")}
KEY = "9.8/baseos/x86_64"
MINUTE_S, HOUR_S = 60.0, 3600.0
T = NOW.timestamp()


class Machine:
    """A machine with a folder of its own, whose worker looks at files and store when told to."""

    def __init__(self, folder: Path, store: Store, name: str) -> None:
        self.network = Network(folder / name)
        self.store, self.name = store, name
        self.start()

    def start(self) -> None:
        """Starts its worker anew."""
        self.faults = Faults(logging.getLogger("mirrorwise.worker"))
        self.known = Known(DataFolder(self.network.data), self.faults, self.name)

    def probe(self, name: str, status: Status = Status.OK, at_s: float = T) -> Path:
        return self.network.state(name, status, at_s)

    def origin(self) -> None:
        versions = msgspec.json.encode({KEY: [a_repomd()]})
        (self.network.data / "state" / "repos.json").write_bytes(versions)
        (self.network.data / "state" / "isos.json").write_bytes(msgspec.json.encode(IMAGES))

    def look(self) -> dict[str, Status]:
        """Does what a worker does once a minute. Returns the status of each mirror that is known."""
        self.known.fetch(self.store, shared_tags(self.store))
        self.known.read([])
        self.known.share(self.store, shared_tags(self.store))
        return {name: state.status for name, state in self.known.states.items()}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = FileStore(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def a(tmp_path: Path, store: Store) -> Machine:
    """A machine whose prober knows two mirrors and the origin."""
    machine = Machine(tmp_path, store, "a")
    machine.probe("up.example.org")
    machine.probe("down.example.org", Status.UNREACHABLE)
    machine.network.round(T)
    machine.origin()
    return machine


@pytest.fixture
def b(tmp_path: Path, store: Store) -> Machine:
    """A machine without state."""
    return Machine(tmp_path, store, "b")


BOTH = {"down.example.org": Status.UNREACHABLE, "up.example.org": Status.OK}


def test_a_machine_without_state_knows_all(a: Machine, b: Machine) -> None:
    """States, origin and round of the other machine are known at the first look, and what changes at the next
    one; an unchanged survey is not read again."""
    a.look()
    assert b.look() == BOTH
    assert b.known.repomd == {KEY: (a_repomd(),)}
    assert b.known.images == IMAGES
    assert b.known.last_round == a.known.last_round is not None
    assert not b.known.fetch(b.store, shared_tags(b.store))
    a.probe("down.example.org", Status.OK, T + MINUTE_S)
    a.look()
    assert b.look() == dict.fromkeys(BOTH, Status.OK)
    assert a.faults.current == b.faults.current == {}


def test_two_machines_know_the_same(a: Machine, b: Machine) -> None:
    """What each found is known to both, in the same way."""
    b.probe("down.example.org", Status.OK, T)
    b.probe("other.example.org", Status.STALE, T)
    b.network.round(T)
    for machine in (a, b):
        machine.look()
    expected = {**dict.fromkeys(BOTH, Status.OK), "other.example.org": Status.STALE}
    assert a.look() == b.look() == expected


def test_state_that_another_machine_has_left_behind(a: Machine, b: Machine) -> None:
    """A copy of state that has not been written to for months takes nothing away, and adds nothing."""
    b.probe("up.example.org", Status.UNREACHABLE, T - 999 * HOUR_S)
    b.probe("old.example.org", Status.OK, T - 999 * HOUR_S)
    b.network.round(T - 999 * HOUR_S)
    b.look()
    a.look()
    assert a.look() == b.look() == BOTH


def test_a_folder_from_a_backup(a: Machine) -> None:
    """A machine that comes back with older files knows what it shared before, until it has probed again."""
    a.look()
    a.start()
    a.probe("down.example.org", Status.OK, T - HOUR_S)
    a.probe("up.example.org", Status.UNREACHABLE, T - HOUR_S)
    assert a.look() == BOTH
    a.probe("down.example.org", Status.OK, T + HOUR_S)
    a.probe("up.example.org", Status.STALE, T - MINUTE_S)  # its clock was set back
    assert a.look() == {"down.example.org": Status.OK, "up.example.org": Status.STALE}


@pytest.mark.parametrize("left", ["nothing", "an empty folder", "a folder that a prober is filling"])
def test_a_disk_that_was_replaced(a: Machine, b: Machine, left: str) -> None:
    """A machine that starts without its state takes none of it away from anyone: what it shared counts until
    its prober has completed a round."""
    a.look()
    shutil.rmtree(a.network.data / "state")
    if left != "nothing":
        a.network.states.mkdir(parents=True)
    expected = dict(BOTH)
    if left == "a folder that a prober is filling":
        a.probe("down.example.org", Status.OK, T + MINUTE_S)
        expected["down.example.org"] = Status.OK
    a.start()
    assert a.look() == b.look() == expected
    a.probe("new.example.org", at_s=T + HOUR_S)
    a.network.round(T + HOUR_S)
    a.look()
    assert "new.example.org" in a.look() and b.look() == a.look()


def test_an_emptied_folder(a: Machine, b: Machine) -> None:
    """People who empty the folder while the worker runs want no state: nobody has it any more."""
    a.look()
    b.look()
    shutil.rmtree(a.network.data / "state")
    a.network.states.mkdir(parents=True)
    assert a.look() == b.look() == {}
    a.start()
    assert a.look() == {}


def test_a_folder_that_goes_away(a: Machine, b: Machine) -> None:
    """A folder that cannot be read while the worker runs changes nothing, and is named."""
    a.look()
    shutil.rmtree(a.network.data / "state")
    assert a.look() == b.look() == BOTH
    assert [finding.file for finding in a.known.findings] == ["state"]


def test_a_file_at_fault_from_the_beginning(a: Machine, b: Machine) -> None:
    """A state file that is damaged when the worker starts counts as it was shared last."""
    a.look()
    (a.network.states / "down.example.org.json").write_text("broken")
    (a.network.data / "state" / "repos.json").write_text("broken")
    (a.network.data / "state" / "isos.json").write_text("broken")
    a.start()
    assert a.look() == b.look() == BOTH
    assert a.known.repomd == b.known.repomd == {KEY: (a_repomd(),)}
    assert a.known.images == b.known.images == IMAGES
    assert len(a.known.findings) == 3


def test_a_store_that_lost_all(a: Machine, b: Machine, tmp_path: Path) -> None:
    """Every machine gives back its own, and also what it knows of machines that are gone."""
    a.look()
    b.look()
    shutil.rmtree(tmp_path / "store")
    assert b.look() == BOTH
    third = Machine(tmp_path, b.store, "c")
    assert third.look() == BOTH


def test_a_survey_that_is_damaged(a: Machine, b: Machine) -> None:
    """It is named, and the last good one counts; so are damaged parts, without the rest."""
    a.look()
    b.look()
    a.store.share(f"{SHARED}a", b"junk")
    assert b.look() == BOTH
    assert set(b.faults.current) == {"surveys/a"}
    state: MirrorState = msgspec.structs.replace(a_state("up"), failures=-1)
    a.store.share(f"{SHARED}a", msgspec.json.encode({"schema": 1, "mirrors": {"up.example.org": state}}))
    assert b.look() == {}
    assert set(b.faults.current) == {"surveys/a"}
    a.probe("up.example.org", at_s=T + MINUTE_S)
    a.look()
    assert b.look() == BOTH
    assert b.faults.current == {}


def test_a_machine_that_is_gone(a: Machine, b: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """The last survey counts for ever. Once another machine goes on, it does not, as the log says; after a
    day it is removed from the store."""
    caplog.set_level(logging.INFO)
    a.look()
    assert b.look() == BOTH
    for hours, names in ((4, {"survey/a", "survey/b"}), (28, {"survey/b"})):
        b.probe("up.example.org", at_s=T + hours * HOUR_S)
        b.network.round(T + hours * HOUR_S)
        assert b.look() == {"up.example.org": Status.OK}
        b.look()
        assert set(b.store.shared()) == names
    assert len([m for m in caplog.messages if m.startswith("surveys/a: its prober has stopped")]) == 1


def test_what_has_not_changed_is_not_shared_again(a: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that finds nothing new writes nothing."""
    a.look()

    def refuse(name: str, data: bytes) -> None:
        raise StoreError(f"{name} is written again")

    monkeypatch.setattr(a.store, "share", refuse)
    assert a.look() == BOTH


def test_mirmon_counts_as_it_does_in_files(a: Machine, b: Machine) -> None:
    """What mirmon knows is shared as well."""
    mirror = Mirror(name="mm.example.org", addresses={"https": "https://mm.example.org/x/"})
    line = "https://mm.example.org/x/ 1795000000 ok 1795000000 ss 1795000000-sss 1795000000"
    (a.network.data / "state" / "mirmon.state").write_text(line + "\n")
    a.known.read([mirror])
    a.known.share(a.store, {})
    b.look()
    assert b.known.states["mm.example.org"].status is a.known.states["mm.example.org"].status
    assert b.known.states["mm.example.org"].probed_at < NOW + timedelta(days=1)

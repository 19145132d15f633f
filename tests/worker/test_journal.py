"""What the worker's log says of each publication."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.model import MirrorState, ProbeRound, Status
from app.sources.surveys.survey import Survey, encode
from app.store import FileStore
from app.worker.edits import PATIENCE_S
from app.worker.loop import Worker
from app.worker.losses import Force
from tests.worker.network import CONFIG, NOON, Network


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


class Log:
    """The lines about publications, as steps of a worker leave them."""

    def __init__(self, caplog: pytest.LogCaptureFixture, worker: Worker) -> None:
        self._caplog = caplog
        self.worker = worker
        self._now = NOON

    def after_a_step(self, later_s: float = 61, force: Force = Force.NO) -> list[str]:
        """The next step is a minute later, so that what the prober found counts."""
        self._caplog.clear()
        self._now += later_s
        self.worker.step(self._now, force)
        found = (line.partition(": ") for line in self._caplog.messages)
        return [text for said, _, text in found if said.startswith("published generation ")]


@pytest.fixture
def log(network: Network, caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    network.probed(network.several(4))
    log = Log(caplog, network.worker())
    assert log.after_a_step() == ["4 mirrors in 8 lists, because of the start of this worker"]
    return log


def new_mirror(network: Network) -> None:
    network.mirror("new.example.org", more="probe: false\n")


def private_mirror(network: Network) -> None:
    network.mirror("corp.example.org", more="private: true\nasn: 64500\n")


def one_goes_another_comes(network: Network) -> None:
    network.remove("m01.example.org")
    new_mirror(network)


def weight(network: Network) -> None:
    network.mirror("m02.example.org", more="weight: 3\n")


def another_repo(network: Network) -> None:
    network.config.write_text(CONFIG.replace("origin:", "  - {name: crb, path: CRB/$basearch/os/}\norigin:"))


def found_dead(network: Network) -> None:
    network.state("m03.example.org", Status.UNREACHABLE, at_s=NOON + 30)


def many_new(network: Network) -> None:
    for number in range(10, 15):
        network.mirror(f"m{number}.example.org", more="probe: false\n")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param(
            new_mirror,
            "+1 mirror (new.example.org), 8 lists changed, because of mirrors.d/new.example.org.yml",
            id="a new mirror",
        ),
        pytest.param(
            private_mirror,
            "+1 mirror (corp.example.org), 8 lists changed, because of mirrors.d/corp.example.org.yml",
            id="a private one, in the operator's own log",
        ),
        pytest.param(
            one_goes_another_comes,
            "+1 mirror (new.example.org), -1 mirror (m01.example.org), 8 lists changed, because of"
            " mirrors.d/m01.example.org.yml, mirrors.d/new.example.org.yml",
            id="one goes, and another comes",
        ),
        pytest.param(
            weight,
            "no list has other mirrors than before, because of mirrors.d/m02.example.org.yml",
            id="an order alone",
        ),
        pytest.param(another_repo, "3 lists changed, because of config.yml", id="lists of a new repo"),
        pytest.param(
            found_dead,
            "-1 mirror (m03.example.org), 8 lists changed, because of what the prober found of"
            " m03.example.org (unreachable)",
            id="found dead",
        ),
        pytest.param(
            many_new,
            "+5 mirrors (m10.example.org, m11.example.org, m12.example.org and 2 more), 8 lists changed,"
            " because of mirrors.d/m10.example.org.yml, mirrors.d/m11.example.org.yml,"
            " mirrors.d/m12.example.org.yml and 2 more",
            id="many",
        ),
    ],
)
def test_each_publication_leaves_a_line(
    network: Network, log: Log, change: Callable[[Network], None], line: str
) -> None:
    """Which mirrors came and went, how many lists have other mirrors, and which files are the cause; where
    nothing is published, there is none."""
    assert log.after_a_step() == []
    change(network)
    assert log.after_a_step() == [line]
    assert log.after_a_step() == []


def test_what_changed_nothing_is_no_cause(network: Network, log: Log) -> None:
    """A comment, or a round in which all is as before, is not blamed for a later publication."""
    path = network.mirrors / "m00.example.org.yml"
    path.write_text(f"# reviewed\n{path.read_text()}")
    network.probed([f"m{number:02}.example.org" for number in range(4)], at_s=NOON + 60)
    assert log.after_a_step() == []
    new_mirror(network)
    assert log.after_a_step() == [
        "+1 mirror (new.example.org), 8 lists changed, because of mirrors.d/new.example.org.yml"
    ]


def test_a_restart_compares_with_what_is_published(network: Network, log: Log) -> None:
    """Whichever worker published it."""
    log.worker.stop()
    new_mirror(network)
    log.worker = network.worker()
    assert log.after_a_step() == [
        "+1 mirror (new.example.org), 8 lists changed, because of the start of this worker,"
        " edits of new.example.org"
    ]


def test_odd_names_of_files(network: Network, log: Log) -> None:
    """A name that is no text, or would end the line, is written in escapes."""
    for name in (b"m\xe9xico.yml", b"a\nb.yml"):
        path = network.mirrors / os.fsdecode(name)
        path.write_text("name: [")
    new_mirror(network)
    assert log.after_a_step() == [
        "+1 mirror (new.example.org), 8 lists changed, because of mirrors.d/a\\nb.yml, "
        "mirrors.d/m\\xe9xico.yml, mirrors.d/new.example.org.yml"
    ]


def test_what_the_guard_held_back(network: Network, log: Log) -> None:
    """An edit that takes most mirrors goes out after a while: that is the cause then."""
    network.remove("m00.example.org", "m01.example.org", "m02.example.org")
    assert log.after_a_step() == []
    lines = log.after_a_step(PATIENCE_S + 1)
    assert [line.partition(", because of ")[2] for line in lines] == ["what the guard held back before"]


def test_what_people_force(network: Network, log: Log) -> None:
    """It is named as the cause."""
    network.remove("m00.example.org", "m01.example.org", "m02.example.org")
    assert log.after_a_step() == []
    lines = log.after_a_step(force=Force.PAST_GUARD)
    assert [line.partition(", because of ")[2] for line in lines] == ["`mirrorwise worker --force`"]


def test_what_another_machine_found(
    network: Network, store: FileStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the prober's finding, as if it were in files of this machine."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    names = network.several(4)
    log = Log(caplog, network.worker())
    log.after_a_step()
    at = datetime.fromtimestamp(NOON, UTC)
    found = dict.fromkeys(names, Status.OK) | {names[3]: Status.UNREACHABLE}
    states = {name: MirrorState(mirror=name, probed_at=at, status=status) for name, status in found.items()}
    store.share("survey/other", encode(Survey(states=states, last_round=ProbeRound(completed_at=at))))
    (line,) = log.after_a_step()
    assert line.startswith(
        "-1 mirror (m03.example.org), 8 lists changed, because of what the prober found of "
    )

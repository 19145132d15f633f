"""A fleet of which most mean harm: the good mirrors in it are judged right, and soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.model import Status
from app.probe import Pace, ProbeOptions, run_probe
from app.probe.fetch import Network
from app.probe.surroundings import MIRROR_S
from app.sources.probe_state import read_mirror_state
from tests.probe import hostile

BAD, GOOD = 80, 30


@pytest.mark.slow
def test_a_hostile_fleet_costs_neither_time_nor_verdicts(tmp_path: Path) -> None:
    """Eighty mirrors with every malice there is and thirty good ones, under the real limits: all good ones
    are ok and written long before the hostile ones end; none of these takes longer than a mirror may; and
    the prober waits rather than works."""
    with hostile.served(tmp_path, "all", BAD, GOOD) as fleet:
        network = Network(lookup=hostile.lookup, clock=lambda: fleet.now, routed=lambda family: True)
        started, before_s = time.time(), time.process_time()
        assert run_probe(ProbeOptions(data_dir=tmp_path), network, Pace(retry_after_s=1.0)) == 0
        took_s, worked_s = time.time() - started, time.process_time() - before_s
    paths = {path.stem: path for path in (tmp_path / "state" / "mirrors").glob("[!.]*.json")}
    good = {name: path for name, path in paths.items() if name.startswith("good-")}
    assert {name: read_mirror_state(path).status for name, path in good.items()} == {
        f"good-{number}.example.org": Status.OK for number in range(GOOD)
    }
    assert max(path.stat().st_mtime for path in good.values()) - started < 30
    assert took_s < MIRROR_S + 30
    assert worked_s < 30
    states = [read_mirror_state(path) for name, path in paths.items() if name not in good]
    well = {state.mirror.rpartition("-")[0] for state in states if state.status is Status.OK}
    assert well <= {"starts-well-elements"}, "its files are old, but files"

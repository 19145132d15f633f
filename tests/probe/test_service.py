"""The prober as people run it: rounds, restarts, kills, and what it says."""

from __future__ import annotations

import datetime as dt
import io
import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console

from app.model import Content, MirrorState, Status
from app.probe import ProbeOptions, run_probe
from app.probe.records import Records, write_json
from app.sources.folder import DataFolder
from app.sources.people_files import PeopleFiles
from app.sources.probe_state import read_mirror_state, read_repo_versions
from tests.conftest import ROOT, wait_until
from tests.probe import fleet as f
from tests.probe.conftest import PACE, Probing
from tests.probe.fleet import Fleet

QUARTER = dt.timedelta(minutes=15)


def contents_asked(fleet: Fleet, name: str) -> list[str]:
    return [path for _, path in fleet.requests_to(name) if path.endswith("repomd.xml")]


def test_a_quiet_round_asks_little_and_conditionally(fleet: Fleet, probing: Probing) -> None:
    """A quarter of an hour after a full round: the timestamp file and one repo, and the mirror
    answers that one with 304."""
    validators: list[bool] = []

    async def listen(fleet: Fleet, asked: f.Asked) -> None:
        if asked.path.endswith("repomd.xml"):
            validators.append("if-none-match" in asked.headers)
        await f.fresh(fleet, asked)

    name = fleet.add("a.example.org", listen)
    probing()
    assert validators == [False] * 4
    validators.clear()
    fleet.log.clear()
    fleet.now += QUARTER
    probing()
    assert validators == [True]
    assert len(fleet.requests_to(name)) == 2
    assert set(probing.state(name).content.values()) == {Content.CURRENT}


def test_a_full_round_asks_for_everything_unconditionally(fleet: Fleet, probing: Probing) -> None:
    """`--full` trusts nothing that was seen before."""
    name = fleet.add("a.example.org")
    probing()
    fleet.log.clear()
    fleet.behaviours[name] = f.damaged(lambda body: body[:-5], part="appstream")
    fleet.now += QUARTER
    probing(full=True)
    assert len(set(contents_asked(fleet, name))) == 4
    assert probing.state(name).content["9.8/appstream/x86_64"] is Content.CORRUPT


def test_all_mirrors_are_asked_when_the_origin_has_changed(fleet: Fleet, probing: Probing) -> None:
    """In the next round after the change, and again once they have synced."""
    name = fleet.add("a.example.org")
    probing()
    fleet.dates.insert(0, 1_795_100_000)
    fleet.behaviours[name] = f.one_version_behind
    fleet.now += QUARTER
    probing()
    assert set(probing.state(name).content.values()) == {Content.PREVIOUS}
    fleet.behaviours[name] = f.fresh
    fleet.synced_at += QUARTER
    fleet.now += QUARTER
    probing()
    assert set(probing.state(name).content.values()) == {Content.CURRENT}


def test_release_day(fleet: Fleet, probing: Probing) -> None:
    """A release that is new in the config is unknown at every mirror until the next round, and known
    of every one after it."""
    has_it = fleet.add("has.example.org")
    has_not = fleet.add("has-not.example.org", f.without("/10.0/"))
    probing()
    assert not any(key.startswith("10.0/") for key in probing.state(has_it).content)
    fleet.releases = ("9.8", "10.0")
    fleet.write_config()
    fleet.now += QUARTER
    probing()
    found = {name: probing.state(name).content["10.0/baseos/x86_64"] for name in (has_it, has_not)}
    assert found == {has_it: Content.CURRENT, has_not: Content.MISSING}
    assert [probing.state(name).status for name in (has_it, has_not)] == [Status.OK, Status.DEGRADED]


def test_only_mirrors_that_need_a_state_are_asked(fleet: Fleet, probing: Probing) -> None:
    """Not disabled ones, not those that are always taken as good, and private ones only by name."""
    names = [
        fleet.add("disabled.example.org", disabled=True),
        fleet.add("trusted.example.org", probe=False),
        fleet.add("private.example.org", private=True, asn=64500),
    ]
    probing()
    assert not any(map(probing.has_state, names))
    assert probing("private.example.org") == 0
    assert probing.state("private.example.org").status is Status.OK


def test_private_addresses_are_for_private_mirrors_unless_allowed(fleet: Fleet, probing: Probing) -> None:
    """A public mirror at a loopback address is not asked, and told why; a private one may be there."""
    fleet.write_config(allow_private_addresses=False)
    public, private = fleet.add("a.example.org"), fleet.add("b.example.org", private=True, asn=64500)
    assert probing(public, private) == 1
    assert "127.0.0.1 is a loopback address" in (probing.state(public).reason or "")
    assert fleet.requests_to(public) == []
    assert probing.state(private).status is Status.OK


def test_a_spent_budget_is_remembered_and_judges_nobody(fleet: Fleet, probing: Probing) -> None:
    """Over several runs within the hour a host is not asked more than it may be, and keeps its state."""
    fleet.write_config(requests_per_hour=10)
    name = fleet.add("a.example.org")
    probing(full=True)
    assert len(fleet.requests_to(name)) == 7
    probing(full=True)
    assert len(fleet.requests_to(name)) == 10
    assert probing.state(name).status is Status.OK
    fleet.now += dt.timedelta(hours=1)
    probing(full=True)
    assert len(fleet.requests_to(name)) == 17


def test_a_dead_network_is_said_so_and_the_origin_s_facts_stay(
    fleet: Fleet, probing: Probing, caplog: pytest.LogCaptureFixture
) -> None:
    """The states tell what was measured; whether to believe it is for the worker's guard."""
    names = [fleet.add(f"m{number}.example.org") for number in range(3)]
    probing()
    facts = read_repo_versions(fleet.folder / "state" / "repos.json")
    fleet.addresses |= {name: [f.REFUSED_ADDRESS] for name in (*names, f.ORIGIN)}
    fleet.now += QUARTER
    with caplog.at_level(logging.INFO, "mirrorwise.probe"):
        assert probing() == 0
    assert {probing.state(name).status for name in names} == {Status.UNREACHABLE}
    assert read_repo_versions(fleet.folder / "state" / "repos.json") == facts
    assert "is this machine's network down?" in caplog.messages[-1]


def test_a_round_leaves_one_line(fleet: Fleet, probing: Probing, caplog: pytest.LogCaptureFixture) -> None:
    """Mirrors by verdict, requests, the slowest hosts, and who has been disabled."""
    fleet.add("good.example.org")
    gone = fleet.add("gone.example.org", f.hangs_up)
    down = MirrorState(
        mirror=gone,
        probed_at=fleet.now - dt.timedelta(hours=2),
        status=Status.UNREACHABLE,
        since=fleet.now - dt.timedelta(days=15),
        failures=900,
        reason="no answer",
    )
    records = Records(DataFolder(fleet.folder))
    records.prepare()
    write_json(records.state(gone), down)
    with caplog.at_level(logging.INFO, "mirrorwise.probe"):
        probing()
    line = caplog.messages[-1]
    assert (
        "2 mirrors in " in line and "1 ok, 0 degraded, 0 stale, 1 unreachable, 0 broken; 7 requests" in line
    )
    assert "slowest: good.example.org" in line
    assert "disabled after 14 days unreachable: gone.example.org" in line
    assert probing.state(gone) == down, "a disabled mirror is left alone for a day"
    fleet.now += dt.timedelta(hours=23)
    probing()
    assert probing.state(gone).failures == 901
    fleet.behaviours[gone] = f.fresh
    assert probing(gone) == 0, "asked by name it may come back at once"


def test_a_mirror_s_admin_is_told_everything(fleet: Fleet, probing: Probing) -> None:
    """By name and verbosely: verdict, endpoints, dates, and each repo that is not current."""
    name = fleet.add("a.example.org", f.without("s390x"))
    assert probing(name, full=True, verbose=True) == 1
    said = probing.output.getvalue()
    for line in (
        "a.example.org: degraded: it lacks 3 of 6 directories: 9.8/appstream/s390x (missing), ",
        "  addresses: 127.0.0.1\n",
        "  http over IPv4: ok, ",
        "  timestamp: 2026-11-20 09:50:00+00:00; the origin's: 2026-11-20 09:50:00+00:00\n",
        "  repos: 2 current, 2 missing\n",
        "    9.8/baseos/s390x: missing\n",
        "  ISO directories: 1 of 2; missing: 9.8/s390x\n",
    ):
        assert line in said


def test_exit_codes(fleet: Fleet, probing: Probing, caplog: pytest.LogCaptureFixture) -> None:
    """0: all named mirrors are ok. 1: one is not, or the config is at fault. 2: no such mirror."""
    good, bad = fleet.add("good.example.org"), fleet.add("bad.example.org", f.hangs_up)
    assert probing(good) == 0
    assert probing(good, bad) == 1
    assert "bad.example.org: unreachable: http over IPv4: " in probing.output.getvalue()
    assert probing("nobody.example.org") == 2
    assert "there is no mirror of the name nobody.example.org among the 2" in caplog.text
    (fleet.folder / "config.yml").write_text("config_version: 3\n")
    assert probing() == 1
    assert "config.yml" in caplog.messages[-1]


def test_one_round_of_named_mirrors_is_not_a_complete_one(fleet: Fleet, probing: Probing) -> None:
    """Or all other mirrors without state would stop being served."""
    name = fleet.add("a.example.org")
    probing(name)
    assert not (fleet.folder / "state" / "round.json").exists()


def test_a_damaged_state_file_is_made_anew(fleet: Fleet, probing: Probing) -> None:
    """The prober's files are its own: what cannot be read is measured again."""
    name = fleet.add("a.example.org")
    probing()
    for path in (fleet.folder / "state").rglob("*.json"):
        path.write_text("{")
    fleet.now += QUARTER
    assert probing() == 0
    assert len(probing.state(name).content) == 4
    assert len(read_repo_versions(fleet.folder / "state" / "repos.json")) == 4


def test_a_terminal_shows_how_far_the_round_is(fleet: Fleet) -> None:
    """A bar with counts by verdict and the slowest hosts."""
    fleet.add("a.example.org")
    fleet.add("b.example.org", f.hangs_up)
    output = io.StringIO()
    console = Console(file=output, width=200, force_terminal=True)
    assert run_probe(ProbeOptions(data_dir=fleet.folder), fleet.network(), PACE, console) == 0
    shown = output.getvalue()
    assert "2/2" in shown
    assert "1 ok, 0 degraded, 0 stale, 1 unreachable, 0 broken" in shown
    assert "slowest: " in shown


def test_a_file_that_breaks_keeps_its_last_definition(fleet: Fleet) -> None:
    """Mirror files and the service config alike; a mirror that was never sound is left out."""
    name = fleet.add("a.example.org")
    files = PeopleFiles(DataFolder(fleet.folder))
    before = (files.read(), files.mirrors)
    for broken in (name, "b.example.org"):
        (fleet.folder / "mirrors.d" / f"{broken}.yml").write_text("name: [")
    (fleet.folder / "config.yml").write_text("config_version: 99\n")
    assert (files.read(), files.mirrors) == before


# --- as a process ----------------------------------------------------------------------------------

CHILD = """
import datetime as dt, sys
from pathlib import Path
from app.probe import Pace, ProbeOptions, run_probe
from app.probe.fetch import Network

async def lookup(host):
    return ["127.0.0.1"]

now = dt.datetime.fromisoformat(sys.argv[2])
every_s = float(sys.argv[3]) or None
network = Network(lookup=lookup, clock=lambda: now, routed=lambda family: True)
options = ProbeOptions(data_dir=Path(sys.argv[1]), every_s=every_s)
sys.exit(run_probe(options, network, Pace(0.01, 0.0, 0.05)))
"""


def start(fleet: Fleet, every_s: float, output: TextIO | None = None) -> subprocess.Popen[bytes]:
    arguments = [str(fleet.folder), fleet.now.isoformat(), str(every_s)]
    return subprocess.Popen([sys.executable, "-c", CHILD, *arguments], cwd=ROOT, stderr=output)


def states(folder: Path) -> dict[str, MirrorState]:
    """All state files; fails where one is not whole."""
    return {path.stem: read_mirror_state(path) for path in (folder / "state" / "mirrors").glob("[!.]*.json")}


@pytest.mark.slow
def test_killed_in_a_round_the_next_one_goes_on(fleet: Fleet, probing: Probing) -> None:
    """After kill -9 every state file is whole, mirrors that were done keep their state, and the next
    round asks them little and the others everything."""
    for number in range(150):
        fleet.add(f"m{number}.example.org")
    child = start(fleet, every_s=0)
    wait_until(
        lambda: len(list((fleet.folder / "state").glob("mirrors/[!.]*.json"))) >= 20, "twenty mirrors done"
    )
    child.kill()
    assert child.wait() == -signal.SIGKILL
    done = states(fleet.folder)
    remembered = {path.stem for path in (fleet.folder / "state" / "probe").glob("[!.]*.json")}
    assert remembered <= set(done)
    assert 20 <= len(done) < 150
    assert not (fleet.folder / "state" / "round.json").exists()
    fleet.log.clear()
    fleet.now += QUARTER
    assert probing() == 0
    after = states(fleet.folder)
    assert len(after) == 150
    assert {state.status for state in after.values()} == {Status.OK}
    asked = {name: len(contents_asked(fleet, name)) for name in after}
    assert asked == {name: 1 if name in remembered else 4 for name in after}


@pytest.mark.slow
def test_rounds_go_on_until_the_prober_is_told_to_stop(fleet: Fleet) -> None:
    """With an interval: round after round, the origin watched meanwhile, a mirror added in between
    taken up; one that gives no answer for ten seconds delays none of it. SIGTERM ends it with 0."""
    silent = fleet.add("silent.example.org", f.silent)
    first = fleet.add("a.example.org")
    child = start(fleet, every_s=0.1)
    try:
        wait_until(lambda: first in states(fleet.folder), "the first round")
        second = fleet.add("b.example.org")
        wait_until(lambda: second in states(fleet.folder), "the second mirror")
        rounds = len(fleet.requests_to(first))
        wait_until(lambda: len(fleet.requests_to(first)) > rounds + 5, "more rounds")
        assert len(fleet.requests_to(silent)) == 1
        looks = len(fleet.requests_to(f.ORIGIN))
        wait_until(lambda: len(fleet.requests_to(f.ORIGIN)) > looks + 10, "two more looks at the origin")
    finally:
        child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 0


@pytest.mark.slow
@pytest.mark.parametrize("part", ["state", "state/probe", "mirrors.d"])
def test_rounds_go_on_while_a_folder_is_of_no_use(fleet: Fleet, tmp_path: Path, part: str) -> None:
    """A folder that turns into a loop of links ends no running prober: it says what it cannot read or write,
    without a traceback, and goes on when the folder is back."""
    first = fleet.add("a.example.org")
    log = tmp_path / "log"
    folder, away = fleet.folder / part, tmp_path / "away"
    with log.open("w") as output:
        child = start(fleet, every_s=0.05, output=output)
    try:
        wait_until(lambda: first in states(fleet.folder), "the first round")
        folder.rename(away)
        folder.symlink_to(folder.name)
        said = (str(folder), f"{part}: fault: ")
        wait_until(lambda: any(words in log.read_text() for words in said), "it is named")
        folder.unlink()
        try:
            away.rename(folder)
        except OSError:  # a round has just made the folder anew
            shutil.rmtree(folder)
            away.rename(folder)
        second = fleet.add("b.example.org")
        wait_until(lambda: second in states(fleet.folder), "the second mirror")
    finally:
        child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 0
    assert "Traceback" not in log.read_text()

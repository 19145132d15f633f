"""`mirrorwise changes`: what differs between two moments, and why."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.model import Content, Status
from app.past.archive import Archive
from tests.servers import environ
from tests.worker.network import CONFIG, Network

HOUR_S = 3600.0
AU, DOWN, GONE, LACKS, HIDDEN = (f"{name}.example.org" for name in ("au", "down", "gone", "lacks", "corp"))


class Past:
    """A network as it was three hours ago, two hours ago, and is now."""

    def __init__(self, folder: Path) -> None:
        self.network = network = Network(folder)
        self.now = time.time()
        (network.data / "places.csv").write_text("place,clients\nDE/50/8,40\nFR/48/2,20\nAU/-34/151,40\n")
        names = [*network.several(6), DOWN, GONE, LACKS]
        for name in names[6:]:
            network.mirror(name, "FR")
        good = {f"9.8/{repo}/{arch}": Content.CURRENT for repo in ("baseos", "appstream") for arch in ARCHES}
        self.then = self.now - 3 * HOUR_S
        network.probed(names, at_s=self.then, content=good)
        worker = network.worker(cities=(network.city_database(),))
        worker.step(self.then)
        while worker.wait(self.then):
            self.then += 1
            worker.step(self.then)
        worker._recorder.close()

        at_s = self.now - 2 * HOUR_S
        network.state(DOWN, Status.UNREACHABLE, at_s=at_s, reason="no answer within 10 s", failures=2)
        lacks = {**good, "9.8/baseos/aarch64": Content.MISSING}
        network.state(LACKS, Status.DEGRADED, at_s=at_s, content=lacks, reason="lacks 9.8/baseos/aarch64")
        worker.step(at_s)
        worker._recorder.close()

        network.remove(GONE)
        network.mirror(AU, "AU", more="probe: false\n")
        network.mirror(HIDDEN, more="private: true\nsubnets: [10.20.0.0/16]\n")
        worker.step(self.now - 60)
        worker.stop()
        self.environ = environ(network.data, network.var, GEOIP_CITY=str(network.data / "geoip/city.mmdb"))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["changes", *arguments], env=self.environ)

    def found(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


ARCHES = ("x86_64", "aarch64")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return Past(tmp_path_factory.mktemp("changes"))


def test_mirrors_that_came_and_went(past: Past) -> None:
    """Each with the number of lists, and with what the prober or people say."""
    found = {one["mirror"]: one for one in past.found("--since", "170m")["mirrors"]}
    assert found.keys() == {AU, HIDDEN, DOWN, GONE, LACKS}
    assert (found[DOWN]["change"], found[DOWN]["left"], found[DOWN]["entered"]) == ("went", 8, 0)
    assert (found[DOWN]["before"], found[DOWN]["after"]) == ("ok", "unreachable: no answer within 10 s")
    assert (found[GONE]["change"], found[GONE]["after"]) == ("went", "unknown to the service")
    assert found[AU]["change"] == found[HIDDEN]["change"] == "came"
    assert (found[AU]["before"], found[AU]["entered"]) == ("unknown to the service", 8)
    assert (found[LACKS]["change"], found[LACKS]["left"]) == ("in fewer lists", 1)
    assert found[LACKS]["after"] == "degraded: lacks 9.8/baseos/aarch64"


def test_whose_clients_moved(past: Past) -> None:
    """All of Australia's have a mirror of their own now, and those in France whose mirror is away have
    another one; Germany's keep theirs."""
    result = past.found("--since", "170m")
    moved = {one["country"]: (one["clients"], one["moved"]) for one in result["countries"]}
    assert moved["AU"] == pytest.approx((0.4, 0.4))
    assert 0.05 < moved["FR"][1] < moved["FR"][0] == pytest.approx(0.2)
    assert "DE" not in moved
    assert result["moved"] == pytest.approx(moved["AU"][1] + moved["FR"][1])
    shares = {one["mirror"]: one["after"] - one["before"] for one in result["shares"]}
    assert shares[AU] == pytest.approx(0.4) and sum(shares.values()) == pytest.approx(0, abs=1e-6)


def test_between_two_generations(past: Past) -> None:
    """By the beginnings of their names, or by moments."""
    archive = Archive.of(past.network.var)
    names = [archive.at(past.now - minutes * 60).kept.generation for minutes in (175, 100)]
    by_name = past.found(names[0][:8], names[1])
    assert {one["mirror"] for one in by_name["mirrors"]} == {DOWN, LACKS}
    by_moment = past.found("175m", "100m")
    assert by_moment["mirrors"] == by_name["mirrors"]
    backwards = past.found(names[1], names[0])
    assert {one["change"] for one in backwards["mirrors"]} == {"came", "in more lists"}
    down = {one["mirror"]: one for one in backwards["mirrors"]}[DOWN]
    assert (down["before"], down["after"]) == ("unreachable: no answer within 10 s", "ok")


def test_text(past: Past) -> None:
    """Tables with the largest changes, and the two generations."""
    result = past.run("--since", "170m")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("from generation ") and lines[1].startswith("to   generation ")
    assert lines[2].startswith("clients whose first mirror is another: ")
    row = next(line for line in lines if line.startswith(DOWN))
    assert row.split()[:5] == [DOWN, "8", "went", "ok", "unreachable:"]
    assert any(line.startswith("AU ") and "100.00 %" in line for line in lines)


def test_nothing_differs(past: Past) -> None:
    """The same generation at both moments says so."""
    result = past.run("--since", "30s")
    assert result.exit_code == 0 and "it is the same generation: nothing differs" in result.stdout
    assert past.found("--since", "30s")["moved"] == 0


@pytest.mark.slow
def test_prices(tmp_path: Path) -> None:
    """The largest changes of prices come first."""
    network = Network(tmp_path)
    network.several(24)
    network.mirror(AU, "AU")
    (network.data / "places.csv").write_text("place,clients\nDE/50/8,40\nAU/-34/151,60\n")
    worker = network.worker(cities=(network.city_database(),))
    at_s = time.time() - 600
    worker.step(at_s)
    while worker.wait(at_s):
        worker.step(at_s)
        worker._recorder.close()
        at_s += 1
    worker.stop()
    variables = environ(network.data, network.var, GEOIP_CITY=str(network.data / "geoip/city.mmdb"))
    kept = Archive.of(network.var).kept()
    between = (kept[0].generation, kept[-1].generation)
    result = CliRunner().invoke(main, ["changes", *between, "--json"], env=variables)
    found = json.loads(result.stdout)["prices"]
    assert found[0]["mirror"] == AU and found[0]["before"] == 0 and found[0]["after"] > 50


def test_without_numbers_of_clients(past: Past, tmp_path: Path) -> None:
    """What is known of mirrors is said all the same."""
    other = Network(tmp_path)
    other.config.write_text(CONFIG)
    (other.var).mkdir()
    (other.var / "past").symlink_to(past.network.var / "past")
    variables = environ(other.data, other.var, GEOIP_CITY=str(tmp_path / "none.mmdb"))
    result = CliRunner().invoke(main, ["changes", "--since", "170m", "--json"], env=variables)
    found = json.loads(result.stdout)
    assert found["moved"] is None and len(found["mirrors"]) == 5
    assert "it is not known where clients are" in " ".join(found["notes"])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["abcd1234"], 2, "name two generations, or none", id="one alone"),
        pytest.param(["ffffffff", "1h"], 1, "'ffffffff' is no generation that is kept", id="unknown"),
        pytest.param(["--since", "soon"], 2, "write '2026-11-20 14:00'", id="no moment"),
        pytest.param(["--since", "2001-01-01"], 1, "nothing is kept of 2001-01-01", id="too long ago"),
    ],
)
def test_what_cannot_be_compared(past: Past, arguments: list[str], code: int, says: str) -> None:
    """The message says what is wrong."""
    result = past.run(*arguments)
    assert (result.exit_code, says in result.stderr) == (code, True)

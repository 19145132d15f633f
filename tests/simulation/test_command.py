"""`mirrorwise simulate`, as an operator runs it."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.history.recent import RecentRequests, encode
from app.model import Status
from app.simulation.what_if import policy_changes
from app.store import FileStore
from app.worker.counted import SHARED
from app.worker.loop import Worker
from app.worker.losses import Force
from app.worker.running import run_once
from tests.conftest import ROOT
from tests.servers import OURS
from tests.worker.network import MIRROR, Network

LONE = "mirror.example.net"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 mirrors in Germany and one in Australia, where 60 % of the clients are; published."""
    folder = tmp_path_factory.mktemp("template")
    network = Network(folder)
    network.several(24)
    network.mirror(LONE, "AU")
    (network.data / "places.csv").write_text("place,clients\nDE/50/8,40\nAU/-34/151,60\n")
    assert run_once(network.worker(cities=(network.city_database(),)))
    return folder


@pytest.fixture
def published(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A copy of the template, in an environment that leads to it."""
    network = Network(tmp_path / "network")
    shutil.copytree(template, tmp_path / "network", dirs_exist_ok=True)
    for name in filter(OURS.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("MIRRORWISE_DATA", str(network.data))
    monkeypatch.setenv("MIRRORWISE_VAR", str(network.var))
    return network


@pytest.fixture
def network(published: Network) -> Network:
    """The same with nothing published yet, but all places known."""
    shutil.rmtree(published.var / "store")
    return published


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments])


def simulated(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def shares(outcome: Any) -> dict[str, float]:
    return {one["mirror"]: one["share"] for one in outcome["mirrors"]}


# --- what is live ------------------------------------------------------------------------------------


def test_text(published: Network) -> None:
    """The figures of the whole, then the most loaded mirrors, then lone ones; on a pipe as plain text."""
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "25 mirrors for clients in 2 places, as in places.csv"
    assert lines[1].startswith("prices: as published, last decided ")
    for label in ("mean distance", "median", "95th percentile", "own country", "own continent", "effective"):
        assert any(label in line for line in lines[2:12]), label
    lone, sentence = (line for line in lines if line.startswith(LONE))
    share, kept = shares(simulated()["live"])[LONE], simulated()["live"]["lone_mirrors"][0]["kept"]
    assert share == pytest.approx(0.6 * kept)
    assert lone.split()[1:4] == ["AU", f"{100 * share:.2f}", "%"]
    assert "the only mirror of its continent (OC), which has 60.00 % of all clients" in sentence
    assert f"{100 * kept:.2f} % of them begin with it at its price of " in sentence
    assert sentence.endswith(f"; {100 - 100 * kept:.2f} % in EU")
    assert "\x1b" not in result.stdout
    assert all(line == line.rstrip() for line in lines)


def counted(network: Network, **sent: float) -> None:
    """What the worker has read of a million requests, 60 % from Australia. `sent` are first mirrors."""
    recent = RecentRequests(
        requests=1_000_000,
        places={"DE/50/8": 400_000.0, "AU/-34/151": 600_000.0},
        mirrors={f"{name}.example.org": number for name, number in sent.items()},
    )
    FileStore(network.var / "store").share(SHARED, encode(recent))


def test_planned_and_sent(published: Network) -> None:
    """Counted requests are demand, and what each mirror was sent stands beside what it was meant to get, with
    the largest differences below."""
    (published.data / "places.csv").unlink()
    counted(published, m00=300_000, m01=100_000, private=600_000)
    found = simulated()
    assert (found["counted"], found["requests"]) == ("requests and city database", 1_000_000)
    assert found["live"]["lone_mirrors"][0]["clients"] == pytest.approx(0.595, abs=0.005)
    planned = shares(found["live"])
    assert {one["mirror"]: one["planned"] for one in found["compared"]} == pytest.approx(planned)
    assert [one["sent"] for one in found["compared"] if one["sent"]] == [0.75, 0.25]
    lines = run("--all").stdout.splitlines()
    assert lines[0].endswith(" places, counted by 1,000,000 requests and the city database")
    heads = next(line for line in lines if line.startswith("mirror, most loaded first"))
    assert heads.split()[4:8] == ["country", "share", "sent", "of"]
    [row] = (line for line in lines if line.startswith("m01.example.org") and " x " in line)
    assert row.split()[4:6] == ["25.00", "%"]
    first = lines[next(n for n, line in enumerate(lines) if line.startswith("mirror, planned and sent")) + 1]
    difference = 0.75 - planned["m00.example.org"]
    assert first.split() == [
        "m00.example.org",
        *(f"{100 * planned['m00.example.org']:.2f}", "%", "75.00", "%", f"+{100 * difference:.2f}", "%"),
    ]


def test_places_csv_with_counts(published: Network) -> None:
    """What people measured decides who is sent where, and what was sent is shown all the same."""
    counted(published, m00=1.0)
    found = simulated()
    assert (found["counted"], found["places"]) == ("places.csv", 2)
    assert found["compared"][0]["sent"] == 1.0


def test_without_counts(published: Network) -> None:
    """Where nothing was counted, nothing is compared."""
    assert simulated()["compared"] == []
    assert "sent" not in run().stdout


def test_a_change_with_counts(published: Network) -> None:
    """The text of a change shows what would be, not what was sent."""
    counted(published, m00=1.0)
    assert "planned" not in run("--without", "m00.example.org").stdout


@pytest.mark.parametrize(
    "away",
    [
        "state",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("state/mirrors", "state/round.json")),
    ],
)
def test_what_is_away(published: Network, away: str) -> None:
    """What the worker keeps while a folder is away is simulated, too, and the note says what is missing."""
    names = [path.stem for path in published.mirrors.iterdir()]
    published.probed(names)
    published.state("m00.example.org", Status.STALE)
    assert run_once(
        published.worker(cities=(published.data / "geoip" / "city.mmdb",)), force=Force.PAST_GUARD
    )
    before = simulated()
    (published.data / away).rename(published.data / "elsewhere")
    after = simulated()
    assert shares(after["live"]) == shares(before["live"])
    assert [note.partition(":")[0] for note in after["notes"]] == [away]


def test_odd_lines_of_mirmon(published: Network) -> None:
    """They are as harmless here as for the worker."""
    (published.data / "state").mkdir()
    line = "https://m03.example.org/examplelinux/ undef ok undef s x 1795738000\n"
    (published.data / "state" / "mirmon.state").write_text(line)
    assert simulated()["mirrors"] == 25


def test_only_the_most_loaded_unless_all(published: Network) -> None:
    """20 mirrors in the text, every one with --all, and in --json."""

    def shown(text: str) -> int:
        return sum(line.split()[1:2] in (["DE"], ["AU"]) for line in text.splitlines())

    assert shown(run().stdout) == 20
    assert shown(run("--all").stdout) == 25
    assert len(simulated()["live"]["mirrors"]) == 25


def test_json(published: Network) -> None:
    """Everything the text says, as numbers."""
    found = simulated()
    assert (found["mirrors"], found["places"], found["counted"]) == (25, 2, "places.csv")
    assert found["priced_at_s"] > 0
    assert (found["then"], found["changed"], found["notes"]) == (None, None, [])
    live = found["live"]
    assert sum(shares(live).values()) == pytest.approx(1)
    [lone] = [one for one in live["mirrors"] if one["mirror"] == LONE]
    assert lone["load_km"] > 1000 and lone["ratio"] <= 4
    assert live["lone_mirrors"][0]["mirror"] == LONE


def test_publishes_nothing(network: Network) -> None:
    """Before the first publication prices are solved for the simulation alone, which says so; the store
    stays as it is, and the lease free."""
    result = run()
    assert "prices: none are published yet" in result.stdout
    assert simulated()["priced_at_s"] is None
    store = FileStore(network.var / "store")
    assert store.pointer() is None
    assert store.memory() is None
    assert store.lease("somebody", 1)


@pytest.mark.slow
def test_beside_a_running_worker(network: Network) -> None:
    """The worker's lease is no obstacle."""
    worker: Worker = network.worker()
    worker.step(1_800_000_000.0)
    assert worker.leading
    assert run().exit_code == 0
    worker.stop()


def test_reads_what_the_worker_reads(published: Network) -> None:
    """A mirror file that turned bad counts as last published, and is named."""
    (published.mirrors / "m00.example.org.yml").write_text("name: [")
    found = simulated()
    assert found["mirrors"] == 25
    assert any(note.startswith("mirrors/m00.example.org.yml: ") for note in found["notes"])


def test_store_away(published: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the store there are no published prices: simulated all the same, with a note."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    result = run()
    assert result.exit_code == 0
    assert "note: store: " in result.stdout
    assert "prices: none are published yet" in result.stdout


def test_what_is_not_published_is_not_live(published: Network) -> None:
    """While the guard holds back what the files say, live is what clients get, and `then` is what would be
    published. Changes are made to what the files say."""
    live = simulated()["live"]
    published.remove(*(f"m{number:02}.example.org" for number in range(20)))
    city = published.data / "geoip" / "city.mmdb"
    worker = published.worker(cities=(city,))
    worker.step(time.time())
    worker.stop()
    assert "guard/files" in worker.faults.current
    found = simulated()
    assert found["live"] == live
    assert len(shares(found["live"])) == 25 and len(shares(found["then"])) == 5
    assert found["changed"] > 0
    assert any("not published yet" in note for note in found["notes"])
    assert any(note.startswith("guard: edits of 20 mirror files are held back") for note in found["notes"])
    found = simulated("--without", LONE)
    assert found["live"] == live and len(shares(found["then"])) == 4


# --- what if -----------------------------------------------------------------------------------------


def test_without(published: Network) -> None:
    """A mirror taken away moves its clients and nobody else, with prices as they stand."""
    found = simulated("--without", LONE)
    assert found["changed"] == pytest.approx(shares(found["live"])[LONE])
    assert LONE not in shares(found["then"])
    text = run("--without", LONE).stdout.splitlines()
    [line] = [line for line in text if line.startswith("clients whose first mirror is another")]
    assert line.split()[-2:] == [f"{100 * found['changed']:.2f}", "%"]
    [gone] = [line for line in text if line.startswith(f"{LONE} ")]
    assert gone.split()[1:6] == ["AU", f"{100 * found['changed']:.2f}", "%", "0.00", "%"]


def test_without_several(published: Network) -> None:
    """The option can be repeated."""
    found = simulated("--without", "m01.example.org", "--without", "m02.example.org")
    live = shares(found["live"])
    assert found["changed"] == pytest.approx(live["m01.example.org"] + live["m02.example.org"])


def test_without_one_that_gets_nobody(published: Network) -> None:
    """Taking away a mirror that is not served by place changes nothing, which is said."""
    published.mirror("down.example.org", more="disabled: true\n")
    found = simulated("--without", "down.example.org")
    assert found["changed"] == 0
    assert any("down.example.org gets no clients by their place" in note for note in found["notes"])


def test_with(published: Network, tmp_path: Path) -> None:
    """A new mirror's file, before it is in the network, wherever it lies."""
    path = tmp_path / "second.example.net.yml"
    path.write_text(MIRROR.format(name="second.example.net", country="AU"))
    found = simulated("--with", str(path))
    assert shares(found["then"])["second.example.net"] > 0.4
    assert found["changed"] == pytest.approx(shares(found["then"])["second.example.net"])
    settled = simulated("--with", str(path), "--settled")
    assert shares(settled["then"])["second.example.net"] <= 4 / 26
    assert settled["then"]["lone_mirrors"] == []


def test_with_in_place_of_one_that_is_there(published: Network, tmp_path: Path) -> None:
    """The file of a mirror that is there already takes its place: what if it had four times the capacity?"""
    path = tmp_path / "changed.yml"
    path.write_text(MIRROR.format(name=LONE, country="AU") + "weight: 4\n")
    found = simulated("--with", str(path), "--settled")
    assert len(shares(found["then"])) == 25
    assert 0.4 < shares(found["then"])[LONE] <= 4 * 4 / 28
    assert found["notes"] == [f'--with: "changed.yml" takes the place of the mirror {LONE} that there is']


def test_with_a_name_in_other_case(published: Network, tmp_path: Path) -> None:
    """The worker takes it for the same name, and so does the simulation."""
    path = tmp_path / "changed.yml"
    path.write_text(MIRROR.format(name=LONE.upper(), country="AU"))
    found = simulated("--with", str(path))
    assert len(shares(found["then"])) == 25 and LONE not in shares(found["then"])
    assert any(f"takes the place of the mirror {LONE} " in note for note in found["notes"])


def test_with_the_same_name_twice(published: Network, tmp_path: Path) -> None:
    """Two files that name one mirror are a mistake, and both are named."""
    paths = [tmp_path / "one.yml", tmp_path / "two.yml"]
    for path in paths:
        path.write_text(MIRROR.format(name="second.example.net", country="AU"))
    result = run("--with", str(paths[0]), "--with", str(paths[1]))
    assert result.exit_code == 1
    assert f"{paths[0]} and {paths[1]} both name the mirror" in result.stderr


def test_with_a_mirror_that_the_prober_has_not_seen(published: Network, tmp_path: Path) -> None:
    """It counts as probed and well."""
    published.probed([f"m{number:02}.example.org" for number in range(24)] + [LONE])
    path = tmp_path / "new.yml"
    path.write_text(MIRROR.format(name="new.example.net", country="AU"))
    assert shares(simulated("--with", str(path))["then"])["new.example.net"] > 0


def test_set(published: Network) -> None:
    """Another policy: Germany's mirrors are dear for Australians, so a nearer border changes nothing, and
    a wider spread does."""
    found = simulated("--set", "selection.continent_km=0", "--set", "selection.border_km=0")
    assert found["changed"] > 0.1
    assert shares(found["then"])[LONE] < shares(found["live"])[LONE]


@pytest.mark.parametrize(
    ("setting", "note"),
    [
        pytest.param("selection.length=5", "does not decide who is first", id="length"),
        pytest.param("selection.protocols=http,https", "does not decide who is first", id="protocols"),
        pytest.param("selection.max_share=2", "see --settled", id="max_share"),
    ],
)
def test_set_without_effect(published: Network, setting: str, note: str) -> None:
    """What cannot show is said, rather than left to be puzzled out."""
    found = simulated("--set", setting)
    assert found["changed"] == 0
    assert any(note in text for text in found["notes"])


def test_settled(published: Network) -> None:
    """Prices solved anew: what a lower cap comes to."""
    found = simulated("--set", "selection.max_share=2", "--settled")
    assert shares(found["live"])[LONE] > 2 / 25 >= shares(found["then"])[LONE]
    assert found["notes"] == []


def test_settled_alone(published: Network) -> None:
    """Where prices are heading, when demand has changed since they were decided."""
    (published.data / "places.csv").write_text("place,clients\nDE/50/8,98\nAU/-34/151,2\n")
    found = simulated("--settled")
    price = {one["mirror"]: one["load_km"] for one in found["then"]["mirrors"]}
    assert price[LONE] == 0
    assert found["changed"] == pytest.approx(0.02, abs=0.01)


def test_rule(published: Network) -> None:
    """The rule for comparison: here, everybody within the own country."""
    found = simulated("--rule", "country-500km")
    assert shares(found["then"])[LONE] == pytest.approx(0.6)
    assert found["then"]["own_country"] == pytest.approx(1)
    assert 0 < found["changed"] < 1


# --- faults ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--without", "m01.example.og"], 'did you mean "m01.example.org"', id="a typo"),
        pytest.param(["--without", "x"], '--without: there is no mirror "x"', id="unknown"),
    ],
)
def test_input_at_fault(published: Network, arguments: list[str], says: str) -> None:
    """Exit code 1, naming what was found."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr


def test_a_new_mirrors_file_at_fault(published: Network, tmp_path: Path) -> None:
    """Its faults have file and line, as in `check`."""
    path = tmp_path / "new.yml"
    path.write_text(MIRROR.format(name="new.example.net", country="AU") + "asn: many\n")
    result = run("--with", str(path))
    assert result.exit_code == 1
    assert f"{path}:4: fault: asn" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--set", "border_km=800"], "write selection.KEY=VALUE", id="no section"),
        pytest.param(["--set", "selection.border_km"], "write selection.KEY=VALUE", id="no value"),
        pytest.param(["--set", "selection.border_km="], "has no value", id="empty value"),
        pytest.param(
            ["--set", "selection.bordr_km=8"],
            'continent_km, spread_km, max_share, protocols, origin_last; did you mean "selection.border_km"',
            id="a typo",
        ),
        pytest.param(
            ["--set", "selection.border_km=far"],
            'selection.border_km: must be a number of at least 0 and at most 40000, and is "far"',
            id="a word for a number",
        ),
        pytest.param(["--set", "selection.border_km=-1"], "at least 0", id="too small"),
        pytest.param(["--set", "selection.max_share=0.5"], "or at least 1", id="below the fair share"),
        pytest.param(["--set", "selection.protocols=ftp"], "there are http, https, rsync", id="protocol"),
        pytest.param(["--set", "probe.grace=1h"], "write selection.KEY=VALUE", id="another section"),
        pytest.param(["--rule", "nearest"], "country-500km", id="unknown rule"),
        pytest.param(["--rule", "country-500km", "--settled"], "takes no other changes", id="rule and more"),
        pytest.param(["--with", "/nowhere/new.yml"], "does not exist", id="no such file"),
    ],
)
def test_wrong_usage(network: Network, arguments: list[str], says: str) -> None:
    """Exit code 2, before anything is read, with what is allowed."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_values_are_those_of_the_config() -> None:
    """A value means what it would in config.yml; the last one of a key counts."""
    texts = ["selection.border_km=800", "selection.protocols=http, https", "selection.border_km= 7.5"]
    assert policy_changes(texts) == {"border_km": 7.5, "protocols": ("http", "https")}


def no_mirrors(network: Network) -> None:
    shutil.rmtree(network.mirrors)


def only_a_private_mirror(network: Network) -> None:
    no_mirrors(network)
    network.mirrors.mkdir()
    network.mirror("private.example.org", more="private: true\nsubnets: [192.0.2.0/24]\n")


def nobody(network: Network) -> None:
    (network.data / "places.csv").write_text("place,clients\nDE,0\n")


def no_places(network: Network) -> None:
    (network.data / "places.csv").unlink()
    (network.data / "geoip" / "city.mmdb").unlink()
    shutil.rmtree(network.var)


def unwanted_clients(network: Network) -> None:
    (network.data / "places.csv").write_text("place,clients\nFR,1\n")
    for path in network.mirrors.iterdir():
        path.write_text(path.read_text() + "countries: [DE]\n")


def no_config(network: Network) -> None:
    network.config.unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        pytest.param(no_mirrors, "no mirror can be served to the public", id="no mirrors"),
        pytest.param(only_a_private_mirror, "no mirror can be served to the public", id="no public ones"),
        pytest.param(nobody, "nobody knows where clients are", id="nobody counted"),
        pytest.param(no_places, "nobody knows where clients are", id="no database and no counts"),
        pytest.param(unwanted_clients, "no mirror serves any of the countries", id="nobody wanted"),
        pytest.param(no_config, "config.yml", id="no config"),
    ],
)
def test_nothing_to_simulate(network: Network, harm: Any, says: str) -> None:
    """A sentence and exit code 1, not a traceback."""
    harm(network)
    result = run()
    assert result.exit_code == 1
    assert says in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_scans_the_places_first(network: Network) -> None:
    """Where no worker has looked for the places of the city database yet, simulate does, telling so; the
    next one finds them on disk."""
    (network.data / "places.csv").unlink()
    shutil.rmtree(network.var)
    result = run()
    assert result.exit_code == 0
    assert "looking for the places in the city database" in result.stderr
    assert "counted by the city database" in result.stdout.splitlines()[0]
    again = run()
    assert (again.stderr, again.stdout) == ("", result.stdout)


def test_the_sample(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's first command works on the sample network."""
    monkeypatch.setenv("MIRRORWISE_DATA", str(ROOT / "data"))
    result = run("--without", "mirror.fra1.example.net")
    assert result.exit_code == 0, result.output
    assert "clients whose first mirror is another" in result.stdout

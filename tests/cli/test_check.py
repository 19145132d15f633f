"""`mirrorwise check` as the gate of pull requests: a change is judged by what it is to blame for."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.probe import newcomers
from tests.conftest import need_program
from tests.probe import fleet as f
from tests.probe.conftest import PACE
from tests.probe.fleet import Fleet
from tests.worker.network import CONFIG, Network

ODD = "sponser: Example\n"  # a warning
BAD = "asn: many\n"  # a fault


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def said(result: Result) -> list[str]:
    """What was printed, without the folder, lines and messages."""
    parts = [line.split(": ") for line in result.stdout.splitlines()]
    return [f"{Path(where.partition('.yml')[0]).name} {severity}" for where, severity, *_ in parts]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """Three mirrors, of which one has an old warning and one an old fault."""
    network = Network(tmp_path / "clone")
    network.several(3)
    network.mirror("m01.example.org", more=ODD)
    network.mirror("m02.example.org", more=BAD)
    return network


@pytest.fixture
def git(network: Network, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs git in the clone that the network lies in; all of it is committed as `main`."""
    program = need_program("git")
    clone = network.data.parent
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")

    def git(*arguments: str) -> None:
        subprocess.run([program, "-C", clone, *arguments], check=True, capture_output=True)

    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "The network")
    return git


# --- what a change is to blame for ----------------------------------------------------------------------


def adds_a_mirror(network: Network) -> None:
    network.mirror("new.example.org", more=ODD)


def edits_a_mirror(network: Network) -> None:
    network.mirror("m00.example.org", more=BAD)


def touches_an_odd_one(network: Network) -> None:
    network.mirror("m01.example.org", country="FR", more=ODD)


def mends_all(network: Network) -> None:
    network.mirror("m01.example.org")
    network.mirror("m02.example.org")


def removes_a_mirror(network: Network) -> None:
    network.remove("m00.example.org")


def renames_a_file(network: Network) -> None:
    (network.mirrors / "m00.example.org.yml").rename(network.mirrors / "other.yml")


def takes_a_name(network: Network) -> None:
    text = (network.mirrors / "m00.example.org.yml").read_text()
    (network.mirrors / "a.yml").write_text(text)


def takes_a_name_that_a_file_lacks(network: Network) -> None:
    """The new file is called like the mirror, and the old one is not."""
    network.mirror("m03.example.org").rename(network.mirrors / "old.yml")


def repeats_a_url(network: Network) -> None:
    text = (network.mirrors / "m00.example.org.yml").read_text()
    (network.mirrors / "a.yml").write_text(text.replace("name: m00", "name: a"))


def drops_an_arch(network: Network) -> None:
    network.config.write_text(CONFIG.replace(", aarch64]", "]"))


def breaks_the_config(network: Network) -> None:
    network.config.write_text("config_version: 3\n")


def writes_elsewhere(network: Network) -> None:
    (network.data.parent / "README").write_text("name: of the network\n")


SCENES: list[tuple[Callable[[Network], None], list[str]]] = [
    (adds_a_mirror, ["new.example.org warning"]),
    (edits_a_mirror, ["m00.example.org fault"]),
    (touches_an_odd_one, ["m01.example.org warning"]),
    (mends_all, []),
    (removes_a_mirror, []),
    (renames_a_file, ["other warning"]),
    (takes_a_name, ["a fault", "a warning", "a warning"]),
    (repeats_a_url, ["a warning", "a warning"]),
    (writes_elsewhere, []),
]


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "in the working tree"])
@pytest.mark.parametrize(("change", "blamed"), SCENES, ids=[scene[0].__name__ for scene in SCENES])
def test_a_change_is_blamed_for_its_own(
    network: Network,
    git: Callable[..., None],
    change: Callable[[Network], None],
    blamed: list[str],
    committed: bool,
) -> None:
    """`--changed-since` shows every finding of the files that changed, and of old ones none: neither the
    warning of m01 nor the fault of m02."""
    change(network)
    if committed:
        git("checkout", "-b", "work")
        git("add", ".")
        git("commit", "-m", "A change")
    result = run(network.data, "--changed-since", "main")
    assert said(result) == blamed, result.output
    assert result.exit_code == (1 if any("fault" in line for line in blamed) else 0)
    strict = run(network.data, "--changed-since", "main", "--strict")
    assert strict.exit_code == (1 if blamed else 0)


def test_faults_elsewhere_that_a_change_causes(network: Network, git: Callable[..., None]) -> None:
    """An arch that the config drops leaves a mirror with nothing that it carries: the mirror's file did not
    change, and the change is to blame for its fault."""
    network.mirror("m00.example.org", more="arches: [aarch64]\n")
    git("commit", "-am", "One arch")
    drops_an_arch(network)
    result = run(network.data, "--changed-since", "HEAD")
    assert said(result) == ["m00.example.org fault"]
    assert "arches: nothing in this list is known" in result.stdout


def test_a_name_stays_with_the_file_that_had_it(network: Network, git: Callable[..., None]) -> None:
    """A new file of an old mirror's name is the one at fault, also where it is called like the mirror."""
    takes_a_name_that_a_file_lacks(network)
    git("add", ".")
    git("commit", "-m", "A file of another name")
    network.mirror("m03.example.org")
    assert "m03.example.org fault" in said(run(network.data, "--changed-since", "HEAD"))


def test_a_folder_that_was_a_file_and_the_other_way_round(network: Network, git: Callable[..., None]) -> None:
    """Whatever became of what: there is a sentence, and the data stay as they are."""
    kept = {path.name: path.read_bytes() for path in network.mirrors.iterdir()}
    shutil.rmtree(network.mirrors)
    network.mirrors.write_text("a file\n")
    result = run(network.data, "--changed-since", "HEAD")
    assert result.exit_code == 1
    assert "mirrors.d: fault: " in result.stdout
    git("add", ".")
    git("commit", "-m", "A file")
    network.mirrors.unlink()
    network.mirrors.mkdir()
    for name, content in kept.items():
        (network.mirrors / name).write_bytes(content)
    result = run(network.data, "--changed-since", "HEAD")
    assert said(result) == ["m01.example.org warning", "m02.example.org fault"]
    assert {path.name: path.read_bytes() for path in network.mirrors.iterdir()} == kept


def test_what_others_did_meanwhile_is_not_blamed(network: Network, git: Callable[..., None]) -> None:
    """The branch is compared with where it left main, not with what main is now."""
    git("checkout", "-b", "work")
    network.mirror("m00.example.org", more=ODD)
    git("commit", "-am", "Mine")
    git("checkout", "main")
    network.mirror("m01.example.org")
    network.mirror("m02.example.org", more="weight: 5\n")
    git("commit", "-am", "Theirs")
    git("checkout", "work")
    assert said(run(network.data, "--changed-since", "main")) == ["m00.example.org warning"]


def test_a_broken_config_is_always_said(network: Network, git: Callable[..., None]) -> None:
    """Whoever broke it: nothing else can be judged."""
    breaks_the_config(network)
    git("commit", "-am", "Broken")
    network.mirror("m00.example.org", country="FR")
    result = run(network.data, "--changed-since", "HEAD")
    assert result.exit_code == 1
    assert set(said(result)) == {"config fault", "config warning"}


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        pytest.param("nowhere", "git knows no revision nowhere", id="unknown"),
        pytest.param("--output=x", "this is no git revision", id="an option"),
        pytest.param("orphan", "no commit that HEAD and orphan have in common", id="unrelated"),
    ],
)
def test_revisions_that_are_of_no_use(
    network: Network, git: Callable[..., None], revision: str, says: str
) -> None:
    """The message says what is wrong with the revision."""
    git("checkout", "--orphan", "orphan")
    git("commit", "-m", "Another beginning")
    git("checkout", "main")
    result = run(network.data, f"--changed-since={revision}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr


def test_a_folder_without_git(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """git's own words are passed on."""
    need_program("git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(network.data.parent.parent))
    result = run(network.data, "--changed-since", "main")
    assert result.exit_code == 1
    assert "not a git repository" in result.stderr


# --- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "blamed"), SCENES, ids=[scene[0].__name__ for scene in SCENES])
def test_files_are_judged_as_new(
    network: Network, change: Callable[[Network], None], blamed: list[str]
) -> None:
    """`check FILE…` says the same without git: what is wrong in these files, and what they break."""
    before = {path: path.read_bytes() for path in network.data.rglob("*.yml")}
    change(network)
    files = [p for p in network.data.rglob("*.yml") if before.get(p) != p.read_bytes()]
    if files:
        assert said(run(*files)) == blamed


def test_a_file_is_found_from_within_its_folder(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data folder of a file is the one above it that has a config.yml, and the file is named from where
    one stands."""
    adds_a_mirror(network)
    monkeypatch.chdir(network.mirrors)
    result = run("new.example.org.yml")
    assert result.stdout.startswith("../mirrors.d/new.example.org.yml:4: warning: ")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["data", "data"], 2, "only one folder", id="two folders"),
        pytest.param(["data", "data/config.yml"], 2, "a folder, or files", id="both"),
        pytest.param(["data/config.yml", "other/config.yml"], 2, "of several folders", id="of two folders"),
        pytest.param(["data/config.yml", "--changed-since", "main"], 2, "not both", id="files and git"),
        pytest.param(["data", "--probe"], 2, "--probe asks the mirrors of some files", id="probe of all"),
        pytest.param(["data/nowhere.yml"], 1, "no such file or folder", id="gone"),
        pytest.param(["lost.yml"], 1, "no folder above this file has a config.yml", id="of no folder"),
    ],
)
def test_paths_that_do_not_go_together(
    network: Network, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    """The message says what can be given."""
    monkeypatch.chdir(network.data.parent)
    monkeypatch.setenv("MIRRORWISE_DATA", "data")
    Path("other").mkdir()
    Path("other/config.yml").write_text(CONFIG)
    Path("lost.yml").write_text("name: x\n")
    result = run(*arguments)
    assert result.exit_code == code
    assert says in result.stderr


# --- how findings are printed -------------------------------------------------------------------------


def test_json(network: Network) -> None:
    """One list, for programs; it is empty where nothing is wrong."""
    [odd, bad] = json.loads(run(network.data, "--format", "json").stdout)
    assert odd["severity"] == "warning" and odd["line"] == 4 and odd["file"].endswith("m01.example.org.yml")
    assert bad.keys() == {"severity", "file", "line", "message"} and bad["severity"] == "fault"
    assert json.loads(run(network.mirrors / "m00.example.org.yml", "--format", "json").stdout) == []


def test_annotations(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub shows each beside its line, if the file is named from the top of the clone; nothing in a name
    or a message can end the command early."""
    (network.mirrors / "a,b:%.yml").write_text("name: x\n")
    monkeypatch.chdir(network.data.parent)
    result = run(network.data, "--format", "github")  # an absolute path
    lines = result.stdout.splitlines()
    assert lines[0].startswith("::error file=data/mirrors.d/a%2Cb%3A%25.yml,line=1::address: ")
    odd = "::warning file=data/mirrors.d/m01.example.org.yml,line=4::"
    assert any(line.startswith(odd) for line in lines)
    assert result.exit_code == 1


def test_strict(network: Network) -> None:
    """Warnings are exit code 1 as well."""
    network.mirror("m02.example.org")
    assert run(network.data).exit_code == 0
    assert run(network.data, "--strict").exit_code == 1
    network.mirror("m01.example.org")
    assert run(network.data, "--strict").exit_code == 0


# --- what restricts, and what is lost -------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        "geolocation: {country: DE, private: true}",
        "Private: true",
        "is_private: true",
        "disable: true",
        "arch: [x86_64]",
        "countries: [Atlantis]",
        "geolocation: {country: Atlantis}",
    ],
)
def test_what_would_open_a_mirror_is_a_fault(network: Network, keys: str) -> None:
    """A key that restricts and has no effect where it stands, or as it is spelled, and a country that does
    not exist."""
    path = network.mirror("m00.example.org")
    first = keys.partition(":")[0]
    kept = [line for line in path.read_text().splitlines() if not line.startswith(f"{first}:")]
    path.write_text("\n".join([*kept, keys, ""]))
    result = run(path)
    assert result.exit_code == 1
    assert "m00.example.org.yml" in result.stdout and ": fault: " in result.stdout


def test_a_missing_origin(network: Network) -> None:
    """It is a warning, which says what is lost."""
    network.config.write_text(CONFIG.replace("origin:", "# origin:"))
    network.mirror("m02.example.org")
    result = run(network.config)
    [line] = result.stdout.splitlines()
    assert "config.yml:1: warning: origin: is missing; " in line and "metalinks" in line
    assert result.exit_code == 0


# --- asking mirrors -------------------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A fleet that `check --probe` reaches, with a good old mirror."""
    dates = [1_795_000_000, 1_794_000_000, 1_793_000_000]
    with f.running(Fleet(folder=tmp_path, dates=dates)) as fleet:
        fleet.write_config()
        fleet.add("old.example.org")
        ask = newcomers.probe_newcomers
        monkeypatch.setattr(
            "app.cli.check.probe_newcomers",
            lambda folder, mirrors, console: ask(folder, mirrors, console, fleet.network(), PACE),
        )
        yield fleet


def test_a_good_mirror_is_asked_for_everything(asked: Fleet) -> None:
    """TIME, every repomd.xml, both families; only of the file that was named; and no state is written."""
    name = asked.add("new.example.org")
    asked.addresses[name] = ["127.0.0.1", "::1"]
    result = run("--probe", "--strict", asked.folder / "mirrors.d" / f"{name}.yml")
    assert (result.exit_code, result.stdout) == (0, "")
    paths = [path for _, path in asked.requests_to(name)]
    assert paths.count("/TIME") == 2
    assert len({path for path in paths if path.endswith("repomd.xml")}) == 4
    assert asked.requests_to("old.example.org") == []
    assert not (asked.folder / "state").exists()
    assert "http over IPv6: ok" in result.stderr


NOW = "fault: address: asked just now, the mirror is"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "addresses", "finding"),
    [
        pytest.param(f.silent, ["127.0.0.1"], f"{NOW} unreachable", id="silent"),
        pytest.param(f.stale, ["127.0.0.1"], f"{NOW} stale", id="stale"),
        pytest.param(f.answering(404), ["127.0.0.1"], f"{NOW} broken", id="empty"),
        pytest.param(f.fresh, [], f"{NOW} unreachable", id="no addresses"),
        pytest.param(
            f.fresh,
            ["127.0.0.1", "::2"],
            "warning: address.http: asked just now over IPv6: ",
            id="IPv6 is dead",
        ),
        pytest.param(
            f.without("s390x"),
            ["127.0.0.1"],
            "warning: address: 9.8/appstream/s390x, 9.8/baseos/s390x: not there",
            id="an arch is missing",
        ),
        pytest.param(
            f.damaged(lambda body: body[:-9], "appstream/s390x"),
            ["127.0.0.1"],
            "fault: address: 9.8/appstream/s390x: damaged",
            id="damaged",
        ),
        pytest.param(f.without("TIME"), ["127.0.0.1"], "warning: address: its file TIME", id="no TIME"),
    ],
)
def test_what_is_wrong_with_a_mirror_is_said_at_its_line(
    asked: Fleet, behaviour: f.Behaviour, addresses: list[str], finding: str
) -> None:
    """As a finding about its file, so that a pull request shows it beside the address."""
    name = asked.add("new.example.org", behaviour)
    asked.addresses[name] = addresses
    path = asked.folder / "mirrors.d" / f"{name}.yml"
    result = run("--probe", path)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.startswith("address"))
    found = [text for text in result.stdout.splitlines() if finding in text]
    assert len(found) == 1, result.output
    assert found[0].partition(": ")[0] in {f"{path}:{line}", f"{path}:{line + 1}"}
    assert result.exit_code == (1 if "fault" in finding else 0)


def test_every_protocol_is_asked(asked: Fleet) -> None:
    """A declared address that does not answer is a fault, whatever the others do."""
    name = "new.example.org"
    dead = f"rsync://{name}:1/x/"
    asked.add(name, address={"http": asked.http(name), "rsync": dead})
    result = run("--probe", asked.folder / "mirrors.d" / f"{name}.yml")
    assert "fault: address.rsync: asked just now over IPv4: " in result.stdout


def test_a_family_that_this_machine_lacks(asked: Fleet) -> None:
    """As many runners have no IPv6: a mirror that cannot be asked is not blamed."""
    asked.routed = ("ipv4",)
    name = asked.add("new.example.org")
    asked.addresses[name] = ["2001:4860:4860::8888"]
    result = run("--probe", asked.folder / "mirrors.d" / f"{name}.yml")
    assert (
        "warning: address: the mirror could not be asked from here: this machine has no route"
        in result.stdout
    )
    assert result.exit_code == 0


def test_mirrors_that_are_not_asked(asked: Fleet) -> None:
    """Private and disabled ones, and those whose file is at fault anyway."""
    names = [
        asked.add("private.example.org", private=True, asn=64500),
        asked.add("disabled.example.org", disabled=True),
        asked.add("faulty.example.org", asn="many"),
    ]
    result = run("--probe", *(asked.folder / "mirrors.d" / f"{name}.yml" for name in names))
    assert not any(map(asked.requests_to, names))
    assert "private.example.org: not asked" in result.stderr

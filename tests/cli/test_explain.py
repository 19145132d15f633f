"""`mirrorwise explain`: out of what is published, for whoever has a shell on the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.explain.explanation import Explanation
from tests.conftest import ROOT
from tests.once import with_sample
from tests.web.asking import FRANKFURT, application, asking

LAB = "mirror.lab.example.org"
QUESTION = ("--release", "9", "--repo", "baseos", "--arch", "x86_64")


@pytest.fixture(scope="module")
def var(published_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the sample network is published."""
    return with_sample(published_sample, tmp_path_factory.mktemp("var"))


def run(var: Path, *arguments: str, colour: bool = False) -> Result:
    unset = {name: None for name in os.environ if name.startswith(("REDIS", "GEOIP", "LOG"))}
    environ = {**unset, "MIRRORWISE_DATA": str(ROOT / "data"), "MIRRORWISE_VAR": str(var)}
    return CliRunner().invoke(main, ["explain", *arguments], env=environ, color=colour)


def read(result: Result) -> Explanation:
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout, type=Explanation)


def test_text(var: Path) -> None:
    """The same text as the service's, but for where the address came from and how old all is."""
    result = run(var, FRANKFURT, *QUESTION)
    assert (result.exit_code, result.stderr) == (0, "")
    target = f"/explain?release=9&repo=baseos&arch=x86_64&ip={FRANKFURT}"
    served = asking(application(var))(target).body.decode()
    ours, theirs = (text.partition("DATA")[0].splitlines() for text in (result.stdout, served))
    assert ours[3] == f"  address      {FRANKFURT} (IPv4), from the command line"
    assert ours[:3] + ours[4:] == theirs[:3] + theirs[4:]


def test_json(var: Path) -> None:
    """For programs: one object, which is an Explanation."""
    explanation = read(run(var, FRANKFURT, *QUESTION, "--json", "--limit", "3", "--protocol", "http"))
    assert [entry.url.partition(":")[0] for entry in explanation.served] == ["http"] * 3
    assert "limit" not in explanation.question.defaulted


def test_colours_only_on_a_terminal(var: Path) -> None:
    """A pipe gets none."""
    assert "\x1b[" not in run(var, FRANKFURT).stdout
    assert "\x1b[1mCLIENT\x1b[0m" in run(var, FRANKFURT, colour=True).stdout


def test_defaults(var: Path) -> None:
    """An address alone is enough."""
    text = run(var, FRANKFURT).stdout
    assert "release      10.2 (default)" in text and "repo         baseos (default)" in text


def test_one_mirror(var: Path) -> None:
    """As with `mirror=`."""
    text = run(var, FRANKFURT, *QUESTION, "--mirror", "mirror.waw.example.org").stdout
    assert "stale: 31.2 h old" in text and "MIRROR mirror.waw.example.org" in text


def test_private_mirrors_only_with_private(var: Path) -> None:
    """Here they are shown with their reason, or served to whom they are for; not without the option."""
    hidden = run(var, FRANKFURT, *QUESTION)
    assert LAB not in hidden.stdout
    shown = read(run(var, FRANKFURT, *QUESTION, "--private", "--json"))
    assert {e.mirror: e.reason.value for e in shown.excluded}[LAB] == "private"
    assert shown.served_count + shown.excluded_count == 48
    inside = read(run(var, "10.30.0.7", *QUESTION, "--private", "--json"))
    assert inside.served[0].mirror == LAB
    outside = read(run(var, "10.30.0.7", *QUESTION, "--json"))
    assert outside.served[0].mirror != LAB and "net-" not in outside.client.class_


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["foo"], "ip='foo' cannot be used: use an IPv4 or IPv6 address", id="address"),
        pytest.param([FRANKFURT, "--repo", "basos"], "Did you mean baseos?", id="repo"),
        pytest.param([FRANKFURT, "--mirror", LAB], f"There is no mirror '{LAB}'", id="private mirror"),
    ],
)
def test_what_cannot_be_answered(var: Path, arguments: list[str], says: str) -> None:
    """Exit code 1 and a sentence on stderr."""
    result = run(var, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr


def test_nothing_published(tmp_path: Path) -> None:
    """The store is empty: what to do about it is not a traceback."""
    result = run(tmp_path, FRANKFURT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is nothing to explain: store: nothing has been published there" in result.stderr


def test_help() -> None:
    """With an example."""
    result = CliRunner().invoke(main, ["explain", "--help"])
    assert result.exit_code == 0 and "mirrorwise explain 192.0.2.49 --release 9" in result.stdout


def test_json_is_for_people_too(var: Path) -> None:
    """Indented, with the contract's names."""
    result = run(var, FRANKFURT, *QUESTION, "--json")
    assert '\n  "generation": ' in result.stdout
    assert "pass" in cast(dict[str, Any], msgspec.json.decode(result.stdout))["served"][0]

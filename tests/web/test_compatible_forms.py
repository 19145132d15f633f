"""The URL forms of other services, over real HTTP: as their clients write them, to the same answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import read_settings
from app.store import file_store
from app.worker.loop import Worker
from app.worker.running import run_once
from tests.conftest import ROOT
from tests.servers import Answer, GunicornServer, environ
from tests.web.asking import FRANKFURT, TOKYO, mirrors_in
from tests.web.conftest import STAND_IN

REPO_NAMES = """
repo_names:
  os: baseos
  updates: {repo: baseos}
  example-base: baseos
  epel-9: {repo: extras, release: "9"}
  highavailability-old: {repo: highavailability, release: "9.8"}
  testing: {disabled: true}
"""
ABOUT = f"ip={FRANKFURT}"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The sample network, with names of its own for repos, published."""
    data = tmp_path_factory.mktemp("forms") / "data"
    shutil.copytree(ROOT / "data", data)
    with (data / "config.yml").open("a") as config:
        config.write(REPO_NAMES)
    var = tmp_path_factory.mktemp("var")
    variables = environ(data, var)
    assert run_once(Worker(read_settings(variables), file_store(var)))
    return variables


@pytest.fixture(scope="module", params=["quick", STAND_IN])
def service(request: pytest.FixtureRequest, variables: dict[str, str]) -> Iterator[GunicornServer]:
    """That, on either of gunicorn's workers."""
    var = Path(variables["MIRRORWISE_VAR"])
    service = GunicornServer(var, {**variables, "MIRRORWISE_SERVER": request.param}, processes=1)
    service.wait_until_serving()
    yield service
    service.stop()


def below(answer: Answer) -> str:
    """What all URLs of a list have in common after the mirror's own directory."""
    assert answer.status == 200, answer.body
    ends = {line.partition("/examplelinux/")[2] for line in answer.lines if "/examplelinux/" in line}
    assert len(ends) == 1 and len(mirrors_in(answer)) == len(answer.lines)
    return ends.pop()


BASEOS = "9.8/BaseOS/x86_64/os/"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # Slashes and case.
        pytest.param("//mirrorlist/9/BaseOS/?arch=x86_64", BASEOS, id="doubled slash in front, one behind"),
        pytest.param("/mirrorlist//9///baseos//?arch=x86_64", BASEOS, id="doubled slashes within"),
        pytest.param("///mirrorlist/?repo=BaseOS-9&arch=x86_64", BASEOS, id="slashes around a bare path"),
        pytest.param("/mirrorlist/9/BASEOS?arch=X86_64", BASEOS, id="capitals"),
        pytest.param("/mirrorlist/9/baseos?arch=x86_64/", BASEOS, id="slash behind the arch"),
        pytest.param("/isolist//9/x86_64/", "9.8/isos/x86_64/", id="ISO list"),
        pytest.param("//?release=9&repo=baseos&arch=x86_64", BASEOS, id="CentOS, doubled slash"),
        # MirrorManager.
        pytest.param("/mirrorlist?repo=baseos-10-kitten&arch=x86_64", None, id="hyphen in the release"),
        pytest.param("/mirrorlist?repo=appstream-9&arch=x86_64", "9.8/AppStream/x86_64/os/", id="repo="),
        pytest.param("/mirrorlist?repo=epel-9&arch=x86_64", "9.8/extras/x86_64/os/", id="name with release"),
        pytest.param("/mirrorlist?repo=EPEL-9&arch=x86_64", "9.8/extras/x86_64/os/", id="name in capitals"),
        pytest.param("/mirrorlist?repo=example-base-9&arch=x86_64", BASEOS, id="name for a repo"),
        pytest.param(
            "/mirrorlist?repo=highavailability-old&arch=x86_64",
            "9.8/HighAvailability/x86_64/os/",
            id="redirect to another repo and release",
        ),
        pytest.param("/mirrorlist?repo=baseos-9", "9.8/BaseOS/$basearch/os/", id="no arch"),
        pytest.param("/mirrorlist?path=9/BaseOS/x86_64/os", BASEOS, id="path="),
        pytest.param("/mirrorlist?path=//9.8//BaseOS/x86_64/os//", BASEOS, id="path= with slashes"),
        pytest.param("/mirrorlist?path=9/baseos/X86_64/os", BASEOS, id="path= in another case"),
        pytest.param("/mirrorlist?path=pub/example/9/BaseOS/x86_64/os", BASEOS, id="path= from the top"),
        pytest.param("/mirrorlist?path=9%2FBaseOS%2Fx86_64%2Fos", BASEOS, id="path= encoded"),
        pytest.param("/mirrorlist?path=9/BaseOS/x86_64/os/repodata/repomd.xml", BASEOS, id="path= of a file"),
        pytest.param("/mirrorlist?path=9/isos/aarch64", "9.8/isos/aarch64/", id="path= of ISOs"),
        # CentOS.
        pytest.param("/?release=9&arch=x86_64&repo=BaseOS&infra=stock", BASEOS, id="CentOS"),
        pytest.param("/?release=9&arch=x86_64&repo=os&infra=genclo", BASEOS, id="CentOS, name for a repo"),
        pytest.param("/?release=9&arch=x86_64&repo=updates&cc=", BASEOS, id="CentOS, no country"),
        pytest.param("/mirrorlist?release=9&arch=x86_64&repo=os", BASEOS, id="CentOS, another path"),
        pytest.param("/mirrorlist/9/os?arch=x86_64", BASEOS, id="name for a repo in the path"),
    ],
)
def test_forms(service: GunicornServer, target: str, expected: str | None) -> None:
    """Each form is answered directly, with a list for just the repo that is meant."""
    answer = service.ask(f"{target}{'&' if '?' in target else '?'}{ABOUT}")
    if expected is None:
        assert answer.status == 200
        assert all(line.endswith("/10-kitten/BaseOS/x86_64/os/") for line in answer.lines)
    else:
        assert below(answer) == expected


@pytest.mark.parametrize(
    ("form", "repo", "arch"),
    [
        ("/mirrorlist/9/{repo}?arch={arch}", "baseos", "x86_64"),
        ("/mirrorlist?repo={repo}-9&arch={arch}", "baseos", "x86_64"),
        ("/mirrorlist?path=9/{repo}/{arch}/os", "BaseOS", "x86_64"),
        ("/?release=9&repo={repo}&arch={arch}", "baseos", "x86_64"),
    ],
    ids=["AlmaLinux", "MirrorManager", "path", "CentOS"],
)
@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param("country=JP", id="country"),
        pytest.param("country=jp,KR", id="countries"),
        pytest.param("country=global", id="global"),
        pytest.param("protocol=rsync", id="rsync"),
        pytest.param("protocol=http,https", id="protocols"),
        pytest.param("limit=3&exclude_country=DE", id="limit and exclusion"),
        pytest.param("format=json", id="JSON"),
    ],
)
def test_parameters_in_every_form(
    service: GunicornServer, form: str, repo: str, arch: str, parameters: str
) -> None:
    """What limits a list works in all forms alike."""
    answer = service.ask(f"{form.format(repo=repo, arch=arch)}&{parameters}&{ABOUT}")
    expected = service.ask(f"/mirrorlist/9.8/baseos?arch=x86_64&{parameters}&{ABOUT}")
    assert answer.status == 200
    assert answer.body == expected.body


def test_filters_do_something(service: GunicornServer) -> None:
    """So that the answers above are not alike because a parameter is ignored."""
    bodies = [
        service.ask(f"/mirrorlist?repo=baseos-9&arch=x86_64&{parameters}").body
        for parameters in (
            ABOUT,
            f"ip={TOKYO}",
            f"{ABOUT}&country=JP",
            f"{ABOUT}&country=jp,KR",
            f"{ABOUT}&country=global",
            f"{ABOUT}&protocol=rsync",
            f"{ABOUT}&protocol=http,https",
            f"{ABOUT}&limit=3&exclude_country=DE",
            f"{ABOUT}&format=json",
        )
    ]
    assert len(set(bodies)) == len(bodies)


@pytest.mark.parametrize("path", ["/mirrorlist", "/metalink"])
def test_redirect(service: GunicornServer, path: str) -> None:
    """MirrorManager's `redirect=1` sends the client to the first mirror of the list."""
    listed = service.ask(f"/mirrorlist?repo=baseos-9&arch=x86_64&{ABOUT}")
    answer = service.ask(f"{path}?repo=baseos-9&arch=x86_64&redirect=1&{ABOUT}")
    assert (answer.status, answer.headers["Location"]) == (302, listed.lines[0])


@pytest.mark.parametrize(
    ("cc", "country"),
    [
        ("jp", "JP"),
        ("JP", "JP"),
        ("uk", "GB"),
        ("deu", "DE"),
        ("", None),
        ("zz", None),
        ("$cc", None),
        ("jp&country=FR", "FR"),
    ],
)
def test_centos_country(service: GunicornServer, cc: str, country: str | None) -> None:
    """CentOS's `cc` chooses a country; one that nobody knows is no country, and no error."""
    asked = f"/?release=9&repo=baseos&arch=x86_64&{ABOUT}"
    expected = service.ask(f"{asked}&country={country}" if country else asked)
    assert service.ask(f"{asked}&cc={cc}").body == expected.body


@pytest.mark.parametrize(
    "target",
    ["/mirrorlist/9/baseos?arch=x86_64", "/metalink?repo=baseos-9&arch=x86_64", "/isolist/9/x86_64?"],
)
@pytest.mark.parametrize("countme", ["countme=1", "countme=4", "countme=99", "countme="])
def test_countme(service: GunicornServer, target: str, countme: str) -> None:
    """countme changes nothing in the answer, whatever it says."""
    assert service.ask(f"{target}&{countme}").body == service.ask(target).body


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        pytest.param("/mirrorlist?repo=testing&arch=x86_64", 404, ["disabled"], id="disabled repo"),
        pytest.param(
            "/mirrorlist?repo=testing-9&arch=x86_64", 404, ["disabled"], id="disabled, with release"
        ),
        pytest.param("/mirrorlist/9/testing?arch=x86_64", 404, ["disabled"], id="disabled, in the path"),
        pytest.param("/?release=9&repo=testing&arch=x86_64", 404, ["disabled"], id="disabled, CentOS"),
        pytest.param("/mirrorlist?repo=baseos&arch=x86_64", 400, ["baseos-<release>"], id="no release"),
        pytest.param("/mirrorlist?repo=baseos-9.9", 404, ["release '9.9'", "9.8"], id="unknown release"),
        pytest.param("/mirrorlist?repo=baseso-9", 404, ["Did you mean baseos"], id="unknown repo"),
        pytest.param("/mirrorlist?path=9/Nothing", 404, ["9.8/BaseOS/$basearch/os/"], id="unknown path"),
        pytest.param("/mirrorlist?path=//", 400, ["path"], id="empty path"),
        pytest.param("/mirrorlist", 400, ["name a repo"], id="nothing asked"),
        pytest.param("/?release=9&arch=x86_64", 400, ["name a repo"], id="CentOS without repo"),
        pytest.param("/metalink?repo=baseos-9", 400, ["arch", "x86_64", "s390x"], id="metalink without arch"),
        pytest.param("/metalink//9/baseos/", 400, ["arch", "x86_64", "s390x"], id="the same in the path"),
    ],
)
def test_faults(service: GunicornServer, target: str, status: int, words: list[str]) -> None:
    """What a form leaves open, or names wrongly, is told in words."""
    answer = service.ask(target)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert all(word in answer.body.decode() for word in words), answer.body


@pytest.mark.parametrize(
    ("metalink", "mirrorlist"),
    [
        ("/metalink/9.7/baseos?arch=x86_64", "/mirrorlist/9.7/baseos?arch=x86_64"),
        ("/metalink?repo=baseos-9.7&arch=x86_64", "/mirrorlist?repo=baseos-9.7&arch=x86_64"),
        (
            "/?release=9.7&repo=baseos&arch=x86_64&format=metalink",
            "/?release=9.7&repo=baseos&arch=x86_64",
        ),
        (
            "/mirrorlist?path=9.7/BaseOS/x86_64/os&format=metalink&country=DE",
            "/mirrorlist?path=9.7/BaseOS/x86_64/os&country=DE",
        ),
    ],
)
def test_unknown_facts(service: GunicornServer, metalink: str, mirrorlist: str) -> None:
    """Where there can be no metalink, the answer names the mirrorlist in the very form that was used,
    and that one is there."""
    answer = service.ask(metalink)
    assert answer.status == 404
    assert answer.body.decode().endswith(f"Use the mirrorlist instead: {mirrorlist}\n")
    assert service.ask(mirrorlist).status == 200

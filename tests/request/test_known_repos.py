"""A known repo in a known release is always a list: where it is expected, and where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.explain.client_facts import Databases, client_facts
from app.explain.explanation import Live, explain
from app.explain.inquiry import Inquiry
from app.model import Content, Mirror, MirrorState, Repo, RepoName, ServiceConfig, Status
from app.request.address import ClientAddress
from app.request.download import parse_download
from app.request.parameters import ParameterReader, UnknownNameError
from app.request.question import Parser, Question
from tests.builders import NOW, ROUND, Network, a_client, a_config, a_mirror, a_state, lists_of, select

CONFIG = a_config(
    releases=("9.8", "10.2", "10-kitten"),
    aliases={"9": "9.8", "10": "10.2"},
    vault_releases=("9.7",),
    arches={
        "9.8": ("x86_64", "aarch64"),
        "10.2": ("x86_64", "aarch64"),
        "10-kitten": ("x86_64",),
        "9.7": ("x86_64", "aarch64"),
    },
    repos=(
        Repo(name="baseos", path="BaseOS/$basearch/os/"),
        Repo(name="crb", path="CRB/$basearch/os/", releases=("10.2",), arches=("x86_64",)),
        Repo(name="BaseOS-source", path="BaseOS/source/tree/", releases=("10.2",)),
        Repo(name="crb-debug", path="CRB/debug/$basearch/", releases=("9.8",), vault=True),
        Repo(name="crb-vaulted", path="CRB/vaulted/tree/", releases=("10-kitten",), vault=True),
    ),
    repo_names=(RepoName(name="example-crb-9", repo="crb", release="9.8"),),
)
KITTEN = {"kitten": {"https": "https://kitten.example.org/"}}
WELL = a_mirror("well", "frankfurt", module_addresses=KITTEN)


def a_parser(config: ServiceConfig = CONFIG) -> Parser:
    return Parser(config, ParameterReader(config.selection))


Form = Callable[[str, str, str], Question]


def _path(release: str, repo: str, arch: str) -> str:
    path = next(known.path for known in CONFIG.repos if known.name == repo)
    return f"{release}/{path.replace('$basearch', arch)}"


FORMS: dict[str, Form] = {
    "AlmaLinux": lambda release, repo, arch: a_parser().parse_list({"arch": arch}, release, repo),
    "MirrorManager": lambda release, repo, arch: a_parser().parse_list(
        {"repo": f"{repo}-{release}", "arch": arch}
    ),
    "MirrorManager's path": lambda release, repo, arch: a_parser().parse_list(
        {"path": _path(release, repo, arch), "arch": arch}
    ),
    "CentOS": lambda release, repo, arch: a_parser().parse_list(
        {"release": release, "repo": repo, "arch": arch, "infra": "stock"}
    ),
    "download": lambda release, repo, arch: (
        parse_download(a_parser(), f"/download/{_path(release, repo, arch)}a.rpm", {}, False).question
    ),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def urls(question: Question, *mirrors: Mirror, states: tuple[MirrorState, ...] = ()) -> list[str]:
    snapshot = Network(
        mirrors or (WELL,), config=CONFIG, states=states, last_round=ROUND if states else None
    ).load()
    return select(snapshot, a_client(), question).urls


# --- everywhere ----------------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize(
    ("release", "repo", "arch", "url"),
    [
        pytest.param(
            "10-kitten",
            "crb",
            "x86_64",
            "https://kitten.example.org/10-kitten/CRB/x86_64/os/",
            id="a module's release",
        ),
        pytest.param(
            "9",
            "crb",
            "x86_64",
            "https://well.example.org/alma/9.8/CRB/x86_64/os/",
            id="a release that it does not name",
        ),
        pytest.param(
            "10",
            "crb",
            "aarch64",
            "https://well.example.org/alma/10.2/CRB/aarch64/os/",
            id="an arch that it does not name",
        ),
        pytest.param(
            "9.7",
            "crb",
            "aarch64",
            "https://vault.example.org/9.7/CRB/aarch64/os/",
            id="a release of the vault",
        ),
        pytest.param(
            "10-kitten",
            "crb-debug",
            "x86_64",
            "https://vault.example.org/10-kitten/CRB/debug/x86_64/",
            id="a repo of the vault",
        ),
    ],
)
def test_known_in_every_release(form: Form, release: str, repo: str, arch: str, url: str) -> None:
    """Whatever the form, a known repo is where it would be, or where the vault would have it."""
    assert urls(form(release, repo, arch))[0] == url


@every_form
@pytest.mark.parametrize("arch", ["source", "src", "SRPMS", "noarch", "x86_64", "$basearch", "", "?!\n"])
@pytest.mark.parametrize(
    ("release", "repo"),
    [
        pytest.param("10", "BaseOS-source", id="where it is expected"),
        pytest.param("9", "BaseOS-source", id="where it is not"),
        pytest.param("9.7", "BaseOS-source", id="a release of the vault"),
        pytest.param("9", "crb-vaulted", id="a repo of the vault"),
    ],
)
def test_an_arch_that_cannot_matter(form: Form, release: str, repo: str, arch: str) -> None:
    """Where the path is the same for all arches, any arch makes the same question."""
    question = form(release, repo, arch)
    assert question == form(release, repo, "") and question.arch == ""
    assert question.path.endswith(("BaseOS/source/tree/", "CRB/vaulted/tree/"))


def test_names_of_repos_lead_everywhere() -> None:
    """A name with a release of its own leads to a repo that is not expected there."""
    question = a_parser().parse_list({"repo": "example-crb-9", "arch": "x86_64"})
    assert urls(question)[0] == "https://well.example.org/alma/9.8/CRB/x86_64/os/"


def test_one_path_of_two_repos() -> None:
    """A path leads to the repo that is expected in the release, whichever stands first."""
    path = "HighAvailability/$basearch/os/"
    repos = [
        Repo(name=name, path=path, releases=(release,)) for name, release in [("a", "9.8"), ("b", "10.2")]
    ]
    for config in (
        a_config(releases=("9.8", "10.2"), repos=tuple(order), arches=CONFIG.arches)
        for order in (repos, repos[::-1])
    ):
        for release, name in (("9.8", "a"), ("9.7", "a"), ("10.2", "b")):
            parameters = {"path": f"{release}/HighAvailability/x86_64/os"}
            assert a_parser(config).parse_list(parameters).repo == name


# --- who is served there -----------------------------------------------------------------------------------

NINE = "9.8/crb/x86_64"


@pytest.mark.parametrize(
    ("changes", "state", "served"),
    [
        pytest.param({}, {}, True, id="well: the prober does not look there"),
        pytest.param({}, {"content": {NINE: Content.MISSING}}, False, id="known not to have it"),
        pytest.param({}, {"content": {"9.8/baseos/x86_64": Content.MISSING}}, True, id="another is missing"),
        pytest.param({}, {"status": Status.BROKEN}, False, id="broken"),
        pytest.param({"repos": ("baseos",)}, {}, False, id="it declares other repos"),
        pytest.param({"arches": ("aarch64",)}, {}, False, id="it declares other arches"),
        pytest.param({"versions": ("10.2",)}, {}, False, id="it declares other releases"),
        pytest.param({"disabled": True}, {}, False, id="disabled"),
    ],
)
def test_who_is_served(changes: dict[str, Any], state: dict[str, Any], served: bool) -> None:
    """Mirrors that are declared to carry it and are well as a whole; without any, the origin."""
    mirror = a_mirror("m", "frankfurt", **changes)
    found = urls(FORMS["AlmaLinux"]("9", "crb", "x86_64"), mirror, states=(a_state("m", **state),))
    host = "m.example.org" if served else "origin.example.org"
    assert found == [f"https://{host}/alma/9.8/CRB/x86_64/os/"]


def test_the_origin_of_a_module() -> None:
    """A release of a module that no mirror has is at the module's origin."""
    found = urls(FORMS["AlmaLinux"]("10-kitten", "crb", "x86_64"), a_mirror("m", "frankfurt"))
    assert found == ["https://origin.example.org/kitten/10-kitten/CRB/x86_64/os/"]


@pytest.mark.parametrize(
    ("release", "arch", "note"),
    [
        ("9", "x86_64", "config.yml does not say that mirrors have crb of release 9.8 for x86_64, so"),
        ("9", "", "config.yml does not say that mirrors have crb of release 9.8, so"),
        ("10", "aarch64", "crb of release 10.2 for aarch64"),
        ("10", "x86_64", None),
        ("10", "", None),
        ("10-kitten", "x86_64", None),
        ("9.7", "x86_64", None),
    ],
)
def test_the_explanation_says_what_was_not_expected(release: str, arch: str, note: str | None) -> None:
    """Why the prober knows nothing of what is served."""
    question = FORMS["AlmaLinux"](release, "crb", arch)
    live = Live(lists_of(Network([WELL], config=CONFIG).load()), None, None, NOW.timestamp(), NOW.timestamp())
    client = a_client()
    facts = client_facts(ClientAddress("192.0.2.1", bytes([192, 0, 2, 1]), "socket"), client, Databases())
    notes = [text for text in explain(live, client, facts, Inquiry(question)).notes if "config.yml" in text]
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


# --- the unknown stays unknown --------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize(
    ("release", "repo", "arch"),
    [
        pytest.param("9.9", "baseos", "x86_64", id="release"),
        pytest.param("9.8evil", "crb", "x86_64", id="release that begins like one"),
        pytest.param("9", "crb", "sparc", id="arch"),
        pytest.param("10-kitten", "crb", "aarch64", id="arch of another release"),
        pytest.param("9.7", "baseos", "source", id="arch that is none, in the vault"),
        pytest.param("9", "crb-debug", "source", id="arch that is none, of a repo of the vault"),
    ],
)
def test_the_unknown(form: Form, release: str, repo: str, arch: str) -> None:
    """Releases and arches that do not exist are unknown in every form, and it is said what exists."""
    with pytest.raises(UnknownNameError) as caught:
        form(release, repo, arch)
    known = str(caught.value).partition("\nKnown: ")[2]
    assert ("9.8" if arch == "x86_64" else "x86_64") in known or "CRB/$basearch/os/" in known


@pytest.mark.parametrize("release", ["9", "10-kitten", "9.7"])
@pytest.mark.parametrize("name", ["crbs", "9.8", "CRB/os"])
def test_an_unknown_repo(release: str, name: str) -> None:
    """It is unknown in every release, whatever the arch, and the repos that exist are named."""
    for parameters in ({"release": release, "repo": name}, {"repo": f"{name}-{release}"}):
        for arch in ("x86_64", "source", ""):
            with pytest.raises(UnknownNameError) as caught:
                a_parser().parse_list({**parameters, "arch": arch})
            assert "baseos, crb, BaseOS-source" in str(caught.value)

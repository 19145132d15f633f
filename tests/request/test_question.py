"""Questions: every URL form in the field, names as people write them, and what is said of bad ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import Protocol, RepoName, ServiceConfig
from app.request.parameters import BadValueError, Filters, ParameterReader, QuestionError, UnknownNameError
from app.request.question import Parser, Question
from tests.builders import a_config, policy

REPO_NAMES = (
    RepoName(name="os", repo="baseos"),
    RepoName(name="example-base-9", repo="baseos", release="9.8"),
    RepoName(name="testing", disabled=True),
    RepoName(name="powertools", repo="nfv"),
)


def a_parser(config: ServiceConfig | None = None) -> Parser:
    config = config or a_config(repo_names=REPO_NAMES)
    return Parser(config, ParameterReader(config.selection))


def almalinux(release: str, repo: str, **parameters: str) -> Question:
    return a_parser().parse_list(parameters, release, repo)


def with_parameters(**parameters: str) -> Question:
    return a_parser().parse_list(parameters)


def meant(question: Question) -> tuple[str, str | None, str]:
    return question.release, question.repo, question.arch


# --- the forms --------------------------------------------------------------------------------------

BASEOS = ("9.8", "baseos", "x86_64")


@pytest.mark.parametrize(
    ("release", "repo", "parameters", "expected"),
    [
        pytest.param("9.8", "baseos", {"arch": "x86_64"}, BASEOS, id="almalinux"),
        pytest.param("9", "baseos", {"arch": "x86_64"}, BASEOS, id="almalinux, short release"),
        pytest.param("9", "baseos", {}, ("9.8", "baseos", ""), id="almalinux, no arch"),
        pytest.param(
            "9", "baseos", {"arch": "$basearch"}, ("9.8", "baseos", ""), id="almalinux, arch not expanded"
        ),
        pytest.param(
            "9", "baseos", {"repo": "nfv-9", "arch": "x86_64"}, BASEOS, id="the path is what counts"
        ),
        pytest.param("9/", "/baseos/", {"arch": "x86_64/"}, BASEOS, id="slashes at either end"),
        pytest.param("9", "BaseOS", {"arch": "X86_64"}, BASEOS, id="capitals"),
        pytest.param(
            "10-kitten", "baseos", {"arch": "x86_64"}, ("10-kitten", "baseos", "x86_64"), id="a module"
        ),
        pytest.param("10-Kitten", "AppStream", {}, ("10-kitten", "appstream", ""), id="a module in capitals"),
        pytest.param("", "", {"repo": "baseos-9", "arch": "x86_64"}, BASEOS, id="mirrormanager"),
        pytest.param(
            "", "", {"repo": "BaseOS-9.8", "arch": "x86_64"}, BASEOS, id="mirrormanager, full release"
        ),
        pytest.param(
            "",
            "",
            {"repo": "baseos-10-kitten", "arch": "aarch64"},
            ("10-kitten", "baseos", "aarch64"),
            id="mirrormanager, hyphen in the release",
        ),
        pytest.param(
            "",
            "",
            {"repo": "baseos-debug-9", "arch": "x86_64"},
            ("9.8", "baseos-debug", "x86_64"),
            id="mirrormanager, hyphen in the repo",
        ),
        pytest.param("", "", {"path": "9.8/BaseOS/x86_64/os"}, BASEOS, id="path"),
        pytest.param("", "", {"path": "/9/BaseOS/x86_64/os/"}, BASEOS, id="path, short release and slashes"),
        pytest.param("", "", {"path": "9/BaseOS/x86_64/os/repodata/repomd.xml"}, BASEOS, id="path of a file"),
        pytest.param(
            "", "", {"path": "9/BaseOS/x86_64/os", "arch": "aarch64"}, BASEOS, id="path knows its arch"
        ),
        pytest.param("", "", {"path": "9/sources"}, ("9.8", "sources", ""), id="path without an arch"),
        pytest.param(
            "", "", {"path": "9/NFV/x86_64/os"}, ("9.8", "nfv", "x86_64"), id="path of another repo"
        ),
        pytest.param(
            "",
            "",
            {"repo": "baseos-9", "path": "9/NFV/x86_64/os"},
            ("9.8", "baseos", ""),
            id="repo beats path",
        ),
        pytest.param(
            "",
            "",
            {"release": "9", "repo": "BaseOS", "arch": "x86_64", "infra": "genclo"},
            BASEOS,
            id="centos",
        ),
        pytest.param(
            "", "", {"release": "9/", "repo": "baseos/", "arch": "x86_64"}, BASEOS, id="centos, slashes"
        ),
        pytest.param("9", "os", {"arch": "x86_64"}, BASEOS, id="another name, almalinux"),
        pytest.param(
            "", "", {"release": "9", "repo": "OS", "arch": "x86_64"}, BASEOS, id="another name, centos"
        ),
        pytest.param("", "", {"repo": "os-9", "arch": "x86_64"}, BASEOS, id="another name, mirrormanager"),
        pytest.param(
            "", "", {"repo": "example-base-9", "arch": "x86_64"}, BASEOS, id="a name with its release"
        ),
        pytest.param(
            "9.7", "powertools", {"arch": "x86_64"}, ("9.7", "nfv", "x86_64"), id="another name in the vault"
        ),
    ],
)
def test_forms(release: str, repo: str, parameters: dict[str, str], expected: tuple[str, str, str]) -> None:
    """Whatever form a client is configured with, it asks the same question."""
    assert meant(a_parser().parse_list(parameters, release, repo)) == expected


def test_what_is_asked_for_is_kept_beside_what_is_meant() -> None:
    """The URL that is served has the full release and the repo's own path."""
    question = almalinux("9", "baseos", arch="x86_64")
    assert (question.asked, question.release, question.path) == ("9", "9.8", "9.8/BaseOS/x86_64/os/")
    assert almalinux("9", "baseos").path == "9.8/BaseOS/$basearch/os/"
    assert almalinux("9", "sources", arch="x86_64").path == "9.8/sources/"
    assert (question.limit, question.format, question.redirect) == (10, "text", False)
    assert question.filters == Filters(protocols=("https", "http"))


@pytest.mark.parametrize(
    ("release", "repo", "vault"),
    [
        ("9", "baseos", False),
        ("9.7", "baseos", True),
        ("9", "baseos-debug", True),
        ("9.7", "baseos-debug", True),
    ],
)
def test_vault(release: str, repo: str, vault: bool) -> None:
    """A release of the vault is there as a whole; a repo of the vault whatever the release."""
    question = almalinux(release, repo, arch="x86_64")
    assert question.vault is vault
    assert question.release == {"9": "9.8"}.get(release, release)


def test_isos() -> None:
    """ISO directories are asked for by release and arch."""
    question = a_parser().parse_isos({"limit": "3"}, "9", "X86_64")
    assert (*meant(question), question.path) == ("9.8", None, "x86_64", "9.8/isos/x86_64/")
    assert (question.vault, question.limit) == (False, 3)
    assert a_parser().parse_isos({}, "9.7", "x86_64").vault


# --- parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"protocol": "https"}, {"protocols": ("https",)}),
        ({"protocol": "rsync, HTTP"}, {"protocols": ("rsync", "http")}),
        ({"protocol": "http,http"}, {"protocols": ("http",)}),
        ({"protocol": ""}, {"protocols": ("https", "http")}),
        ({"country": "de"}, {"countries": ("DE",)}),
        ({"country": "FR, de,,FR"}, {"countries": ("DE", "FR")}),
        ({"country": "global"}, {"worldwide": True}),
        ({"country": "GLOBAL,de"}, {"worldwide": True}),
        ({"country": ""}, {}),
        ({"country": "uk"}, {"countries": ("GB",)}),
        ({"country": "UK,gb,GBR, Great Britain"}, {"countries": ("GB",)}),
        ({"country": "deu,Côte d'Ivoire"}, {"countries": ("CI", "DE")}),
        ({"exclude_country": "us,BR"}, {"exclude_countries": ("BR", "US")}),
        ({"exclude_country": "UK,Germany"}, {"exclude_countries": ("DE", "GB")}),
        ({"family": "4"}, {"family": 4}),
        ({"family": "6"}, {"family": 6}),
        ({"region": "aws:eu-central-1"}, {"region": "aws:eu-central-1"}),
        ({"region": "AWS:EU-Central-1"}, {"region": "aws:eu-central-1"}),
        ({"region": "azure:centralfrance"}, {"region": "azure:francecentral"}),
        ({"region": "aws:us-east-1-bue-1"}, {"region": "aws:us-east-1/us-east-1-bue-1"}),
        ({"countme": "3", "infra": "stock", "uuid": "…", "": ""}, {}),
    ],
    ids=str,
)
def test_filters(parameters: dict[str, str], expected: dict[str, Any]) -> None:
    """Lists are comma-separated, in any case; what is not known is ignored."""
    expected = {"protocols": ("https", "http"), **expected}
    assert almalinux("9", "baseos", **parameters).filters == Filters(**expected)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"limit": "1"}, 1),
        ({"limit": "50"}, 50),
        ({"limit": ""}, 10),
        ({}, 10),
    ],
    ids=str,
)
def test_limit(parameters: dict[str, str], expected: int) -> None:
    """The length of a list, the policy's unless asked for."""
    assert almalinux("9", "baseos", **parameters).limit == expected


@pytest.mark.parametrize(
    ("text", "redirect"),
    [("1", True), ("true", True), ("Yes", True), ("0", False), ("", False), ("2", False)],
)
def test_redirect(text: str, redirect: bool) -> None:
    """`redirect=1`, as people say yes."""
    assert almalinux("9", "baseos", redirect=text).redirect is redirect


@pytest.mark.parametrize(("text", "expected"), [("JSON", "json"), ("metalink", "metalink"), ("", "text")])
def test_format(text: str, expected: str) -> None:
    """The format of an answer is asked for by name."""
    assert almalinux("9", "baseos", format=text).format == expected


def test_policy_of_the_service() -> None:
    """What is not asked for is as the service config has it."""
    config = a_config(selection=policy(length=4, protocols=("http",)))
    question = a_parser(config).parse_list({}, "9", "baseos")
    assert (question.limit, question.filters.protocols) == (4, ("http",))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"limit": "-3"}, ["limit='-3'", "1 to 50"]),
        ({"limit": "0"}, ["limit='0'", "1 to 50"]),
        ({"limit": "51"}, ["limit='51'", "1 to 50"]),
        ({"limit": "ten"}, ["limit='ten'"]),
        ({"limit": "²"}, ["limit='²'"]),
        ({"limit": "1" * 5000}, ["limit=", "..."]),
        ({"country": "XXX"}, ["country='XXX'", "two-letter", "or global"]),
        ({"country": "de,eu"}, ["country='EU'"]),
        ({"country": "atlantis"}, ["country='ATLANTIS'", "English names"]),
        ({"exclude_country": "global"}, ["exclude_country='GLOBAL'", "two-letter"]),
        ({"protocol": "ftp"}, ["protocol='ftp'", "https, http or rsync"]),
        ({"protocol": "https,ftp"}, ["protocol='https,ftp'"]),
        ({"family": "5"}, ["family='5'", "4 or 6"]),
        ({"family": "ipv6"}, ["family='ipv6'"]),
        ({"format": "xml"}, ["format='xml'", "text, json or metalink"]),
        ({"region": "aws:eu-centrall-1"}, ["region=", "aws:eu-central-1"]),
        ({"region": "eu-central-1"}, ["region=", "aws:eu-central-1"]),
        ({"region": "ibm:eu-de"}, ["region=", "aws, azure, gcp, oci"]),
    ],
    ids=str,
)
def test_bad_values(parameters: dict[str, str], words: list[str]) -> None:
    """A value that cannot be used is refused with its parameter, itself and what is allowed."""
    with pytest.raises(BadValueError) as caught:
        almalinux("9", "baseos", **parameters)
    text = str(caught.value)
    assert [word for word in words if word not in text] == []
    assert len(text) < 1500


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, ["repo=", "/mirrorlist/<release>/<repo>?arch=<arch>"]),
        ({"repo": "/"}, ["repo="]),
        ({"repo": "baseos"}, ["repo='baseos'", "name the release as well", "baseos-<release>"]),
        ({"repo": "os"}, ["repo='os'", "name the release as well", "os-<release>"]),
        ({"path": "/"}, ["path=", "a repo's directory"]),
    ],
    ids=str,
)
def test_questions_that_lack_something(parameters: dict[str, str], words: list[str]) -> None:
    """Who names too little is told what to add."""
    with pytest.raises(BadValueError) as caught:
        with_parameters(**parameters)
    assert [word for word in words if word not in str(caught.value)] == []


# --- names that do not exist ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "repo", "arch", "words"),
    [
        ("99", "baseos", "x86_64", ["no release '99'", "Known: 9, 9.8, 10-kitten"]),
        ("9evil", "baseos", "x86_64", ["no release '9evil'"]),
        ("9.8.1", "baseos", "x86_64", ["no release '9.8.1'", "Did you mean 9.8?"]),
        ("10-kiten", "baseos", "x86_64", ["Did you mean 10-kitten?"]),
        ("10", "baseos", "x86_64", ["no release '10'"]),
        ("9", "baseoss", "x86_64", ["no repo 'baseoss'", "Did you mean baseos?", "nfv, sources"]),
        ("9", "", "x86_64", ["no repo ''"]),
        ("", "baseos", "x86_64", ["no release ''"]),
        ("10-kitten", "nfv", "s390x", ["no arch 's390x' in release 10-kitten", "Known: x86_64, aarch64"]),
        ("9", "nfv", "sparc", ["no arch 'sparc' in release 9.8", "Known: x86_64, aarch64, s390x"]),
        (
            "9",
            "baseos",
            "x86-64",
            ["no arch 'x86-64'", "Did you mean x86_64?", "Known: x86_64, aarch64, s390x"],
        ),
        ("9.7", "baseos", "s390x", ["no arch 's390x' in release 9.7"]),
        ("9", "baseos", "i\r\nSet-Cookie: x", ["no arch 'i\\r\\nSet-Cookie: x'"]),
        ("9" * 5000, "baseos", "x86_64", ["no release '999", "..."]),
    ],
)
def test_unknown_names(release: str, repo: str, arch: str, words: list[str]) -> None:
    """What does not exist is answered with what does, and the nearest name."""
    with pytest.raises(UnknownNameError) as caught:
        almalinux(release, repo, arch=arch)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\r" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"repo": "baseos-99"}, ["no release '99'"]),
        ({"repo": "epel-9"}, ["no repo 'epel'", "Known: baseos, appstream"]),
        ({"repo": "nonsense"}, ["no repo 'nonsense'", "baseos-<release>", "example-base-9"]),
        ({"repo": "nfv-10-kitten", "arch": "s390x"}, ["no arch 's390x' in release 10-kitten"]),
        ({"repo": "nfv-10-kiten"}, ["no release '10-kiten'", "Did you mean 10-kitten?"]),
        ({"path": "9/nowhere/x86_64"}, ["9/nowhere/x86_64", "9.8/BaseOS/$basearch/os/"]),
        ({"path": "9"}, ["no repo at the path"]),
        ({"path": "10-kitten/NFV/s390x/os"}, ["no repo at the path", "10-kitten/NFV/$basearch/os/"]),
        ({"path": "9/BaseOS/mips/os"}, ["no repo at the path"]),
        ({"path": "9/BaseOS/x86_64/osx"}, ["no repo at the path"]),
        ({"release": "9", "repo": "epel"}, ["no repo 'epel'"]),
        ({"release": "9", "repo": "nfv", "arch": "sparc"}, ["no arch 'sparc' in release 9.8"]),
        ({"release": "", "repo": "baseos"}, ["no release ''"]),
    ],
    ids=str,
)
def test_unknown_names_in_other_forms(parameters: dict[str, str], words: list[str]) -> None:
    """The same in every form."""
    with pytest.raises(UnknownNameError) as caught:
        with_parameters(**parameters)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    "parameters", [{"repo": "testing"}, {"repo": "Testing-9"}, {"release": "9", "repo": "testing"}]
)
def test_a_disabled_name(parameters: dict[str, str]) -> None:
    """What was taken out of service on purpose is said to be."""
    with pytest.raises(QuestionError, match="disabled"):
        with_parameters(**parameters)


@pytest.mark.parametrize(("release", "arch"), [("9", "mips"), ("9.7", "s390x"), ("99", "x86_64")])
def test_isos_that_do_not_exist(release: str, arch: str) -> None:
    """ISO directories are those of the release's arches."""
    with pytest.raises(UnknownNameError):
        a_parser().parse_isos({}, release, arch)


# --- whatever comes -------------------------------------------------------------------------------------

PARAMETERS = [
    "arch", "repo", "release", "path", "protocol", "country", "exclude_country", "region", "family", "limit",
    "format", "redirect", "infra", "cc", "countme",
]  # fmt: skip
PIECES = st.sampled_from(
    ["9", "9.8", "9.7", "10-kitten", "baseos", "os", "nfv", "-", "/", "BaseOS", "x86_64", "$basearch",
     "global", "de", ",", "aws:", "eu-central-1",
     "1", "..", "%2e", "\x00", "\n", "ß", "İ", "\ud800", "testing"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=12), st.lists(PIECES, max_size=5).map("".join))


@given(st.dictionaries(st.sampled_from(PARAMETERS), TEXTS, max_size=6), TEXTS, TEXTS)
def test_nothing_but_a_question_or_its_error(parameters: dict[str, str], release: str, repo: str) -> None:
    """Any request at all becomes a question about what exists, or an error for the person who asks."""
    config = a_config(repo_names=REPO_NAMES)
    parser = a_parser(config)
    forms: list[Callable[[], Question]] = [
        lambda: parser.parse_list(parameters, release, repo),
        lambda: parser.parse_list(parameters),
        lambda: parser.parse_isos(parameters, release, repo),
    ]
    for ask in forms:
        try:
            question = ask()
        except QuestionError as error:
            assert str(error).encode()
            assert "\x00" not in str(error)
            continue
        assert question.release in (*config.releases, *config.vault_releases)
        assert question.repo in ("", *(known.name for known in config.repos))
        assert question.arch in ("", *config.arches[question.release])
        assert 1 <= question.limit <= 50


@given(TEXTS)
def test_protocols_are_those_that_exist(text: str) -> None:
    """No protocol but the three is ever looked for."""
    reader = ParameterReader(policy())
    known: set[Protocol] = {"https", "http", "rsync"}
    try:
        assert set(reader.filters({"protocol": text}).protocols) <= known
    except BadValueError:
        assert text

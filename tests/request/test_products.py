"""Questions where one service has several products, and names of repos that are patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.request.download import parse_download
from app.request.parameters import ParameterReader, QuestionError, UnknownNameError
from app.request.question import Parser, Question
from tests.sources.samples import read_config

CONFIG = """\
config_version: 3
origin: https://origin.example.org/pub/
products:
  alpha:
    versions: ["9", "9.8"]
    duplicated_versions: {"9": "9.8"}
    vault_versions: ["9.7"]
    arches: {"9": [x86_64, aarch64]}
    repos:
      - {name: base, path: Base/$basearch/os/}
      - {name: base-debug, path: Base/$basearch/debug/}
      - {name: extras-common, path: extras-common/$basearch/}
    repo_names:
      $repo-$releasever-debug: $repo-debug
      $repo-debuginfo: $repo-debug
  beta:
    path: pub/beta/linux
    isos: images/$releasever/$basearch
    versions: ["9", "41", 10-stream]
    arches: {"9": [x86_64], "41": [x86_64], "10": [x86_64]}
    repos:
      - {name: base, path: releases/$releasever/Everything/$basearch/os/}
      - {name: updates, path: updates/$releasever/$basearch/}
      - {name: sig, path: SIGs/$releasever-stream/$basearch/$releasever/}
      - {name: more, path: $basearch/more-$releasever/}
    repo_names:
      beta-$repo-$releasever: $repo
      updates-released-f$releasever: updates
      next-$releasever: {repo: base, release: "${releasever}-stream"}
      nightly: {repo: updates, release: "41"}
      old: {disabled: true}
  addon:
    isos: false
    versions: ["9"]
    arches: {"9": [x86_64]}
    repos:
      - {name: addon, path: $releasever/Everything/$basearch/}
      - {name: old, path: old/$basearch/}
"""


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Parser:
    config, findings = read_config(tmp_path_factory.mktemp("config"), CONFIG)
    assert findings == []
    return Parser(config, ParameterReader(config.selection))


def listed(parser: Parser, target: str, **parameters: str) -> Question:
    """The question of a list: `<release>/<repo>`, or the `repo=` of MirrorManager."""
    release, _, repo = target.rpartition("/")
    if release:
        return parser.parse_list({"arch": "x86_64", **parameters}, release, repo)
    return parser.parse_list({"arch": "x86_64", "repo": repo, **parameters})


@pytest.mark.parametrize(
    ("target", "key", "path"),
    [
        pytest.param("alpha-9/base", "alpha-9.8/base", "9.8/Base/x86_64/os/", id="short name of a release"),
        pytest.param("alpha-9.8/base", "alpha-9.8/base", "9.8/Base/x86_64/os/", id="full name"),
        pytest.param("beta-9/base", "beta-9/base", "releases/9/Everything/x86_64/os/", id="other product"),
        pytest.param("9/base", "alpha-9.8/base", "9.8/Base/x86_64/os/", id="version of several: the first"),
        pytest.param("9/updates", "beta-9/updates", "updates/9/x86_64/", id="the first that has the repo"),
        pytest.param("9/addon", "addon-9/addon", "9/Everything/x86_64/", id="the only one that has it"),
        pytest.param("41/base", "beta-41/base", "releases/41/Everything/x86_64/os/", id="version of one"),
        pytest.param("9.7/base", "alpha-9.7/base", "9.7/Base/x86_64/os/", id="release of the vault"),
        pytest.param("ALPHA-9/Base", "alpha-9.8/base", "9.8/Base/x86_64/os/", id="capitals"),
        pytest.param("addon-9", "addon-9/addon", "9/Everything/x86_64/", id="MirrorManager's, by version"),
        pytest.param("base-beta-9", "beta-9/base", "releases/9/Everything/x86_64/os/", id="by full name"),
        pytest.param("base-9-debug", "alpha-9.8/base-debug", "9.8/Base/x86_64/debug/", id="pattern of both"),
        pytest.param("9/base-debuginfo", "alpha-9.8/base-debug", "9.8/Base/x86_64/debug/", id="pattern"),
        pytest.param("base-debuginfo-9", "alpha-9.8/base-debug", "9.8/Base/x86_64/debug/", id="and version"),
        pytest.param(
            "extras-common-9", "alpha-9.8/extras-common", "9.8/extras-common/x86_64/", id="hyphens in a repo"
        ),
        pytest.param(
            "beta-base-10-stream",
            "beta-10-stream/base",
            "releases/10-stream/Everything/x86_64/os/",
            id="pattern, hyphens in a release",
        ),
        pytest.param("beta-base-9", "beta-9/base", "releases/9/Everything/x86_64/os/", id="prefix"),
        pytest.param("updates-released-f41", "beta-41/updates", "updates/41/x86_64/", id="letter before"),
        pytest.param("UPDATES-RELEASED-F41", "beta-41/updates", "updates/41/x86_64/", id="pattern, capitals"),
        pytest.param(
            "next-10",
            "beta-10-stream/base",
            "releases/10-stream/Everything/x86_64/os/",
            id="release of another name",
        ),
        pytest.param("nightly", "beta-41/updates", "updates/41/x86_64/", id="name with a release"),
        pytest.param("9/nightly", "beta-41/updates", "updates/41/x86_64/", id="its own release counts"),
        pytest.param("beta-41/sig", "beta-41/sig", "SIGs/41-stream/x86_64/41/", id="release twice"),
        pytest.param("beta-41/more", "beta-41/more", "x86_64/more-41/", id="release at the end"),
        pytest.param("addon-9/old", "addon-9/old", "9/old/x86_64/", id="disabled in another product"),
        # Variables that a client leaves as they are.
        pytest.param("base-9$rltype", "alpha-9.8/base", "9.8/Base/x86_64/os/", id="variable behind"),
        pytest.param(
            "base-9-debug$rltype",
            "alpha-9.8/base-debug",
            "9.8/Base/x86_64/debug/",
            id="variable behind a pattern",
        ),
        pytest.param(
            "addon${releasever_minor:+-z}-9", "addon-9/addon", "9/Everything/x86_64/", id="with a condition"
        ),
        pytest.param("9$x/${y}base", "alpha-9.8/base", "9.8/Base/x86_64/os/", id="in the path"),
    ],
)
def test_lists(parser: Parser, target: str, key: str, path: str) -> None:
    """A product's releases have the product before their version, and a version alone means the first product
    that has it and the repo. Patterns stand for all names that they fit. An unexpanded variable counts as
    empty."""
    question = listed(parser, target)
    assert (question.key, question.path) == (f"{key}/x86_64", path)


def test_an_arch_that_was_not_expanded(parser: Parser) -> None:
    """It counts as no arch, whatever the variable is called."""
    for arch in ("$basearch", "$arch", "${basearch}"):
        assert listed(parser, "9/base", arch=arch).path == "9.8/Base/$basearch/os/"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        pytest.param("9/Base/x86_64/os/", "alpha-9.8/base/x86_64", id="below a product"),
        pytest.param("beta/releases/9/Everything/x86_64/os", "beta-9/base/x86_64", id="product first"),
        pytest.param("pub/beta/linux/updates/41/x86_64/a", "beta-41/updates/x86_64", id="as on a mirror"),
        pytest.param("pub/BETA/linux/images/41/x86_64", "beta-41//x86_64", id="ISOs, product in capitals"),
        pytest.param("any/thing/SIGs/41-stream/x86_64/41", "beta-41/sig/x86_64", id="release twice"),
        pytest.param("x86_64/more-41/repodata", "beta-41/more/x86_64", id="release in a later segment"),
        pytest.param("mirror/addon/9/Everything/x86_64/", "addon-9/addon/x86_64", id="add-on"),
        pytest.param("9/Everything/x86_64/", "addon-9/addon/x86_64", id="the only product that has it"),
    ],
)
def test_paths(parser: Parser, path: str, key: str) -> None:
    """MirrorManager's `path=` finds the product by its name among the segments in front, or else by the
    directory."""
    assert parser.parse_list({"path": path}).key == key


@pytest.mark.parametrize(
    ("target", "key", "path", "rest"),
    [
        pytest.param(
            "alpha/9/Base/x86_64/os/a.rpm",
            "alpha-9.8/base/x86_64",
            "9.8/Base/x86_64/os/",
            "a.rpm",
            id="short",
        ),
        pytest.param(
            "Beta/releases/41/everything/x86_64/os/Packages/A.rpm",
            "beta-41/base/x86_64",
            "releases/41/Everything/x86_64/os/",
            "Packages/A.rpm",
            id="release within the path",
        ),
        pytest.param(
            "beta/images/41/x86_64/A.iso", "beta-41//x86_64", "images/41/x86_64/", "A.iso", id="an image"
        ),
    ],
)
def test_downloads(parser: Parser, target: str, key: str, path: str, rest: str) -> None:
    """A download's path is the product, and what is below the product's base URL."""
    download = parse_download(parser, f"/download/{target}", {}, secure=False)
    assert (download.question.key, download.question.path, download.rest) == (key, path, rest)


def test_isos(parser: Parser) -> None:
    """Each product has its own path for ISOs, or none."""
    assert parser.parse_isos({}, "beta-41", "x86_64").path == "images/41/x86_64/"
    assert parser.parse_isos({}, "9", "x86_64").path == "9.8/isos/x86_64/"
    with pytest.raises(
        UnknownNameError, match=r"no release with ISOs 'addon-9'\.\n(?s:.*)Known: alpha-9\.8, beta-9"
    ):
        parser.parse_isos({}, "addon-9", "x86_64")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("gamma-9/base", ["no release 'gamma-9'", "alpha-9", "beta-9"]),
        ("beta-9/addon", ["no repo 'addon'", "base, updates, sig"]),
        ("addon-41/addon", ["no release 'addon-41'"]),
        ("base-9-source", ["no release '9-source'"]),
        ("nothing-99-debug", ["no repo 'nothing-99-debug'", "$repo-$releasever-debug"]),
        ("updates-released-f9.8", ["no release"]),
        ("old-beta-9", ["disabled"]),
        ("old", ["name the release as well"]),
    ],
)
def test_what_does_not_exist(parser: Parser, target: str, words: list[str]) -> None:
    """An error names what exists in the product that was asked for, and patterns as people write them."""
    with pytest.raises(QuestionError) as caught:
        listed(parser, target)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("9/Base/x86_64/os/a.rpm", ["no product '9'", "Known: alpha, beta, addon"]),
        ("alpha", ["no repo at the path 'alpha'", "alpha/9.8/Base/$basearch/os/"]),
        (
            "beta/releases/99/Everything/a",
            ["no repo at the path", "beta/releases/9/Everything/$basearch/os/"],
        ),
        ("beta/releases/41/Everything/a", ["no repo at", "beta/releases/41/Everything/$basearch/os/"]),
        ("addon/9/isos/x86_64/a.iso", ["no repo at", "addon/9/Everything/$basearch/"]),
    ],
)
def test_downloads_that_do_not_exist(parser: Parser, target: str, words: list[str]) -> None:
    """The error shows the paths of the product and the release that were named."""
    with pytest.raises(UnknownNameError) as caught:
        parse_download(parser, f"/download/{target}", {}, secure=False)
    assert [word for word in words if word not in str(caught.value)] == []


def test_one_config_with_release_in_the_path(tmp_path: Path) -> None:
    """Without products, the release may stand anywhere in a path too."""
    text = """\
config_version: 3
origin: https://origin.example.org/
versions: ["41"]
arches: {"41": [x86_64]}
repos:
  - {name: base, path: releases/$releasever/$basearch/os/}
"""
    config, findings = read_config(tmp_path, text)
    assert findings == []
    parser = Parser(config, ParameterReader(config.selection))
    assert listed(parser, "41/base").path == "releases/41/x86_64/os/"
    download = parse_download(parser, "/download/releases/41/x86_64/os/a.rpm", {}, secure=False)
    assert (download.question.key, download.rest) == ("41/base/x86_64", "a.rpm")
    assert parser.parse_list({"path": "pub/linux/releases/41/x86_64/os"}).key == "41/base/x86_64"

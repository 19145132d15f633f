"""Metalinks have the structure that Fedora's have, which is what clients were written for."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from app.model import RepomdVersion
from app.render.metalink import metalink
from tests.builders import a_client, a_mirror, a_repomd, ask, load, question

CURRENT = a_repomd(1_795_000_000, sha1="1" * 40, md5="2" * 32)
PREVIOUS = a_repomd(1_794_000_000)
PRIVATE = "{http://fedorahosted.org/mirrormanager}private"


def shape(root: ET.Element, above: str = "") -> list[tuple[str, tuple[str, ...]]]:
    """Every kind of element with where it stands, in order, and the names of its attributes."""
    path = f"{above}/{root.tag}"
    found = [(path, tuple(sorted(name for name in root.attrib if name != PRIVATE)))]
    for child in root:
        found += [kind for kind in shape(child, path) if kind not in found]
    return found


@pytest.mark.parametrize(
    ("theirs", "versions"),
    [
        pytest.param("test_data/metalinks/metalink_good_01", (CURRENT,), id="one version"),
        pytest.param(
            "python/tests/servermock/yum_mock/static/metalink/metalink_with_alternates.xml",
            (CURRENT, PREVIOUS),
            id="with alternates",
        ),
    ],
)
def test_structure_is_fedoras(real_data: Path, theirs: str, versions: tuple[RepomdVersion, ...]) -> None:
    """The same elements with the same attributes, in the same places and order. (`mm0:private`, which
    some of theirs have on a URL, marks a mirror that is not for the public.)"""
    root = ET.parse(real_data / "librepo" / theirs).getroot()  # noqa: S314 - a file that was looked at
    known = {"9.8/baseos/x86_64": versions}
    snapshot = load(a_mirror("near", "frankfurt"), a_mirror("far", "tokyo"), repomd=known)
    selection = ask(snapshot, a_client("frankfurt"))
    body = metalink(snapshot, question(snapshot.config), selection)
    ours = ET.fromstring(body)  # noqa: S314 - our own answer
    assert shape(ours) == shape(root)
    assert ours.attrib["version"] == root.attrib["version"] == "3.0"
    hashes = [
        [h.attrib["type"] for h in tree.iter("{http://www.metalinker.org/}hash")][:4] for tree in (ours, root)
    ]
    assert hashes[0] == hashes[1]

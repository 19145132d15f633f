"""Over HTTP: known repos where they are not expected, arches that cannot matter, and the unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.asking import FRANKFURT, FROM_FRANKFURT, TEXT, Ask, application, asking, kept, mirrors_in

ABOUT = f"ip={FRANKFURT}"


@pytest.mark.parametrize(
    ("target", "below"),
    [
        pytest.param("/mirrorlist/8/crb?arch=x86_64", "8.10/CRB/x86_64/os/", id="release"),
        pytest.param("/mirrorlist/8/crb?", "8.10/CRB/$basearch/os/", id="release, no arch"),
        pytest.param("/mirrorlist/9/rt?arch=s390x", "9.8/RT/s390x/os/", id="arch"),
        pytest.param("/mirrorlist/10/devel?arch=x86_64_v2", "10.2/devel/x86_64_v2/os/", id="level of x86_64"),
        pytest.param("/mirrorlist/10-kitten/crb?arch=x86_64", "10-kitten/CRB/x86_64/os/", id="module"),
        pytest.param("/mirrorlist?repo=crb-8&arch=x86_64", "8.10/CRB/x86_64/os/", id="MirrorManager"),
        pytest.param("/mirrorlist?path=8/CRB/x86_64/os", "8.10/CRB/x86_64/os/", id="path"),
        pytest.param("/?release=8&repo=crb&arch=x86_64", "8.10/CRB/x86_64/os/", id="CentOS"),
    ],
)
def test_a_list_of_mirrors(ask: Ask, target: str, below: str) -> None:
    """Mirrors are listed, though the prober has never looked there."""
    answer = ask(f"{target}&{ABOUT}")
    assert answer.status == 200
    assert len(mirrors_in(answer)) == len(answer.lines) > 3
    assert all(line.endswith(f"/{below}") for line in answer.lines)


@pytest.mark.parametrize(
    "target",
    [
        "/mirrorlist/8/crb?arch=x86_64&explain=1",
        "/explain?release=8&repo=crb&arch=x86_64",
        "/explain?repo=crb-8&arch=x86_64",
        "/explain?path=8/CRB/x86_64/os",
    ],
)
def test_its_explanation(published: Path, target: str) -> None:
    """It names the mirrors that are served, and says that the prober does not look for this."""
    ask = asking(application(published))
    served = ask(f"/mirrorlist/8/crb?arch=x86_64&{ABOUT}").lines
    text = ask(f"{target}&{ABOUT}").body.decode()
    assert [url for url in served if url not in text] == []
    assert "config.yml does not say that mirrors have crb of release 8.10 for x86_64" in text


VAULT = "https://vault.example.org"


@pytest.mark.parametrize("arch", ["source", "src", "SRPMS", "noarch", "x86_64", "", "%00"])
@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/mirrorlist/9/baseos-source?", f"{VAULT}/9.8/BaseOS/Source/"),
        ("/mirrorlist/9.7/baseos-source?", f"{VAULT}/9.7/BaseOS/Source/"),
        ("/mirrorlist/10-kitten/baseos-source?", f"{VAULT}/10-kitten/BaseOS/Source/"),
        ("/mirrorlist?repo=baseos-source-9&", f"{VAULT}/9.8/BaseOS/Source/"),
        ("/mirrorlist?path=9/BaseOS/Source&", f"{VAULT}/9.8/BaseOS/Source/"),
        ("/?release=9&repo=baseos-source&", f"{VAULT}/9.8/BaseOS/Source/"),
    ],
)
def test_an_arch_that_cannot_matter(ask: Ask, target: str, url: str, arch: str) -> None:
    """Whatever it is, the answer is the same."""
    answer = ask(f"{target}arch={arch}")
    assert (answer.status, answer.lines) == (200, [url])


def test_a_download_from_where_it_is_not_expected(ask: Ask) -> None:
    """The client is sent to a mirror, at the path that the file would have."""
    answer = ask(f"/download/8/CRB/x86_64/os/Packages/a.rpm?{ABOUT}")
    assert answer.status == 302
    assert answer.headers["Location"].endswith("/8.10/CRB/x86_64/os/Packages/a.rpm")


def test_no_metalink_of_what_is_not_known(ask: Ask) -> None:
    """Nobody has read the origin's repomd.xml there: the mirrorlist is pointed to."""
    answer = ask("/metalink/8/crb?arch=x86_64")
    assert answer.status == 404
    assert b"/mirrorlist/8/crb?arch=x86_64" in answer.body


UNKNOWN = {
    "/mirrorlist/9/baseoz?arch=x86_64": "baseos, appstream",
    "/mirrorlist/10-kitten/epel?arch=x86_64": "baseos, appstream",
    "/mirrorlist/9.7/epel?arch=source": "baseos, appstream",
    "/mirrorlist/99/crb?arch=x86_64": "9.8",
    "/mirrorlist/8/crb?arch=s390x": "Known: x86_64, aarch64",
    "/mirrorlist/9/rt?arch=source": "Known: x86_64, aarch64",
    "/mirrorlist/9.7/crb?arch=src": "Known: x86_64, aarch64",
    "/mirrorlist/9/baseos-debug?arch=noarch": "Known: x86_64, aarch64",
    "/mirrorlist?repo=epel-8&arch=x86_64": "baseos, appstream",
    "/mirrorlist?repo=crb-8&arch=sparc": "Known: x86_64, aarch64",
    "/mirrorlist?path=8/CRB/s390x/os": "8.10/CRB/$basearch/os/",
    "/?release=8&repo=epel&arch=x86_64": "baseos, appstream",
    "/?release=8&repo=crb&arch=sparc": "Known: x86_64, aarch64",
    "/metalink/8/crb?arch=s390x": "Known: x86_64, aarch64",
    "/metalink?repo=epel-8&arch=x86_64": "baseos, appstream",
    "/isolist/8/s390x": "Known: x86_64, aarch64",
    "/isolist/9.7/source": "Known: x86_64, aarch64",
    "/download/8/CRB/s390x/os/a.rpm": "8.10/CRB/$basearch/os/",
    "/explain?release=8&repo=epel&arch=x86_64": "baseos, appstream",
}


def test_the_unknown(ask: Ask) -> None:
    """Releases, repos and arches that do not exist are a 404 that names what does, in every form; and
    nobody else's answer is another for it."""
    before = ask(FROM_FRANKFURT)
    for target, known in UNKNOWN.items():
        answer = ask(target)
        assert (answer.status, answer.headers["Content-Type"]) == (404, TEXT), target
        assert known in answer.body.decode(), target
    after = ask(FROM_FRANKFURT)
    assert (after.body, kept(after)) == (before.body, kept(before))

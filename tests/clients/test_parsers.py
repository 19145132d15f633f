"""What clients of today make of our answers, by the rules of their parsers (`parsers`), and that these
rules are those of the clients that are installed here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.crawler import fetch
from tests.clients.parsers import RefusedError, librepo_metalink, librepo_mirrorlist, libzypp
from tests.once import with_sample
from tests.web.asking import Ask, application, asking

X86_64 = {"basearch": "x86_64", "releasever": "9"}
OS = "/9.8/BaseOS/x86_64/os/"
LISTS = [
    pytest.param("/mirrorlist/9/baseos?arch=x86_64", id="AlmaLinux"),
    pytest.param("/mirrorlist?repo=baseos-9&arch=x86_64", id="MirrorManager"),
    pytest.param("/?release=9&repo=baseos&arch=x86_64", id="CentOS"),
    pytest.param("/mirrorlist/9/baseos?arch=x86_64&country=jp", id="one country"),
    pytest.param("/mirrorlist/9/baseos?arch=x86_64&limit=1", id="one mirror"),
    pytest.param("/mirrorlist/9/baseos?arch=x86_64&protocol=http", id="one protocol"),
    pytest.param("/mirrorlist/9.7/baseos?arch=x86_64", id="vault"),
]


@pytest.fixture(scope="module")
def ask(published_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks about the sample network."""
    return asking(application(with_sample(published_sample, tmp_path_factory.mktemp("published"))))


def listed(ask: Ask, target: str) -> list[str]:
    """The URLs that we mean to give."""
    document = json.loads(ask(f"{target}&format=json").body)
    return [entry["url"] for entry in document["mirrors"]]


@pytest.mark.parametrize("target", LISTS)
def test_lists(ask: Ask, target: str) -> None:
    """librepo and libzypp take all URLs of a list, in its order, and nothing else."""
    body = ask(target).body
    expected = listed(ask, target)
    assert expected
    assert librepo_mirrorlist(body, X86_64) == expected
    assert libzypp(body) == expected


def test_without_an_arch_librepo_alone_fills_it_in(ask: Ask) -> None:
    """libzypp takes the URLs as they are: zypper has to ask with `arch`."""
    body = ask("/mirrorlist/9/baseos").body
    assert all(url.endswith(OS) for url in librepo_mirrorlist(body, X86_64))
    assert all("$basearch" in url for url in libzypp(body))


def test_metalinks(ask: Ask) -> None:
    """Both take a metalink's URLs for base URLs, in order."""
    body = ask("/metalink/9/baseos?arch=x86_64").body
    expected = listed(ask, "/mirrorlist/9/baseos?arch=x86_64")
    assert librepo_metalink(body) == libzypp(body) == expected


def test_zypp_is_an_array(ask: Ask) -> None:
    """`format=zypp` has as many mirrors as zypper tries, at most 8, each with the URL that a list has."""
    body = ask("/mirrorlist/9/baseos?arch=x86_64&format=zypp").body
    expected = listed(ask, "/mirrorlist/9/baseos?arch=x86_64")
    assert libzypp(body) == expected[:8]


def test_json_is_for_neither(ask: Ask) -> None:
    """Our JSON is an object, which libzypp takes for a text with a bad URL."""
    with pytest.raises(RefusedError):
        libzypp(ask("/mirrorlist/9/baseos?arch=x86_64&format=json").body)


@pytest.mark.parametrize(
    "target", ["/mirrorlist/9/none?arch=x86_64", "/mirrorlist/9/baseos?arch=none", "/metalink/9/baseos"]
)
def test_errors_are_no_list(ask: Ask, target: str) -> None:
    """An error has a status that every client takes for one; should one read its text, there is no URL in
    it."""
    answer = ask(target)
    assert answer.status in (400, 404)
    with pytest.raises(RefusedError):
        librepo_mirrorlist(answer.body, X86_64)
    with pytest.raises(RefusedError):
        libzypp(answer.body)


def test_lines_are_short_enough(ask: Ask) -> None:
    """librepo cuts lines after 4,095 bytes; base URLs have at most 1,000 characters."""
    longest = max(ask("/mirrorlist/9/baseos?arch=x86_64").body.split(b"\n"), key=len)
    assert len(longest) + 1000 < 4095


LIBREPO = [
    pytest.param(b"", None, id="empty"),
    pytest.param(b"# a\n", None, id="comments alone"),
    pytest.param(b"  https://a/os/ \t\n", ["https://a/os/"], id="blanks"),
    pytest.param(b"sorry\nhttps://a/\n", ["https://a/"], id="prose"),
    pytest.param(b"https://a/", ["https://a/"], id="no end of line"),
    pytest.param(
        b"https://a/\n#https://b/\nhttps://c/\n", ["https://a/", "https://c/"], id="comment between"
    ),
]


@pytest.mark.parametrize(("body", "urls"), LIBREPO)
def test_the_rules_of_librepo(tmp_path: Path, body: bytes, urls: list[str] | None) -> None:
    """The rules are the same as those of the librepo that is installed here, which is older."""
    path = tmp_path / "list"
    path.write_bytes(body)
    (installed,) = fetch([(path.as_uri(), "mirrorlist")])
    assert (installed.mirrors or None) == urls
    if urls is None:
        with pytest.raises(RefusedError):
            librepo_mirrorlist(body, X86_64)
    else:
        assert librepo_mirrorlist(body, X86_64) == urls


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        pytest.param(b"https://a/$basearch/\n", ["https://a/x86_64/"], id="a variable"),
        pytest.param(
            b"https://a/${releasever}/$none/\n", ["https://a/9/$none/"], id="braces, an unknown one"
        ),
        pytest.param(b"rsync://a/\nhttp://b/\n", ["http://b/"], id="rsync is of no use"),
    ],
)
def test_the_rules_of_dnf(body: bytes, urls: list[str]) -> None:
    """What librepo does when dnf tells it the variables, and asks it to download."""
    assert librepo_mirrorlist(body, X86_64) == urls


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        pytest.param(b"https://a/\nhttps://b/\n", ["https://a/", "https://b/"], id="text"),
        pytest.param(b"# c\nhttps://a/\n", ["https://a/"], id="comment"),
        pytest.param(b"https://a/\nsorry\n", None, id="prose spoils all"),
        pytest.param(b"https://a/\n\n", None, id="so does an empty line"),
        pytest.param(b"rsync://a/\nhttps://b/\n", ["https://b/"], id="rsync is passed over"),
        pytest.param(b'\n [{"url": "https://a/"}, 1, {"x": 2}]', ["https://a/"], id="array"),
        pytest.param(b'{"mirrors": []}', None, id="object"),
    ],
)
def test_the_rules_of_libzypp(body: bytes, urls: list[str] | None) -> None:
    """The rules themselves."""
    if urls is None:
        with pytest.raises(RefusedError):
            libzypp(body)
    else:
        assert libzypp(body) == urls

"""Downloads over HTTP: where a client is sent, and what it is told of other places."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import pytest

from app.request.download import MAX_PATH_CHARS, parse_download
from app.request.parameters import ParameterReader
from app.request.question import Parser
from app.snapshot.loaded import LoadedSnapshot
from app.web import answers, downloads
from tests.builders import a_client, a_config, a_mirror, a_state, an_image_directory, lists_of, load
from tests.servers import Answer
from tests.web.asking import FRANKFURT, STRANGER, TOKYO, Ask

OS = "/download/9.8/BaseOS/x86_64/os/"
PACKAGE = f"{OS}Packages/tool-1-1.x86_64.rpm"
HTTPS = {"X-Forwarded-Proto": "https"}
ORIGIN = "https://repo.example.org/examplelinux/"
DUPLICATE = re.compile(r"<([^<>]+)>; rel=duplicate; pri=([0-9]+)(?:; geo=([a-z]{2}))?")


def links(answer: Answer, relation: str) -> list[str]:
    return [value for value in answer.headers.get_all("Link") or [] if f"; rel={relation}" in value]


def duplicates(answer: Answer) -> list[tuple[str, int, str]]:
    """URL, pri and geo."""
    found = [DUPLICATE.fullmatch(value) for value in links(answer, "duplicate")]
    assert all(found), links(answer, "duplicate")
    return [(match[1], int(match[2]), match[3]) for match in found if match]


def test_best_mirror_and_the_next_nine(ask: Ask) -> None:
    """The client is sent to the first mirror of its list; the other nine are duplicates, in order,
    with their countries."""
    answer = ask(f"{PACKAGE}?ip={FRANKFURT}")
    listed = ask(f"/mirrorlist/9/baseos?arch=x86_64&format=json&ip={FRANKFURT}")
    expected = re.findall(rb'"url":"([^"]+)","mirror":"[^"]+","country":"(..)"', listed.body)
    urls = [url.decode() + "Packages/tool-1-1.x86_64.rpm" for url, _ in expected]
    assert (answer.status, answer.headers["Location"]) == (302, urls[0])
    assert answer.body.decode() == urls[0] + "\n"
    countries = [country.decode().lower() for _, country in expected]
    assert duplicates(answer) == list(zip(urls[1:], range(1, 10), countries[1:], strict=True))
    for header in ("X-Client-Place", "X-Mirrorlist-Mirror", "X-Mirrorlist-Reason", "Cache-Control"):
        assert answer.headers[header] == listed.headers[header]


def test_metalink_describes_the_repomd_alone(ask: Ask) -> None:
    """A repomd.xml is described by its metalink, which the address leads to. A package is not: a
    downloader would save the repomd.xml in its stead."""
    (link,) = links(ask(f"{OS}repodata/repomd.xml"), "describedby")
    match = re.fullmatch(r'<(/metalink/[^>]+)>; rel=describedby; type="application/metalink\+xml"', link)
    assert match, link
    described = ask(match[1])
    assert (described.status, described.headers["Content-Type"]) == (200, "application/metalink+xml")
    assert b"/9.8/BaseOS/x86_64/os/repodata/repomd.xml</url>" in described.body
    assert links(ask(PACKAGE), "describedby") == []


LONGEST = MAX_PATH_CHARS - len(OS)


@pytest.mark.parametrize(
    ("file", "limit"),
    [
        pytest.param("repodata/repomd.xml", 50, id="many mirrors"),
        pytest.param("a" * LONGEST, 50, id="a long path"),
        pytest.param("%2B" * (LONGEST // 3), 10, id="a long encoded path"),
        pytest.param("|" * (LONGEST // 3), 10, id="a path that is encoded on the way"),
    ],
)
def test_links_take_no_more_than_proxies_take(ask: Ask, file: str, limit: int) -> None:
    """As many of the best mirrors are named as fit into 4 kB, and the metalink in any case."""
    answer = ask(f"{OS}{file}?limit={limit}&ip={FRANKFURT}")
    assert answer.status == 302
    lines = [f"Link: {value}\r\n" for value in answer.headers.get_all("Link") or []]
    assert sum(map(len, lines)) <= 4096
    listed = ask(f"/mirrorlist/9/baseos?arch=x86_64&limit={limit}&ip={FRANKFURT}").lines
    named = [url for url, _, _ in duplicates(answer)]
    assert named == [line + quote(file, safe="/%") for line in listed[1 : len(named) + 1]]
    longest = max(map(len, lines))
    assert len(named) == len(listed) - 1 or sum(map(len, lines)) + longest > 4096
    assert len(links(answer, "describedby")) == (file == "repodata/repomd.xml")


@pytest.mark.parametrize("file", ["a" * (LONGEST + 1), "|" * (LONGEST // 3 + 1)], ids=["long", "encoded"])
def test_a_path_that_is_too_long(ask: Ask, file: str) -> None:
    """A path that would lead to a header line which no proxy takes is refused."""
    answer = ask(f"{OS}{file}")
    assert answer.status == 400
    assert b"longer than 1000 characters" in answer.body


def test_unknown_facts_describe_nothing(ask: Ask) -> None:
    """Where there is no metalink, none is named."""
    answer = ask("/download/9.7/BaseOS/x86_64/os/repodata/repomd.xml")
    assert answer.status == 302
    assert answer.headers.get_all("Link") is None


def test_isos_come_from_mirrors_that_have_them(ask: Ask) -> None:
    """An ISO's mirrors are those of the ISO list, in its order."""
    answer = ask(f"/download/9/isos/s390x/Example-9.8-s390x-dvd.iso?ip={FRANKFURT}")
    listed = ask(f"/isolist/9/s390x?ip={FRANKFURT}")
    urls = [answer.headers["Location"], *(url for url, _, _ in duplicates(answer))]
    assert urls == [line + "Example-9.8-s390x-dvd.iso" for line in listed.lines]


DVD = "/download/9.8/isos/x86_64/Example-9.8-x86_64-dvd.iso"


def test_an_image_has_its_checksum_and_its_metalink(ask: Ask) -> None:
    """The redirect to an image says its checksum, as RFC 6249 wants it, and where its metalink is. That has
    the same checksum, the size, and the URLs of the redirect in the same order."""
    answer = ask(f"{DVD}?ip={FRANKFURT}")
    (link,) = links(answer, "describedby")
    assert link == f'<{DVD}.meta4>; rel=describedby; type="application/metalink4+xml"'
    described = ask(f"{DVD}.meta4?ip={FRANKFURT}")
    assert (described.status, described.headers["Content-Type"]) == (200, "application/metalink4+xml")
    file = ElementTree.fromstring(described.body).find("{*}file")  # noqa: S314 - our own answer
    assert file is not None
    assert file.get("name") == "Example-9.8-x86_64-dvd.iso"
    assert int(file.findtext("{*}size") or "") > 10**10
    digest = base64.b64encode(bytes.fromhex(file.findtext("{*}hash[@type='sha-256']") or "")).decode()
    assert answer.headers["Digest"] == f"SHA-256={digest}"
    urls = [(url.text, url.get("priority"), url.get("location")) for url in file.findall("{*}url")]
    assert urls[0][:2] == (answer.headers["Location"], "1")
    assert urls[1:] == [(url, str(pri + 1), country) for url, pri, country in duplicates(answer)]
    for header in ("X-Client-Place", "X-Mirrorlist-Mirror", "Cache-Control"):
        assert described.headers[header] == answer.headers[header]


@pytest.mark.parametrize("name", ["CHECKSUM", "CHECKSUM.asc", "Example-9.8-x86_64-dvd.iso.torrent", ""])
def test_other_files_beside_images(ask: Ask, name: str) -> None:
    """What the origin has beside its images is to be had as ever, without a checksum."""
    answer = ask(f"/download/9.8/isos/x86_64/{name}")
    assert answer.status == 302
    assert (answer.headers["Digest"], links(answer, "describedby")) == (None, [])


UNKNOWN = {
    "another release's image": "Example-9.7-x86_64-dvd.iso",
    "another case": "example-9.8-x86_64-dvd.iso",
    "a file in a directory that is not there": "live/x.iso",
    "the metalink of a checksum file": "CHECKSUM.meta4",
    "markup": "%3Cscript%3E",
}


@pytest.mark.parametrize("name", UNKNOWN.values(), ids=UNKNOWN)
def test_a_file_that_the_origin_does_not_have(ask: Ask, name: str) -> None:
    """The answer says so, and where those are that there are, instead of sending the client to a mirror that
    does not have it either; also after another file of the directory was asked for."""
    assert ask(DVD).status == 302
    answer = ask(f"/download/9/isos/x86_64/{name}")
    assert (answer.status, answer.headers["Location"]) == (404, None)
    assert answer.body.decode() == (
        f"There is no file '{unquote(name)}' among the images of 9.8 for x86_64. "
        "Those that there are: /isos/9.8/x86_64\n"
    )


def test_where_the_images_are_not_known() -> None:
    """A directory of which nothing is known leads to mirrors, whatever is asked for; of one without an index,
    what belongs to a known file counts as there."""
    snapshot = load(a_mirror("a"), images={"9.8/x86_64": an_image_directory("a.iso")})
    base = "https://a.example.org/alma/9.8/isos/"
    assert location(snapshot, "9/isos/aarch64/b.iso") == f"{base}aarch64/b.iso"
    for name in ("a.iso", "a.iso.torrent", "CHECKSUM.asc"):
        assert location(snapshot, f"9/isos/x86_64/{name}") == f"{base}x86_64/{name}"
    with pytest.raises(downloads.UnknownFileError):
        location(snapshot, "9/isos/x86_64/b.iso")


def test_a_metalink_never_leads_from_https_to_http() -> None:
    """Whoever came by https gets https addresses in a metalink too, or none."""
    config = a_config(origin="http://origin.example.org/")
    snapshot = load(config=config, images={"9.8/x86_64": an_image_directory("a.iso")})
    answer = redirect(snapshot, "9/isos/x86_64/a.iso.meta4", secure=True)
    assert (answer.status, answer.content_type) == (404, "text/plain; charset=utf-8")
    assert b"http://origin.example.org/9.8/isos/x86_64/a.iso" in answer.body
    assert redirect(snapshot, "9/isos/x86_64/a.iso.meta4").status == 200


def test_isos_are_not_sought_where_there_are_none() -> None:
    """The nearest mirror has the packages and not the images: it is passed over for images alone."""
    near, far = a_mirror("near", "frankfurt"), a_mirror("far", "tokyo")
    states = [a_state("near", isos={"9.8/x86_64": False}), a_state("far", isos={"9.8/x86_64": True})]
    snapshot = load(near, far, states=states)
    assert location(snapshot, "9/isos/x86_64/a.iso") == "https://far.example.org/alma/9.8/isos/x86_64/a.iso"
    assert location(snapshot, "9/BaseOS/x86_64/os/a").startswith("https://near.example.org/")


@pytest.mark.parametrize(
    "path", ["9.7/BaseOS/x86_64/os/a.rpm", "9/BaseOS/x86_64/os/a.rpm"], ids=["vault", "origin"]
)
def test_only_http_is_left(path: str) -> None:
    """A vault or origin of http alone is no place to send somebody who came by https: the answer is a
    text that says where the file is."""
    config = a_config(vault_url="http://vault.example.org/", origin="http://origin.example.org/")
    snapshot = load(config=config)
    answer = redirect(snapshot, path, secure=True)
    assert (answer.status, dict(answer.headers).get("Location")) == (404, None)
    assert answer.body.decode().rstrip().endswith(path.replace("9/", "9.8/"))
    assert location(snapshot, path).startswith("http://")


def redirect(snapshot: LoadedSnapshot, path: str, secure: bool = False) -> answers.Answer:
    parser = Parser(snapshot.config, ParameterReader(snapshot.policy))
    download = parse_download(parser, f"/download/{path}", {}, secure)
    return downloads.downloaded(lists_of(snapshot), a_client("frankfurt"), download)


def location(snapshot: LoadedSnapshot, path: str) -> str:
    return dict(redirect(snapshot, path).headers)["Location"]


@pytest.mark.parametrize(
    ("path", "location", "reason"),
    [
        pytest.param(
            "9.7/BaseOS/x86_64/os/a.rpm",
            "https://vault.example.org/9.7/BaseOS/x86_64/os/a.rpm",
            "vault",
            id="vault release",
        ),
        pytest.param(
            "9/BaseOS/Source/a.src.rpm",
            "https://vault.example.org/9.8/BaseOS/Source/a.src.rpm",
            "vault",
            id="vault repo",
        ),
        pytest.param(
            "9.7/isos/x86_64/a.iso",
            "https://vault.example.org/9.7/isos/x86_64/a.iso",
            "vault",
            id="vault ISOs",
        ),
        pytest.param(
            "9/BaseOS/x86_64/os/a.rpm?country=AQ",
            ORIGIN + "9.8/BaseOS/x86_64/os/a.rpm",
            "origin",
            id="nobody eligible",
        ),
        pytest.param(
            "9/isos/x86_64/Example-9.8-x86_64-dvd.iso?country=AQ",
            ORIGIN + "9.8/isos/x86_64/Example-9.8-x86_64-dvd.iso",
            "origin",
            id="no ISOs anywhere",
        ),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTTPS], ids=["http", "https"])
def test_vault_and_origin(ask: Ask, path: str, location: str, reason: str, headers: dict[str, str]) -> None:
    """What mirrors do not have is at the vault or the origin, and nowhere else."""
    answer = ask(f"/download/{path}", headers=headers)
    assert (answer.status, answer.headers["Location"]) == (302, location)
    assert answer.headers["X-Mirrorlist-Reason"] == reason
    assert duplicates(answer) == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(HTTPS, id="a proxy's word"),
        pytest.param({"X-Forwarded-Proto": "http, https"}, id="one of several proxies'"),
        pytest.param({"X-Forwarded-Proto": "HTTPS"}, id="capitals"),
    ],
)
def test_never_from_https_to_http(ask: Ask, headers: dict[str, str]) -> None:
    """Whoever came by https, as the proxy in between says, is told of https addresses only, although
    nearer mirrors have http alone."""
    target = f"{PACKAGE}?limit=50&protocol=http,https&ip={TOKYO}"
    answer = ask(target, headers=headers)
    urls = [answer.headers["Location"], *(url for url, _, _ in duplicates(answer))]
    assert {url.partition(":")[0] for url in urls} == {"https"}
    plainly = ask(target, headers={"X-Forwarded-Proto": "http"})
    assert plainly.headers["Location"].startswith("http://")
    stranger = ask(target, headers=headers, source=STRANGER)
    assert stranger.headers["Location"] == plainly.headers["Location"]


def test_https_and_only_http_wanted(ask: Ask) -> None:
    """Asking for http over https is refused, in words."""
    answer = ask(f"{PACKAGE}?protocol=http", headers=HTTPS)
    assert (answer.status, answer.headers["Location"]) == (400, None)
    assert b"protocol='http' cannot be used: you came by https" in answer.body


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param("/download", 400, id="nothing"),
        pytest.param("/download/", 400, id="nothing below"),
        pytest.param(f"{OS}../../../../../etc/passwd", 400, id="dot segments"),
        pytest.param(f"{OS}%2e%2e/a", 400, id="encoded dot segments"),
        pytest.param(f"{OS}a%2Fb", 400, id="encoded slash"),
        pytest.param("/download/9.8%2FBaseOS/x86_64/os/a", 400, id="encoded slash in the directory"),
        pytest.param("/download%2F9.8/BaseOS/x86_64/os/a", 400, id="encoded slash before the release"),
        pytest.param(f"{OS}a%5Cb", 400, id="backslash"),
        pytest.param(f"{OS}a%0D%0ALocation:%20https://evil.example.com/", 400, id="CR and LF"),
        pytest.param("/download/9.8%0a/BaseOS/x86_64/os/a", 400, id="line feed in the release"),
        pytest.param("/download/%0a", 400, id="line feed alone"),
        pytest.param(f"{OS}a%00", 400, id="NUL"),
        pytest.param(OS + "a" * 1000, 400, id="too long"),
        pytest.param("/download/9.9/BaseOS/x86_64/os/a", 404, id="unknown release"),
        pytest.param("/download/9.8/BaseOS/sparc/os/a", 404, id="unknown arch"),
        pytest.param("/download/9.8/Nothing/x86_64/os/a", 404, id="unknown repo"),
        pytest.param("/download/9.8/isos/sparc/a.iso", 404, id="unknown ISO directory"),
        pytest.param(f"{PACKAGE}?country=XXX", 400, id="bad country"),
        pytest.param(f"{PACKAGE}?limit=0", 400, id="bad limit"),
    ],
)
def test_refused(ask: Ask, target: str, status: int) -> None:
    """What cannot be answered is answered by a text, and never by a redirect."""
    answer = ask(target)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Location"] is None
    assert answer.headers.get_all("Link") is None
    assert "evil" not in "".join(answer.headers.keys())


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/download//9.8/BaseOS//x86_64/os/Packages/tool-1-1.x86_64.rpm", id="doubled slashes"),
        pytest.param("/download/9/baseos/x86_64/os/Packages/tool-1-1.x86_64.rpm", id="case, short release"),
        pytest.param(f"{PACKAGE}?countme=2&infra=x", id="parameters of no meaning"),
    ],
)
def test_as_in_the_wild(ask: Ask, target: str) -> None:
    """Slashes, case and unknown parameters make no difference, and cost no redirect to itself."""
    expected = ask(PACKAGE)
    answer = ask(target)
    assert answer.headers["Location"] == expected.headers["Location"]
    assert answer.headers.get_all("Link") == expected.headers.get_all("Link")


def test_head(ask: Ask) -> None:
    """HEAD gives the same headers, without the body."""
    head, get = ask(PACKAGE, method="HEAD"), ask(PACKAGE)
    assert (head.status, head.body) == (302, b"")
    assert head.headers["Location"] == get.headers["Location"]
    assert head.headers.get_all("Link") == get.headers.get_all("Link")


def test_too_early(ask_too_early: Ask) -> None:
    """Before there is a snapshot the client is asked to come back."""
    answer = ask_too_early(PACKAGE)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")

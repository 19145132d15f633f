"""Answers to the byte: mirrorlist text, JSON, metalink, and what surrounds them."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any, get_args
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.render import json, metalink, text
from app.render.formats import LIST_FORMATS
from app.render.metalink import UnknownFactsError
from app.request.parameters import BadValueError, Format, ParameterReader, QuestionError
from app.request.question import Parser, Question
from app.snapshot.loaded import LoadedSnapshot
from app.web.answers import Answer, NoMirrorError, listed, no_snapshot, plain
from tests.builders import (
    NOW,
    a_client,
    a_config,
    a_mirror,
    a_repomd,
    an_overlay,
    ask,
    lists_of,
    load,
    netblock,
    policy,
    question,
    select,
    without_origin,
)

META = "{http://www.metalinker.org/}"
MM0 = "{http://fedorahosted.org/mirrormanager}"
MIRRORS = [a_mirror("de", "frankfurt"), a_mirror("fr", "paris"), a_mirror("jp", "tokyo"), a_mirror("unknown")]
CURRENT = a_repomd(1_795_000_000, md5="a" * 32, sha1="b" * 40)
OLDER = a_repomd(1_794_900_000, sha512=None, seen_at=NOW - timedelta(hours=20))
REPOMD = {"9.8/baseos/x86_64": (CURRENT, OLDER), "9.8/sources/": (CURRENT,)}


def a_snapshot(**changes: Any) -> LoadedSnapshot:
    settings = {"config": a_config(selection=policy(spread_km=0.0)), "repomd": REPOMD, **changes}
    return load(*MIRRORS, **settings)


def answer(repo: str = "baseos", **parameters: str) -> Answer:
    """What a client in Frankfurt gets."""
    snapshot = a_snapshot()
    return listed(lists_of(snapshot), a_client(), question(snapshot.config, repo, **parameters))


def test_every_format_has_its_row() -> None:
    """What `format=` may be is what can be rendered, each in a way of its own."""
    assert set(LIST_FORMATS) == set(get_args(Format))
    assert len({row.render for row in LIST_FORMATS.values()}) == len(LIST_FORMATS)


# --- text ----------------------------------------------------------------------------------------------


def test_mirrorlist() -> None:
    """Base URLs, one a line, and nothing else."""
    assert answer(limit="3").body == (
        b"https://de.example.org/alma/9.8/BaseOS/x86_64/os/\n"
        b"https://fr.example.org/alma/9.8/BaseOS/x86_64/os/\n"
        b"https://jp.example.org/alma/9.8/BaseOS/x86_64/os/\n"
    )
    assert answer(limit="3").content_type == text.CONTENT_TYPE == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        ({"country": "br"}, b"https://origin.example.org/alma/9.8/BaseOS/x86_64/os/\n"),
        ({"release": "9.7"}, b"https://vault.example.org/9.7/BaseOS/x86_64/os/\n"),
        ({"limit": "1", "arch": ""}, b"https://de.example.org/alma/9.8/BaseOS/$basearch/os/\n"),
    ],
    ids=["origin", "vault", "without an arch"],
)
def test_mirrorlists_of_one(parameters: dict[str, str], body: bytes) -> None:
    """An answer of one URL looks like any other."""
    assert answer(**parameters).body == body


URL_TEXT = st.text("aZ09._~!&'()*+,;=:@/%-", max_size=20)
"""What a base URL may have; a snapshot with other characters is not loaded."""


@settings(max_examples=50, deadline=None)
@given(st.lists(URL_TEXT, min_size=1, max_size=4, unique=True))
def test_lines_of_a_mirrorlist(paths: list[str]) -> None:
    """As many lines as URLs, each with a scheme, LF at the end of each and no CR, whatever is in a URL."""
    mirrors = [
        a_mirror(f"m{n}", "frankfurt", addresses={"https": f"https://m{n}.example.org/{path}/"})
        for n, path in enumerate(paths)
    ]
    snapshot = load(*mirrors)
    body = text.mirrorlist(snapshot, question(snapshot.config), ask(snapshot, a_client()))
    lines = body.decode("utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(paths)
    assert all(line.startswith("https://") for line in lines)
    assert b"\r" not in body
    assert not body.startswith(b"\xef\xbb\xbf")


# --- JSON -----------------------------------------------------------------------------------------------


def test_json() -> None:
    """What was asked, who is served and by which pass, in the names of the contract."""
    snapshot = a_snapshot()
    asked = question(snapshot.config, format="json", limit="2")
    found = listed(lists_of(snapshot), a_client(), asked)
    assert found.content_type == json.CONTENT_TYPE == "application/json"
    assert found.body.endswith(b"}\n")
    assert msgspec.json.decode(found.body) == {
        "release": "9.8",
        "repo": "baseos",
        "arch": "x86_64",
        "reason": "geography",
        "generation": snapshot.generation,
        "mirrors": [
            {
                "url": f"https://{name}.example.org/alma/9.8/BaseOS/x86_64/os/",
                "mirror": f"{name}.example.org",
                "country": country,
                "reason": "geography",
            }
            for name, country in [("de", "DE"), ("fr", "FR")]
        ],
    }


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [({"country": "br"}, "origin"), ({"release": "9.7", "arch": ""}, "vault")],
    ids=str,
)
def test_json_of_an_origin_or_vault(parameters: dict[str, str], reason: str) -> None:
    """It is no mirror, so it has no name."""
    body = msgspec.json.decode(answer(format="json", **parameters).body)
    assert body["reason"] == reason
    assert body["arch"] == ("x86_64" if reason == "origin" else None)
    assert [(item["mirror"], item["country"], item["reason"]) for item in body["mirrors"]] == [
        (None, None, reason)
    ]


# --- metalink -----------------------------------------------------------------------------------------------


def a_metalink(repo: str = "baseos", **parameters: str) -> ET.Element:
    found = answer(repo, format="metalink", **parameters)
    assert (found.status, found.content_type) == (200, "application/metalink+xml")
    return ET.fromstring(found.body)  # noqa: S314 - our own answer


def test_metalink_document() -> None:
    """Metalink 3.0 with one file, which dnf wants to be called repomd.xml."""
    root = a_metalink()
    assert (root.tag, root.get("version"), root.get("type")) == (f"{META}metalink", "3.0", "dynamic")
    assert root.get("pubdate") == "Fri, 20 Nov 2026 10:15:00 GMT"
    assert [file.get("name") for file in root.iter(f"{META}file")] == ["repomd.xml"]
    assert [child.tag for child in root[0][0]] == [
        f"{MM0}timestamp",
        f"{META}size",
        f"{META}verification",
        f"{MM0}alternates",
        f"{META}resources",
    ]
    assert root[0][0][-1].get("maxconnections") == "1"


def test_metalink_facts() -> None:
    """Timestamp, size and every hash that is known of the current version."""
    file = a_metalink()[0][0]
    assert file.findtext(f"{MM0}timestamp") == "1795000000"
    assert file.findtext(f"{META}size") == "4321"
    hashes = {item.get("type"): item.text for item in file.findall(f"{META}verification/{META}hash")}
    assert hashes == {name: getattr(CURRENT, name) for name in ("md5", "sha1", "sha256", "sha512")}


def test_metalink_alternates() -> None:
    """The version before it, with the hashes that are known of that."""
    alternates = a_metalink()[0][0].findall(f"{MM0}alternates/{MM0}alternate")
    assert [item.findtext(f"{MM0}timestamp") for item in alternates] == ["1794900000"]
    hashes = [item.get("type") for item in alternates[0].findall(f"{META}verification/{META}hash")]
    assert hashes == ["sha256"]


def test_metalink_without_alternates() -> None:
    """An empty element would be nothing to anybody."""
    assert b"alternates" not in answer("sources", format="metalink").body


def test_metalink_urls() -> None:
    """In the order of the list, preference falling, location where it is known, repomd.xml at the end."""
    urls = [dict(item.attrib, url=str(item.text)) for item in a_metalink().iter(f"{META}url")]
    assert urls == [
        {
            "protocol": "https",
            "type": "https",
            **({"location": country} if country else {}),
            "preference": str(100 - n),
            "url": f"https://{name}.example.org/alma/9.8/BaseOS/x86_64/os/repodata/repomd.xml",
        }
        for n, (name, country) in enumerate([("de", "DE"), ("fr", "FR"), ("jp", "JP"), ("unknown", None)])
    ]
    body = answer().body.decode()
    assert [f"{url}repodata/repomd.xml" for url in body.splitlines()] == [url["url"] for url in urls]


def test_metalink_protocols() -> None:
    """`protocol` and `type` are the URL's own."""
    assert {item.get("type") for item in a_metalink(protocol="http").iter(f"{META}url")} == {"http"}


def test_preference_stays_above_zero() -> None:
    """Also in the longest list."""
    snapshot = load(*(a_mirror(f"m{n:02}", "frankfurt") for n in range(60)), repomd=REPOMD)
    asked = question(snapshot.config, format="metalink", limit="50")
    root = ET.fromstring(listed(lists_of(snapshot), a_client(), asked).body)  # noqa: S314 - our own answer
    preferences = [int(item.get("preference", "0")) for item in root.iter(f"{META}url")]
    assert preferences == list(range(100, 50, -1))


def test_metalink_of_the_origin() -> None:
    """Nobody eligible: one URL, of no known place."""
    urls = list(a_metalink(country="br").iter(f"{META}url"))
    assert [(item.get("location"), item.text) for item in urls] == [
        (None, "https://origin.example.org/alma/9.8/BaseOS/x86_64/os/repodata/repomd.xml")
    ]


def test_publication_date_in_another_zone() -> None:
    """A time with an offset is given in GMT."""
    seen_at = NOW.astimezone(timezone(timedelta(hours=2)))
    snapshot = a_snapshot(repomd={"9.8/baseos/x86_64": (a_repomd(seen_at=seen_at),)})
    found = listed(lists_of(snapshot), a_client(), question(snapshot.config, format="metalink"))
    assert b'pubdate="Fri, 20 Nov 2026 10:15:00 GMT"' in found.body


@settings(max_examples=60, deadline=None)
@given(URL_TEXT)
def test_metalink_is_well_formed(path: str) -> None:
    """Whatever is in a URL comes back out of an XML parser as it was."""
    url = f"https://m.example.org/{path}/"
    snapshot = load(a_mirror("m", "frankfurt", addresses={"https": url}), repomd=REPOMD)
    selection = ask(snapshot, a_client())
    body = metalink.metalink(snapshot, question(snapshot.config), selection)
    found = [item.text for item in ET.fromstring(body).iter(f"{META}url")]  # noqa: S314 - our own answer
    assert found == [f"{url}9.8/BaseOS/x86_64/os/repodata/repomd.xml"]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", ""])
def test_metalink_of_a_repo_for_all_arches(arch: str) -> None:
    """One repomd.xml serves every arch, and none needs to be named."""
    assert len(list(a_metalink("sources", arch=arch).iter(f"{META}url"))) == 4


def test_metalink_without_an_arch() -> None:
    """Refused, with the arches that the repo has."""
    with pytest.raises(BadValueError, match="needs one of: x86_64, aarch64, s390x"):
        answer(format="metalink", arch="")
    with pytest.raises(BadValueError, match=r"needs one of: x86_64$"):
        answer("nfv", format="metalink", arch="")


@pytest.mark.parametrize("parameters", [{"arch": "aarch64"}, {"release": "9.7"}], ids=str)
def test_metalink_of_unknown_facts(parameters: dict[str, str]) -> None:
    """What nobody has seen at the origin cannot be promised."""
    with pytest.raises(UnknownFactsError, match=r"no metalink for baseos of release 9\.[78]"):
        answer(format="metalink", **parameters)


def test_metalink_of_isos() -> None:
    """A directory of ISOs has no repomd.xml."""
    snapshot = a_snapshot()
    parser = Parser(snapshot.config, ParameterReader(snapshot.policy))
    with pytest.raises(BadValueError, match="ISO"):
        listed(lists_of(snapshot), a_client(), parser.parse_isos({"format": "metalink"}, "9", "x86_64"))


# --- around the body ----------------------------------------------------------------------------------


def test_headers() -> None:
    """Who was recognised, who is first and why, of which generation."""
    snapshot = a_snapshot()
    found = listed(lists_of(snapshot), a_client("munich", network="AS64500"), question(snapshot.config))
    assert dict(found.headers) == {
        "X-Client-Place": "DE/48/11",
        "X-Client-Network": "AS64500",
        "X-Mirrorlist-Reason": "geography",
        "X-Mirrorlist-Mirror": "de.example.org",
        "X-Mirrorlist-Generation": snapshot.generation,
        "Cache-Control": "private, max-age=60",
    }


def test_headers_of_an_origin() -> None:
    """No mirror, no name."""
    headers = dict(answer(country="br").headers)
    assert headers["X-Mirrorlist-Reason"] == "origin"
    assert "X-Mirrorlist-Mirror" not in headers


@pytest.mark.parametrize(
    ("network", "private", "shown"),
    [
        ("aws:eu-central-1+net-3f2a1c+AS64500", True, "aws:eu-central-1+net-3f2a1c+AS64500"),
        ("aws:eu-central-1+net-3f2a1c+AS64500", False, "aws:eu-central-1+AS64500"),
        ("net-3f2a1c", False, ""),
        ("", False, ""),
    ],
)
def test_a_declared_netblock_is_shown_to_its_own_clients_only(
    network: str, private: bool, shown: str
) -> None:
    """Who asks as for another address does not learn that it is in somebody's netblock."""
    snapshot = a_snapshot()
    found = listed(lists_of(snapshot), a_client(network=network, private=private), question(snapshot.config))
    assert dict(found.headers)["X-Client-Network"] == shown


def test_strangers_cannot_tell_a_private_network() -> None:
    """Asked as for an address of a private mirror's network, the answer is that of any other there."""
    overlay = an_overlay("net-1", netblocks=(netblock("192.0.2.0/24", "campus"),))
    snapshot = load(
        *MIRRORS, a_mirror("campus", "frankfurt", private=True, monopoly=True), overlays=[overlay]
    )
    asked = question(snapshot.config)
    within = listed(lists_of(snapshot), a_client(network="net-1", private=False), asked)
    assert within == listed(lists_of(snapshot), a_client(private=False), asked)


@pytest.mark.parametrize("format_", ["text", "json", "metalink"])
def test_redirect(format_: str) -> None:
    """To the first of the list that would have been the answer."""
    found = answer(redirect="1", format=format_)
    assert found.status == 302
    assert dict(found.headers)["Location"] == "https://de.example.org/alma/9.8/BaseOS/x86_64/os/"
    assert found.body == b"https://de.example.org/alma/9.8/BaseOS/x86_64/os/\n"


def test_nobody_at_all() -> None:
    """Not an empty list, which a client takes for a broken one: an error that says what is missing."""
    snapshot = load(config=without_origin())
    with pytest.raises(NoMirrorError, match=r"No mirror carries 9\.8/BaseOS/x86_64/os/"):
        listed(lists_of(snapshot), a_client(), question(snapshot.config))


def test_plain_texts() -> None:
    """Errors are text that ends in a newline; before the first snapshot they say when to ask again."""
    assert plain(404, "There is no such thing.") == Answer(
        404, "text/plain; charset=utf-8", b"There is no such thing.\n", ()
    )
    assert (no_snapshot().status, no_snapshot().headers) == (503, (("Retry-After", "5"),))


def test_the_same_list_in_every_format() -> None:
    """Formats differ in form, not in what they say."""
    snapshot = a_snapshot()

    def asked(format_: str) -> Question:
        return question(snapshot.config, format=format_)

    urls = select(snapshot, a_client(), asked("text")).urls
    bodies = {
        name: listed(lists_of(snapshot), a_client(), asked(name)).body
        for name in ("text", "json", "metalink")
    }
    assert bodies["text"].decode().splitlines() == urls
    assert [item["url"] for item in msgspec.json.decode(bodies["json"])["mirrors"]] == urls
    found = [str(item.text) for item in ET.fromstring(bodies["metalink"]).iter(f"{META}url")]  # noqa: S314 - our own answer
    assert [url.removesuffix("repodata/repomd.xml") for url in found] == urls


def test_every_error_is_for_the_person_who_asks() -> None:
    """All that a list can raise is a kind of QuestionError."""
    assert issubclass(NoMirrorError, QuestionError)
    assert issubclass(UnknownFactsError, QuestionError)

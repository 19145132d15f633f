"""Explanations over HTTP: by URL and by `explain=1`, as text, JSON and a page, and what stays private."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import pytest

from app.explain.explanation import Explanation
from tests.servers import Answer
from tests.web.asking import (
    FRANKFURT,
    FROM_FRANKFURT,
    LIST,
    LUXEMBOURG,
    STRANGER,
    TEXT,
    Ask,
)

AS_JSON = {"Accept": "application/json"}
AS_PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
CURL = {"Accept": "*/*"}
CORP, LAB = "mirror.corp.example.com", "mirror.lab.example.org"
IN_LAB = {"X-Forwarded-For": "10.30.0.7"}
IN_CORP = {"X-Forwarded-For": "2001:db8:c0de::7"}
EXPLAIN = f"/explain?release=9&repo=baseos&arch=x86_64&ip={FRANKFURT}"
HTML = "text/html; charset=utf-8"
JSON = "application/json"


def read(answer: Answer) -> Explanation:
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Explanation)


def told(answer: Answer) -> str:
    return " ".join(answer.body.decode().split())


class _Page(HTMLParser):
    """The tags and the text of a page, and every attribute."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(answer.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


# --- the same in three forms -------------------------------------------------------------------------


@pytest.mark.parametrize("target", [EXPLAIN, f"{FROM_FRANKFURT}&explain=1"], ids=["/explain", "explain=1"])
@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        pytest.param(CURL, TEXT, id="curl"),
        pytest.param({}, TEXT, id="no Accept"),
        pytest.param({"Accept": "image/png"}, TEXT, id="something else"),
        pytest.param(AS_JSON, JSON, id="program"),
        pytest.param(AS_PAGE, HTML, id="browser"),
    ],
)
def test_form_by_accept(ask_quickly: Ask, target: str, headers: dict[str, str], content_type: str) -> None:
    """Text for curl and whoever says nothing, JSON and a page for who prefers them; never cached."""
    answer = ask_quickly(target, headers=headers)
    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-store", "Accept")
    assert b"mirror.fra1.example.net" in answer.body
    assert answer.body.endswith(b"\n") or content_type == HTML


def test_format_json(ask_quickly: Ask) -> None:
    """For who cannot set a header."""
    assert ask_quickly(f"{EXPLAIN}&format=json").headers["Content-Type"] == JSON


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(LIST, id="mirrorlist"),
        pytest.param("/mirrorlist?repo=baseos-9&arch=x86_64", id="MirrorManager's form"),
        pytest.param("/?release=9&repo=baseos&arch=x86_64", id="CentOS's form"),
        pytest.param("/isolist/9/x86_64", id="ISOs"),
        pytest.param("/mirrorlist/9.7/baseos?arch=x86_64", id="vault"),
        pytest.param(f"{LIST}&country=JP&protocol=https&limit=3&family=6", id="filters"),
    ],
)
@pytest.mark.parametrize("ip", [FRANKFURT, LUXEMBOURG, "192.0.2.225", "2001:db8:ffff::1", "10.30.0.7"])
def test_explains_the_very_answer(ask_quickly: Ask, target: str, ip: str) -> None:
    """The served part of `explain=1` is, byte for byte, what is answered without it."""
    separator = "&" if "?" in target else "?"
    asked = f"{target}{separator}ip={ip}"
    listed = ask_quickly(asked)
    explanation = read(ask_quickly(f"{asked}&explain=1", headers=AS_JSON))
    assert "".join(f"{entry.url}\n" for entry in explanation.served).encode() == listed.body
    assert explanation.generation == listed.headers["X-Mirrorlist-Generation"]
    assert explanation.reason == listed.headers["X-Mirrorlist-Reason"]


def test_download_and_metalink(ask_quickly: Ask) -> None:
    """What is redirected or XML otherwise can be explained as well."""
    for target in ("/download/9/BaseOS/x86_64/os/repodata/repomd.xml", "/metalink/9/baseos?arch=x86_64"):
        separator = "&" if "?" in target else "?"
        explanation = read(ask_quickly(f"{target}{separator}ip={FRANKFURT}&explain=1", headers=AS_JSON))
        assert explanation.question.repo == "baseos"


def test_defaults_are_named(ask_quickly: Ask) -> None:
    """Without a repo, the last release's first one; what nobody said is in `defaulted`."""
    explanation = read(ask_quickly("/explain", headers=AS_JSON))
    question = explanation.question
    assert (question.release, question.repo, question.arch) == ("10.2", "baseos", None)
    assert question.defaulted == ("release", "repo", "arch", "protocol", "family", "limit")
    given = read(ask_quickly(f"{EXPLAIN}&protocol=http&limit=4&family=4", headers=AS_JSON))
    assert (given.question.asked, given.question.release, given.question.defaulted) == ("9", "9.8", ())
    assert read(ask_quickly("/explain?repo=appstream", headers=AS_JSON)).question.release == "10.2"
    assert read(ask_quickly("/explain?repo=appstream-9", headers=AS_JSON)).question.release == "9.8"


def test_json_as_documented(ask_quickly: Ask) -> None:
    """The keys that programs rely on, with the terms that add up to the rank; and their schema."""
    explanation = cast(dict[str, Any], msgspec.json.decode(ask_quickly(EXPLAIN, headers=AS_JSON).body))
    assert {"client", "question", "served", "excluded", "generation"} <= explanation.keys()
    first = explanation["served"][0]
    assert {"mirror", "url", "pass", "rank_km", "distance_km", "border_km", "spread_km"} <= first.keys()
    assert {"mirror", "reason", "evidence", "since"} <= explanation["excluded"][0].keys()
    schema = ask_quickly("/explain/schema")
    assert (schema.status, schema.headers["Content-Type"]) == (200, "application/schema+json")
    assert "Explanation" in cast(dict[str, Any], msgspec.json.decode(schema.body))["$defs"]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("release=9&repo=basos", 404, "Did you mean baseos?"),
        ("ip=foo", 400, "use an IPv4 or IPv6 address"),
        ("limit=-3", 400, "use a number from 1 to 50"),
        ("mirror=mirror.fra1.example.ne", 404, "Did you mean mirror.fra1.example.net?"),
    ],
)
def test_bad_questions(ask_quickly: Ask, query: str, status: int, says: str) -> None:
    """As of a mirrorlist: what was wrong and what there is."""
    answer = ask_quickly(f"/explain?{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (status, TEXT)
    assert says in answer.body.decode()


def test_before_anything_is_published(ask_too_early: Ask) -> None:
    """The service is starting, and says so."""
    assert [ask_too_early(target).status for target in ("/explain", "/mirrors", "/mirrors/x")] == [503] * 3


# --- one mirror --------------------------------------------------------------------------------------


def test_one_mirror(ask_quickly: Ask) -> None:
    """Only that one, wherever it stands, and more of it."""
    text = told(ask_quickly(f"{EXPLAIN}&mirror=mirror.waw.example.org"))
    assert "stale: 31.2 h old, 12 h allowed, since 2026-11-19 15:15 UTC" in text
    assert "MIRROR mirror.waw.example.org" in text and "mirror.fra1" not in text
    served = read(ask_quickly(f"{EXPLAIN}&mirror=mirror.fra1.example.net", headers=AS_JSON))
    assert ([e.mirror for e in served.served], served.excluded) == (["mirror.fra1.example.net"], ())
    assert served.served_count == 10 and served.excluded_count > 20


# --- private mirrors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [CURL, AS_JSON, AS_PAGE], ids=["text", "JSON", "page"])
@pytest.mark.parametrize("name", [CORP, LAB])
def test_a_private_mirror_answers_as_one_that_is_not_there(
    ask_quickly: Ask, name: str, headers: dict[str, str]
) -> None:
    """Byte for byte but for the name, for strangers and for who asks as from inside its network."""
    nobody = name.replace("mirror", "mirrox")  # as near to the same name that there is
    for target in (
        "/explain?mirror=",
        "/explain?ip=10.30.0.7&mirror=",
        f"{LIST}&explain=1&mirror=",
        "/mirrors/",
    ):
        real, unreal = (ask_quickly(target + asked, headers=headers) for asked in (name, nobody))
        assert (real.status, unreal.status) == (404, 404)
        assert real.body.replace(name.encode(), b"NAME") == unreal.body.replace(nobody.encode(), b"NAME")
        assert real.headers.items() == unreal.headers.items()


@pytest.mark.parametrize("headers", [CURL, AS_JSON, AS_PAGE], ids=["text", "JSON", "page"])
@pytest.mark.parametrize(
    "target",
    [
        "/explain",
        "/explain?ip=10.30.0.7",
        "/explain?ip=2001:db8:c0de::7",
        "/mirrors",
        "/whoami?ip=10.20.0.1",
        EXPLAIN,
    ],
)
def test_strangers_see_nothing_of_private_mirrors(
    ask_quickly: Ask, target: str, headers: dict[str, str]
) -> None:
    """Neither names nor netblocks nor the hash of their network."""
    body = ask_quickly(target, headers=headers).body
    for hidden in (b"corp", b"mirror.lab", b"net-", b"10.20.", b"10.30.0.0", b"private"):
        assert hidden not in body.replace(b"10.20.0.1", b"")


def test_counts_hold_no_private_mirror(ask_quickly: Ask) -> None:
    """All the mirrors there are, to a stranger, are the public and the cloud ones."""
    stranger = read(ask_quickly(EXPLAIN, headers=AS_JSON))
    listed = cast(list[Any], msgspec.json.decode(ask_quickly("/mirrors").body))
    assert stranger.served_count + stranger.excluded_count == len(listed) == 46


def test_from_inside_a_private_mirror_is_explained(ask_quickly: Ask) -> None:
    """Its own network gets it, sees it, and sees no other network's."""
    lab = read(ask_quickly(f"{LIST}&explain=1", headers={**AS_JSON, **IN_LAB}))
    assert (lab.served[0].mirror, lab.served[0].pass_) == (LAB, "netblock")
    assert CORP not in [entry.mirror for entry in lab.excluded]
    corp = ask_quickly(f"{LIST}&explain=1", headers=IN_CORP)
    assert f"exclusive: {CORP} has this client's network to itself" in told(corp)
    assert LAB.encode() not in corp.body
    assert ask_quickly(f"/mirrors/{LAB}", headers=IN_LAB).status == 404


def test_no_addresses_of_people(ask_quickly: Ask) -> None:
    """E-mail addresses in mirror files stay there."""
    for target in (EXPLAIN, "/mirrors", "/mirrors/mirror.fra1.example.net"):
        for headers in (CURL, AS_JSON, AS_PAGE):
            assert not re.search(rb"[\w.-]+@[\w-]+\.\w", ask_quickly(target, headers=headers).body)


# --- the page ----------------------------------------------------------------------------------------


EXPLANATIONS = [EXPLAIN, f"{EXPLAIN}&mirror=mirror.waw.example.org"]
PAGES = [*EXPLANATIONS, "/mirrors", "/mirrors/mirror.fra1.example.net"]


@pytest.mark.parametrize("target", PAGES)
def test_pages_need_no_script(ask_quickly: Ask, target: str) -> None:
    """No script, nothing from elsewhere, and headers that would forbid it."""
    answer = ask_quickly(target, headers=AS_PAGE)
    page = _Page(answer)
    assert (answer.status, answer.headers["Content-Type"]) == (200, HTML)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"script", "iframe", "object", "style"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    loaded = [value or "" for name, value in page.attributes if name in ("src", "action")]
    assert loaded and all(link.startswith("/") for link in loaded)


@pytest.mark.parametrize("target", EXPLANATIONS)
def test_pages_print_the_curl_line(ask_quickly: Ask, target: str) -> None:
    """Which asks for the same: pasted into a shell, it is curl and one URL."""
    page = _Page(ask_quickly(target, headers=AS_PAGE))
    (line,) = re.findall(r"^curl .*$", page.text, re.MULTILINE)
    program, url = shlex.split(line)
    parts = urlsplit(url)
    assert program == "curl" and f"{parts.scheme}://{parts.netloc}" == "http://localhost"
    assert ask_quickly(f"{parts.path}?{parts.query}").status == 200


def test_curl_line_names_the_client(ask_quickly: Ask) -> None:
    """So that it gives the same from anywhere; but not where mirrors are for that network alone."""
    assert (
        f"ip={FRANKFURT}"
        in _Page(ask_quickly(LIST + "&explain=1", headers={**AS_PAGE, "X-Forwarded-For": FRANKFURT})).text
    )
    assert "ip=" not in _Page(ask_quickly(LIST + "&explain=1", headers={**AS_PAGE, **IN_LAB})).text


def test_everything_is_escaped(ask_quickly: Ask) -> None:
    """Whatever a request holds is text: in the form, in the curl line, and of headers."""
    nasty = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%27%3B%20rm%20x"
    headers = {**AS_PAGE, "X-Forwarded-For": "<script>alert(2)</script>\x1b[31m"}
    answer = ask_quickly(
        f"{EXPLAIN}&zzz={nasty}&{nasty}=1".replace("&ip=192.0.2.1", ""), headers=headers, source=STRANGER
    )
    page = _Page(answer)
    assert answer.status == 200
    assert "script" not in page.tags and b"<script" not in answer.body and b"\x1b" not in answer.body
    assert "<script>alert(2)</script>?[31m" in page.text
    (line,) = re.findall(r"^curl .*$", page.text, re.MULTILINE)
    assert len(shlex.split(line)) == 2
    text = ask_quickly("/explain", headers={**CURL, **{"X-Forwarded-For": "\x1b[31m\u202e"}}, source=STRANGER)
    assert b"\x1b" not in text.body


# --- whoami -------------------------------------------------------------------------------------------


def test_whoami_is_the_first_part(ask_quickly: Ask) -> None:
    """The very lines that an explanation has of the client, and the same object in JSON."""
    headers = {"X-Forwarded-For": f"10.1.1.1, {LUXEMBOURG}"}
    short = ask_quickly("/whoami", headers=headers).lines
    whole = ask_quickly("/explain", headers=headers).lines
    assert [f"  {line}" for line in short] == whole[3 : 3 + len(short)]
    client = cast(
        dict[str, Any], msgspec.json.decode(ask_quickly("/whoami", headers={**headers, **AS_JSON}).body)
    )
    assert (client["address"], client["country"], client["place"]) == (LUXEMBOURG, "LU", "LU/49/6")
    assert client["ignored"] == [
        {"value": "10.1.1.1", "why": "left of the client's address anyone can write"}
    ]
    assert client["database"]["vendor"] == "MaxMind"


def test_whoami_in_a_cloud(ask_quickly: Ask) -> None:
    """Provider, region and the prefix that says so."""
    client = cast(
        dict[str, Any], msgspec.json.decode(ask_quickly("/whoami?ip=192.0.2.225", headers=AS_JSON).body)
    )
    assert client["cloud"] == {
        "provider": "aws",
        "region": "eu-central-1",
        "border_group": None,
        "prefix": "192.0.2.224/28",
    }


def test_a_class_from_the_proxy_is_said_to_be_one(ask_quickly: Ask) -> None:
    """When nginx's databases differ from ours, whoever wonders can see it."""
    headers = {"X-Forwarded-For": LUXEMBOURG, "X-Client-Class": "JP/35/139||7|4"}
    text = told(ask_quickly("/whoami", headers=headers))
    assert "class JP/35/139||7|4 note the proxy in front gave this class" in text
    assert "it would be LU/49/6||7|4" in text

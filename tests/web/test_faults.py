"""What clients may rely on when something is wrong: with their question, or with the service."""

from __future__ import annotations

import itertools
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model import ServiceConfig
from app.sources.service_config import read_service_config
from tests.conftest import ROOT
from tests.web.asking import (
    DATA,
    FRANKFURT,
    FROM_FRANKFURT,
    LIST,
    TEXT,
    Ask,
    kept,
    mirrors_in,
)

# --- what goes wrong ----------------------------------------------------------------------------------------


class Fault(NamedTuple):
    target: str
    status: int
    says: tuple[str, ...]


FAULTS = {
    "unknown release": Fault("/mirrorlist/99/baseos?arch=x86_64", 404, ("'99'", "9.8")),
    "release by prefix": Fault("/mirrorlist/9evil/baseos?arch=x86_64", 404, ("'9evil'", "9.8")),
    "unknown repo": Fault("/mirrorlist/9/baseoz?arch=x86_64", 404, ("'baseoz'", "Did you mean baseos?")),
    "repo, of a module's release": Fault("/mirrorlist/10-kitten/baseoz", 404, ("'baseoz'", "baseos")),
    "unknown arch": Fault("/mirrorlist/9/baseos?arch=x86_46", 404, ("'x86_46'", "Did you mean x86_64?")),
    "arch of another release": Fault("/mirrorlist/9/baseos?arch=x86_64_v2", 404, ("'x86_64_v2'", "s390x")),
    "arch of another release, of a repo for one arch": Fault(
        "/mirrorlist/9/rt?arch=x86_64_v2", 404, ("'x86_64_v2'", "x86_64, aarch64")
    ),
    "MirrorManager repo": Fault("/mirrorlist?repo=baseoz-9&arch=x86_64", 404, ("'baseoz'", "baseos")),
    "MirrorManager release": Fault("/mirrorlist?repo=baseos-99&arch=x86_64", 404, ("'99'", "9.8")),
    "no such path": Fault("/mirrorlist?path=9/Base/x86_64/os", 404, ("9/Base/x86_64/os",)),
    "ISOs of an unknown release": Fault("/isolist/99/x86_64", 404, ("'99'", "9.8")),
    "ISOs of an unknown arch": Fault("/isolist/9/vax", 404, ("'vax'", "x86_64")),
    "no such page": Fault("/nothing/here", 404, ("404",)),
    "no repo": Fault("/mirrorlist?arch=x86_64", 400, ("repo",)),
    "country": Fault(f"{LIST}&country=XXX", 400, ("country", "'XXX'", "two-letter")),
    "country that is none": Fault(f"{LIST}&country=ZZ", 400, ("country", "'ZZ'")),
    "country by a name that is none": Fault(f"{LIST}&country=atlantis", 400, ("country", "English names")),
    "continent for a country": Fault(f"{LIST}&country=eu", 400, ("country", "'EU'")),
    "exclude_country": Fault(f"{LIST}&exclude_country=XXX", 400, ("exclude_country", "'XXX'")),
    "protocol": Fault(f"{LIST}&protocol=ftp", 400, ("protocol", "'ftp'", "https")),
    "family": Fault(f"{LIST}&family=5", 400, ("family", "'5'", "4 or 6")),
    "negative limit": Fault(f"{LIST}&limit=-3", 400, ("limit", "'-3'", "1 to 50")),
    "limit 0": Fault(f"{LIST}&limit=0", 400, ("limit", "'0'", "1 to 50")),
    "limit in words": Fault(f"{LIST}&limit=ten", 400, ("limit", "'ten'", "1 to 50")),
    "format": Fault(f"{LIST}&format=yaml", 400, ("format", "'yaml'", "json")),
    "ip": Fault(f"{LIST}&ip=foo", 400, ("ip", "'foo'", "IPv4 or IPv6")),
    "ip with a port": Fault(f"{LIST}&ip=192.0.2.1:80", 400, ("ip", "IPv4 or IPv6")),
    "header in a value": Fault(f"{LIST}&ip=x%0d%0aX-Evil:%20yes", 400, ("ip", r"\r\nX-Evil")),
    "markup in a value": Fault("/mirrorlist/%3Cscript%3E/baseos", 404, ("'<script>'",)),
    "null byte": Fault(f"{LIST}&country=%00", 400, ("country", r"'\x00'")),
    "bad UTF-8": Fault(f"{LIST}&country=%ff%fe", 400, ("country",)),
    "a long value": Fault(f"{LIST}&country={'x' * 1000}", 400, ("country", "...")),
    "metalink without arch": Fault("/metalink/9/baseos", 400, ("arch", "x86_64", "s390x")),
    "libzypp's list without arch": Fault("/mirrorlist/9/baseos?format=zypp", 400, ("arch", "s390x")),
    "metalink of the vault": Fault("/metalink/9.7/baseos?arch=x86_64", 404, ("/mirrorlist/9.7/baseos",)),
    "metalink of a source repo": Fault("/metalink/9/baseos-source", 404, ("/mirrorlist/9/baseos-source",)),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_faults(ask: Ask, fault: Fault) -> None:
    """An error is a sentence for people: what was asked, and what exists or is allowed. dnf must not take
    it for a mirror, nor a browser for markup."""
    answer = ask(fault.target)
    assert answer.status == fault.status, answer.body
    assert answer.headers["Content-Type"] == TEXT
    text = answer.body.decode()
    for words in fault.says:
        assert words in text
    assert text.endswith("\n") and len(text) < 2000
    assert "Traceback" not in text and str(ROOT) not in text and "://" not in text
    assert answer.headers["X-Evil"] is None


@pytest.mark.parametrize("target", ["/", LIST, "/metalink/9/baseos?arch=x86_64", "/whoami", "/healthz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(ask: Ask, target: str, method: str) -> None:
    """GET and HEAD only."""
    answer = ask(target, method)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.headers["Content-Type"] == TEXT


@pytest.mark.parametrize(
    "target",
    [
        "/",
        FROM_FRANKFURT,
        f"{FROM_FRANKFURT}&format=json",
        f"{FROM_FRANKFURT}&redirect=1",
        f"/metalink/9/baseos?arch=x86_64&ip={FRANKFURT}",
        "/isolist/9/x86_64",
        "/whoami",
        "/healthz",
        "/mirrorlist/99/baseos",
        f"{LIST}&country=XXX",
        "/nothing",
    ],
)
def test_head(ask: Ask, target: str) -> None:
    """HEAD is GET without the body: same status, same headers, the length included."""
    head, get = ask(target, "HEAD"), ask(target)
    assert head.body == b""
    assert head.status == get.status
    assert kept(head) == kept(get)


# --- the process ------------------------------------------------------------------------------------------


def test_healthy_and_ready(ask: Ask) -> None:
    """The process is alive, and ready since it has a snapshot, whose generation it names."""
    assert ask("/healthz").status == 200
    ready = ask("/readyz")
    assert (ready.status, ready.headers["Content-Type"]) == (200, TEXT)
    assert ask(LIST).headers["X-Mirrorlist-Generation"] in ready.lines[0]
    assert ready.headers["Cache-Control"] == "no-store"


def test_front_page(ask: Ask) -> None:
    """`/` without a question is a page, which may load nothing from elsewhere."""
    answer = ask("/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_front_page_escapes_its_host(ask: Ask) -> None:
    """Whatever a client says it calls us, no markup gets onto the page."""
    answer = ask("/", headers={"Host": 'x"><script>alert(1)</script>'})
    assert b"<script>" not in answer.body


@pytest.mark.parametrize(
    "target", [LIST, "/isolist/9/x86_64", "/metalink/9/baseos?arch=x86_64", "/?repo=baseos"]
)
def test_no_snapshot(ask_too_early: Ask, target: str) -> None:
    """Without a snapshot a list is a 503 that says when to come back."""
    answer = ask_too_early(target)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == TEXT
    assert answer.body.endswith(b"\n") and b"://" not in answer.body


def test_process_without_snapshot(ask_too_early: Ask) -> None:
    """It is alive but not ready, can tell a caller who they are, and has its page."""
    assert [ask_too_early(target).status for target in ("/healthz", "/readyz", "/whoami", "/")] == [
        200,
        503,
        200,
        200,
    ]
    assert "no snapshot yet" in ask_too_early("/readyz").body.decode()


# --- for all questions ------------------------------------------------------------------------------------


def config() -> ServiceConfig:
    return read_service_config(DATA / "config.yml")[0]


def test_never_empty(ask_quickly: Ask) -> None:
    """Every repo of every release, for every arch and with any filter, is answered by a list with URLs."""
    service = config()
    filters = ("", "&country=AQ", "&protocol=rsync&family=6&country=BR", "&exclude_country=DE,US&limit=50")
    asked = 0
    for release, repo in itertools.product((*service.releases, *service.vault_releases), service.repos):
        for arch, extra in itertools.product((*service.arches[release], ""), filters):
            answer = ask_quickly(f"/mirrorlist/{release}/{repo.name}?arch={arch}{extra}")
            if answer.status == 404:  # not of this release or arch, which other tests are about
                assert b"There is no" in answer.body
                continue
            mirrors_in(answer)
            asked += 1
    assert asked > 500


values = st.text(max_size=30) | st.sampled_from(["DE", "https", "4", "6", "10", FRANKFURT, "json", "1"])


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "arch",
                "protocol",
                "country",
                "exclude_country",
                "region",
                "family",
                "limit",
                "format",
                "ip",
                "redirect",
                "countme",
                "explain",
                "repo",
                "release",
                "path",
            ]
        )
        | st.text(max_size=10),
        values,
        max_size=4,
    )
)
def test_any_parameters(ask_quickly: Ask, parameters: dict[str, str]) -> None:
    """Whatever parameters a request has, it is answered: by a list that is not empty, or an error that no
    client takes for a list."""
    answer = ask_quickly(f"/mirrorlist/9/baseos?{urlencode(parameters)}")
    assert answer.status in (200, 302, 400, 404)
    assert answer.body
    if answer.status in (400, 404):
        assert answer.headers["Content-Type"] == TEXT
        assert b"://" not in answer.body.replace(b"'", b"") or "://" in str(parameters)

"""The record of a request: what a line must be, and that nothing in it can be an address."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from app.history.record import Moment, asked_in, moment_of, parse_record
from app.history.request_log import Answered, countme_in, line_of
from app.history.software import FAMILIES, SYSTEM, Software, parse_software, software_of
from tests.conftest import ROOT

GOOD: dict[str, Any] = {
    "time": "2026-11-27T14:00:00+00:00",
    "question": "almalinux 9.8/baseos/x86_64 baseos-9",
    "place": "DE/50/8",
    "region": "aws:eu-central-1",
    "family": 4,
    "mirror": "mirror.example.org",
    "reason": "exclusive unavailable",
    "status": 200,
    "cache": "HIT",
    "countme": 3,
    "software": "libdnf|AlmaLinux|9.8|server|x86_64",
}


def line(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"question": "", "place": "", "region": "", "mirror": "", "reason": "", "cache": "", "software": ""},
        {"question": "isolist 9.8//x86_64"},
        {"question": "download 10-kitten/baseos/x86_64"},
        {"place": "~EU"},
        {"place": "BR/-24/-47"},
        {"region": "azure"},
        {"software": "curl"},
        {"status": 0},
        {"time": "2026-11-27T14:00:00.123456Z"},
        {"bytes": 1, "seconds": 0.5, "something": "else"},
    ],
    ids=str,
)
def test_what_is_a_record(changes: dict[str, object]) -> None:
    """A line of JSON with known keys of known forms; what else is in it does not matter."""
    assert parse_record(line(**changes)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "yesterday"},
        {"time": "2026-11-27T14:00:00"},
        {"time": "2026-13-27T14:00:00Z"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"question": "almalinux"},
        {"question": "almalinux 9.8/baseos"},
        {"question": "almalinux 9.8/baseos/x86_64/x"},
        {"question": "almalinux 9.8/ba\u0000seos/x86_64"},
        {"place": "Frankfurt"},
        {"place": "DE/50/8|net-3f2a|17|4"},
        {"place": "DE\n"},
        {"region": "aws:eu:central"},
        {"region": "net 1"},
        {"family": 7},
        {"family": "4"},
        {"mirror": "a b"},
        {"mirror": "\u0000"},
        {"reason": "x" * 41},
        {"status": "200"},
        {"countme": 5},
        {"countme": "1"},
        {"software": "libdnf|\u0000"},
        {"software": "libdnf; DROP TABLE hours"},
        {"more": "x" * 9000},
    ],
    ids=str,
)
def test_what_is_none(changes: dict[str, object]) -> None:
    """Anything that the database could not take, or that no writer of ours writes."""
    assert parse_record(line(**changes)) is None


@pytest.mark.parametrize("junk", [b"", b"{", b"\xff" * 20, b"[" * 5000, b"null", b"3", line()[:-9]], ids=repr)
def test_junk(junk: bytes) -> None:
    """Bytes that are no JSON object."""
    assert parse_record(junk) is None


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("2026-11-27T14:59:59+00:00", Moment("2026-11-27T14", "2026-11-27", "2026-11-23")),
        ("2026-11-23T00:00:00Z", Moment("2026-11-23T00", "2026-11-23", "2026-11-23")),
        ("2026-11-22T23:59:59Z", Moment("2026-11-22T23", "2026-11-22", "2026-11-16")),
        ("2026-11-23T05:29:59+05:30", Moment("2026-11-22T23", "2026-11-22", "2026-11-16")),
        ("2026-12-31T16:00:00-08:00", Moment("2027-01-01T00", "2027-01-01", "2026-12-28")),
    ],
)
def test_moments_are_in_utc(time: str, moment: Moment) -> None:
    """Hours, days and weeks do not depend on where the log was written; weeks begin on Monday."""
    assert moment_of(time) == moment


def test_question() -> None:
    """It says the URL form, release, repo and arch, and the repo as countme calls it; written and read
    alike."""
    for text in (GOOD["question"], "isolist 9.8//x86_64", "download 9.8/extras-common/"):
        assert str(asked_in(text)) == text
    assert asked_in("metalink 9.8/crb/ crb-9") == ("metalink", "9.8", "crb", "", "crb-9")


SOFTWARE = {
    "libdnf (AlmaLinux 9.8; generic; Linux.x86_64)": "libdnf|AlmaLinux|9.8|generic|x86_64",
    "libdnf/0.35.5 (Fedora 32; workstation; Linux.x86_64)": "libdnf|Fedora|32|workstation|x86_64",
    "libdnf (Red Hat Enterprise Linux 9.4; ; Linux.s390x)": "libdnf|Red Hat Enterprise Linux|9.4||s390x",
    "libdnf (CentOS Stream 10; i3; Linux.aarch64)": "libdnf|CentOS Stream|10|i3|aarch64",
    "libdnf (openSUSE Tumbleweed 20261120; kde-mobile; Linux.i686)": (
        "libdnf|openSUSE Tumbleweed|20261120|kde-mobile|i686"
    ),
    "libdnf (Arch Linux ; generic; Linux.x86_64)": "libdnf|Arch Linux||generic|x86_64",
    "libdnf (Example OS 2023.6.20241010; generic; Linux.x86_64)": "libdnf|Example OS|2023.6|generic|x86_64",
    "rpm-ostree (Fedora Linux 41; coreos; Linux.x86_64)": "rpm-ostree|Fedora Linux|41|coreos|x86_64",
    "libdnf": "libdnf",
    "libdnf (AlmaLinux 9.8)": "libdnf",
    "libdnf (AlmaLinux 9.8; Generic Kind; Linux.x86_64)": "libdnf",
    "dnf/4.14.0": "dnf",
    "dnf5": "dnf",
    "urlgrabber/3.10 yum/3.4.3": "yum",
    "ZYpp 17.31.8 (curl 7.79.1) openSUSE-Leap-15.5-x86_64": "libzypp",
    "curl/8.5.0": "curl",
    "Wget/1.21.3": "wget",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": "browser",
    "python-requests/2.31": "other",
    "": "other",
    "my libdnf (AlmaLinux 9.8; generic; Linux.x86_64)": "other",
    # Where a client may try to write an address.
    "libdnf (203.0.113.88 9; generic; Linux.x86_64)": "libdnf",
    "libdnf (A 203.0.113.88; generic; Linux.x86_64)": "libdnf|A|203.0|generic|x86_64",
    "libdnf (A 203-0-113-88; generic; Linux.x86_64)": "libdnf|A|203|generic|x86_64",
    "libdnf (A203 0 113 88; generic; Linux.x86_64)": "libdnf",
    "libdnf (A 203 0 113 88; generic; Linux.x86_64)": "libdnf",
    "libdnf (A 9; 203.0.113.88; Linux.x86_64)": "libdnf",
    "libdnf (A 9; a203-0-113-88; Linux.x86_64)": "libdnf",
    "libdnf (A 9; generic; Linux.203.0.113.88)": "libdnf",
    "libdnf (A 9; generic; Linux.2001:db8:88::99)": "libdnf",
    "libdnf (2001:db8:88::99 9; generic; Linux.x86_64)": "libdnf",
    "libdnf (A 2001:db8:88::99; generic; Linux.x86_64)": "libdnf",
    "libdnf/203.0.113.88 (A 9; generic; Linux.x86_64)": "libdnf|A|9|generic|x86_64",
    "203.0.113.88": "other",
    'libdnf (A "9; generic; Linux.x86_64)': "libdnf",
    "libdnf (A 9; generic; Linux.x86_64)\n": "libdnf",
    "libdnf (A|B 9; generic; Linux.x86_64)": "libdnf",
}


@pytest.mark.parametrize(("user_agent", "kept"), SOFTWARE.items())
def test_software(user_agent: str, kept: str) -> None:
    """Of libdnf's form the parts are kept, of anything else a word; a client's address goes into neither."""
    software = software_of(user_agent)
    assert str(software) == kept
    assert parse_software(kept) == software
    assert parse_record(line(software=kept)) is not None
    assert len(str(software).split("|")) in (1, 5)


def test_nginx_has_the_same_patterns() -> None:
    """nginx's map of User-Agents is made of the patterns that web processes use."""
    text = (ROOT / "nginx" / "mirrorwise-log.conf").read_text()
    entries = dict(re.findall(r'^    "~(\^.*)"\s+"?([^";]+)"?;', text, re.MULTILINE))
    theirs = re.sub(r"\(\?<mw_([a-z_]+)>", lambda match: f"(?P<{NAMES[match[1]]}>", SYSTEM_IN.search(text)[1])  # type: ignore[index]  # it is there
    assert theirs == SYSTEM
    assert {word: pattern for pattern, word in entries.items() if word in FAMILIES} == FAMILIES


NAMES = {"product": "product", "os": "name", "version": "version", "variant": "variant", "os_arch": "arch"}
SYSTEM_IN = re.compile(r'^    "~(\^\(\?<mw_product>.*)"$', re.MULTILINE)


@pytest.mark.parametrize(
    ("query", "age"),
    [
        ("", "0"),
        ("arch=x86_64&countme=1", "1"),
        ("countme=4&arch=x86_64", "4"),
        ("countme=5", "0"),
        ("countme=", "0"),
        ("countme=12", "0"),
        ("countme=203.0.113.88", "0"),
        ("xcountme=1", "0"),
        ("x=countme=1", "0"),
        ("countme=2&countme=3", "2"),
    ],
)
def test_countme_in_a_query(query: str, age: str) -> None:
    """One of the four age buckets, or none."""
    assert countme_in(query) == age


def test_what_web_processes_write() -> None:
    """A line that is a record, and says what is in the headers of the answer."""
    headers = [
        ("X-Client-Place", "US/39/-78"),
        ("X-Client-Network", "aws:us-east-1/us-east-1-bue-1+net-3f2a1c+AS64500"),
        ("X-Mirrorlist-Reason", "region"),
        ("X-Mirrorlist-Question", "centos 9.8/baseos/x86_64 baseos-9"),
        ("X-Mirrorlist-Mirror", "mirror.example.org"),
    ]
    agent = "libdnf (AlmaLinux 9.8; generic; Linux.x86_64)"
    written = line_of(Answered(1795788000.9, 200, headers, 6, "arch=x86_64&countme=2", agent))
    record = parse_record(written.encode().removesuffix(b"\n"))
    assert record is not None
    assert record.time == "2026-11-27T14:00:00+00:00"
    assert record.question == "centos 9.8/baseos/x86_64 baseos-9"
    assert (record.place, record.region, record.family) == ("US/39/-78", "aws:us-east-1", 6)
    assert (record.mirror, record.reason) == ("mirror.example.org", "region")
    assert (record.status, record.cache, record.countme) == (200, "", 2)
    assert record.software == "libdnf|AlmaLinux|9.8|generic|x86_64"
    assert "net-" not in written and "AS64500" not in written
    bare = parse_record(line_of(Answered(0.0, 404, [], 4, "", "")).encode().removesuffix(b"\n"))
    assert bare is not None and (bare.question, bare.software) == ("", "other")


def test_a_system_is_known_by_its_name() -> None:
    """What is only a word names no system."""
    assert software_of("libdnf (A 9; ; Linux.x86_64)").is_system
    assert not Software("libdnf").is_system

"""Files that no person could have written: they are read in no time, and little is said of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.model import Severity
from app.model.errors import MAX_MESSAGE
from app.sources.fields import MAX_ENTRIES, MAX_STRANGE_KEYS
from app.sources.report import MAX_FINDINGS, Report
from app.sources.yaml_file import MAX_BYTES, MAX_KEY_CHARACTERS, MAX_TEXT_CHARACTERS, MAX_VALUES
from tests.sources.samples import LOCATED, read_sample

PLENTY = MAX_BYTES - 1000
LIMIT_S = 4.0
"""They took minutes; a busy machine needs one second."""


def filled(line: str) -> str:
    """As many lines as a file may have; each has its number."""
    return "".join(line.format(number) for number in range(PLENTY // (len(line) + 3)))


HOSTILE = {
    "unknown keys": (filled("key{}: x\n"), True),
    "unknown keys of many words": (filled("is_a_prive_mirrer_or_disabeld_monopoli_{}: x\n"), True),
    "unknown keys below one": ("settings:\n" + filled("  key{}: x\n"), True),
    "one endless key": ("priv_" * (PLENTY // 5) + ": x\n", True),
    "regions": ("cloud_type: aws\ncloud_regions:\n" + filled("- eu-{}\n"), True),
    "AS numbers": ("asn:\n" + filled("- x{}\n"), True),
    "AS numbers in one line": ("asn: [" + "x," * (PLENTY // 2) + "]\n", True),
    "netblocks": ("subnets:\n" + filled("- 192.0.2.{}\n"), True),
    "countries": ("countries:\n" + filled("- Atlantis {}\n"), True),
    "repos": ("repos:\n" + filled("- base{}\n"), True),
    "as many repos as may be": (
        "repos: [baseos, " + ", ".join(f"base{n}" for n in range(490)) + "]\n",
        False,
    ),
    "one endless text": (f"sponsor: {'x' * PLENTY}\n", True),
    "an endless e-mail address": (f"email: 'a@{'.' * 1900}@'\n", False),
    "an endless number": (f"weight: {'9' * PLENTY}\n", True),
    "repeated keys": (filled("sponsor: x{}\n"), True),
    "tag directives": (filled("%TAG !{}! x\n") + "---\n", True),
    "nested lists": (f"sponsor: {'[' * PLENTY}\n", True),
}


OFTEN = {"unknown keys of many words", "regions", "an endless e-mail address", "tag directives"}


@pytest.mark.parametrize(
    ("text", "is_fault"),
    [
        pytest.param(*case, id=name, marks=() if name in OFTEN else pytest.mark.slow)
        for name, case in HOSTILE.items()
    ],
)
def test_hostile_files(tmp_path: Path, text: str, *, is_fault: bool) -> None:
    """The file is judged at once, and what is said of it fits a page."""
    started = time.process_time()
    whole = text + LOCATED if text.startswith("%") else LOCATED + text
    _, findings = read_sample(tmp_path, whole)
    assert time.process_time() - started < LIMIT_S
    assert any(finding.severity is Severity.FAULT for finding in findings) is is_fault, findings
    assert findings
    assert len(findings) <= 2 * MAX_FINDINGS + 2
    assert max(len(finding.message) for finding in findings) <= MAX_MESSAGE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"x: [{'a,' * MAX_VALUES}]\n", "more than the 20,000 values"),
        (f"{'x' * (MAX_KEY_CHARACTERS + 1)}: a\n", "201 characters; the most allowed is 200"),
        (f"sponsor: {'x' * (MAX_TEXT_CHARACTERS + 1)}\n", "2,001 characters; the most allowed is 2,000"),
        (f"countries: [{'DE,' * (MAX_ENTRIES + 1)}]\n", f"501 entries; the most allowed is {MAX_ENTRIES}"),
        (f"asn: [{'1,' * 201}]\n", "201 AS numbers; the most allowed is 200"),
        (filled("key{}: x\n")[:5000], f"more than {MAX_STRANGE_KEYS} keys are not known"),
        ("%TAG !x! y\n---\n", "%TAG"),
        ('sponsor: "\\0"\n', "U+0000"),
    ],
)
def test_limits_are_named(tmp_path: Path, text: str, words: str) -> None:
    """The fault says what the limit is, and where it was met."""
    whole = text + LOCATED if text.startswith("%") else LOCATED + text
    _, findings = read_sample(tmp_path, whole)
    faults = [finding for finding in findings if finding.severity is Severity.FAULT]
    assert [words in fault.message for fault in faults] == [True]
    assert faults[0].line == (1 if text.startswith("%") else (205 if "key" in text[:3] else 5))


def test_of_many_findings_the_first_are_named() -> None:
    """Then it says how many more there are; faults are not hidden behind warnings."""
    report = Report("some.yml")
    for number in range(3 * MAX_FINDINGS):
        report.warning(number, "odd")
    report.fault(7, "wrong")
    assert [finding.message for finding in report.findings].count("odd") == MAX_FINDINGS
    assert report.faulty
    assert [str(finding) for finding in report.findings][-2:] == [
        "some.yml:7: fault: wrong",
        f"some.yml: warning: and {2 * MAX_FINDINGS} more warnings",
    ]

"""Faults that only show when all mirror files are seen together."""

from __future__ import annotations

import msgspec
import pytest

from app.model import Mirror, Severity
from app.sources.mirror_files import check_network
from tests.sources.samples import the_finding


def mirror(name: str, url: str) -> Mirror:
    return Mirror(name=name, addresses={"https": url})


def test_two_files_with_one_name_are_a_fault_of_the_wrong_one() -> None:
    """The file that is called like the mirror is right, whatever their order."""
    findings = check_network(
        {
            "a.yml": mirror("b.example.org", "https://a.example.org/"),
            "b.example.org.yml": mirror("b.example.org", "https://b.example.org/"),
        },
        last={},
    )
    finding = the_finding(findings, Severity.FAULT, '"b.example.org"', "b.example.org.yml")
    assert finding.file == "a.yml"


def test_names_that_differ_in_case_only_are_one_name() -> None:
    """They would be one file on some systems. Without a better reason the first file is right."""
    findings = check_network(
        {
            "1.yml": mirror("m.example.org", "https://a.example.org/"),
            "2.yml": mirror("M.example.org", "https://b.example.org/"),
        },
        last={},
    )
    assert the_finding(findings, Severity.FAULT, "1.yml").file == "2.yml"


@pytest.mark.parametrize("newcomer", ["a.yml", "z.yml", "M.example.org.yml", "m.example.org.yaml"])
def test_a_new_file_takes_no_mirror_away(newcomer: str) -> None:
    """The file that has been the mirror's stays so, however the new one is called and spells the name."""
    before = {"m.example.org.yml": mirror("m.example.org", "https://a.example.org/")}
    for owner in ("m.example.org.yml", "team-7.yml"):
        last = {owner: before["m.example.org.yml"]}
        added = {newcomer: mirror("M.example.org", "https://b.example.org/")}
        assert the_finding(check_network({**last, **added}, last), Severity.FAULT, owner).file == newcomer


def test_a_renamed_file_keeps_its_mirror() -> None:
    """And of two files that both were others before, the one that is called like the mirror is right."""
    one, other = mirror("m.example.org", "https://a.example.org/"), mirror("n.example.org", "https://b.org/")
    assert check_network({"new.yml": one}, last={"old.yml": one}) == []
    now = {"1.yml": one, "m.example.org.yml": msgspec.structs.replace(other, name="m.example.org")}
    findings = check_network(now, last={"1.yml": other, "m.example.org.yml": other})
    assert the_finding(findings, Severity.FAULT).file == "1.yml"


def test_one_url_in_two_files_is_a_warning() -> None:
    """Both stay in use: a person has to decide."""
    findings = check_network(
        {
            "a.example.org.yml": mirror("a.example.org", "https://a.example.org/"),
            "b.example.org.yml": mirror("b.example.org", "https://a.example.org/"),
            "c.example.org.yml": mirror("c.example.org", "https://c.example.org/"),
        },
        last={},
    )
    finding = the_finding(findings, Severity.WARNING, "https://a.example.org/", "a.example.org.yml")
    assert finding.file == "b.example.org.yml"

"""Faults that only show when all mirror files are seen together."""

from __future__ import annotations

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
        }
    )
    finding = the_finding(findings, Severity.FAULT, '"b.example.org"', "b.example.org.yml")
    assert finding.file == "a.yml"


def test_names_that_differ_in_case_only_are_one_name() -> None:
    """They would be one file on some systems. Without a better reason the first file is right."""
    findings = check_network(
        {
            "1.yml": mirror("m.example.org", "https://a.example.org/"),
            "2.yml": mirror("M.example.org", "https://b.example.org/"),
        }
    )
    assert the_finding(findings, Severity.FAULT, "1.yml").file == "2.yml"


def test_one_url_in_two_files_is_a_warning() -> None:
    """Both stay in use: a person has to decide."""
    findings = check_network(
        {
            "a.example.org.yml": mirror("a.example.org", "https://a.example.org/"),
            "b.example.org.yml": mirror("b.example.org", "https://a.example.org/"),
            "c.example.org.yml": mirror("c.example.org", "https://c.example.org/"),
        }
    )
    finding = the_finding(findings, Severity.WARNING, "https://a.example.org/", "a.example.org.yml")
    assert finding.file == "b.example.org.yml"

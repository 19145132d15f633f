"""Findings of one file, collected while it is read; and how foreign text is shown in them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import msgspec

from app.model import Finding, Severity

SHOWN_CHARACTERS = 80


class Report:
    """What is wrong in one file. Nothing is raised, so that one reading names every fault."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []

    @property
    def faulty(self) -> bool:
        return any(finding.severity is Severity.FAULT for finding in self.findings)

    def fault(self, line: int | None, message: str) -> None:
        self._add(Severity.FAULT, line, message)

    def warning(self, line: int | None, message: str) -> None:
        self._add(Severity.WARNING, line, message)

    def _add(self, severity: Severity, line: int | None, message: str) -> None:
        self.findings.append(Finding(severity=severity, file=self.file, line=line, message=message))


def located(findings: Iterable[Finding], folder: Path | str) -> list[Finding]:
    """With the folder before the file's name, so that an editor or a CI finds it."""
    return [msgspec.structs.replace(finding, file=str(Path(folder) / finding.file)) for finding in findings]


def shown(text: str) -> str:
    """In quotes, shortened, and with nothing in it that a terminal would obey."""
    short = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short) + '"'


def nearest(word: str, known: Iterable[str]) -> str:
    """The tail of a sentence about an unknown word: which known one was probably meant."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {shown(by_lower[close[0]])}?" if close else ""

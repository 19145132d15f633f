"""Collects the findings of a file while it is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.model import Finding, Severity
from app.model.errors import fault, warning
from app.model.words import nearest, quoted


class Report:
    """The findings of one file. Nothing is raised, so that one reading finds every fault."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []

    @property
    def faulty(self) -> bool:
        return any(finding.severity is Severity.FAULT for finding in self.findings)

    def fault(self, line: int | None, message: str) -> None:
        self.findings.append(fault(self.file, message, line))

    def warning(self, line: int | None, message: str) -> None:
        self.findings.append(warning(self.file, message, line))


def located(findings: Iterable[Finding], folder: Path | str) -> list[Finding]:
    """The findings with the folder before the file's name, so that an editor or CI finds the file."""
    return [msgspec.structs.replace(finding, file=str(Path(folder) / finding.file)) for finding in findings]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word, with the known word that was probably meant, if any."""
    near = nearest(word, known)
    return f"; did you mean {quoted(near)}?" if near else ""

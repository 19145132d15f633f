"""Collects the findings of a file while it is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.model import Finding, Severity
from app.model.words import nearest, quoted

MAX_FINDINGS = 50
"""Findings of one severity that are said of one file: more than a person reads."""


class Report:
    """The findings of one file. Nothing is raised, so that one reading finds every fault. If there are very
    many, the first ones stand for all."""

    def __init__(self, file: str) -> None:
        self.file = file
        #: How many of its keys are known to no reader.
        self.strange_keys = 0
        self._findings: list[Finding] = []
        self._counts = dict.fromkeys(Severity, 0)

    @property
    def findings(self) -> list[Finding]:
        """In the order in which they were found, and then how many more there are."""
        more = {severity: count - MAX_FINDINGS for severity, count in self._counts.items()}
        return [*self._findings, *(self._more(severity, left) for severity, left in more.items() if left > 0)]

    @property
    def faulty(self) -> bool:
        return self._counts[Severity.FAULT] > 0

    def fault(self, line: int | None, message: str) -> None:
        self._add(Severity.FAULT, line, message)

    def warning(self, line: int | None, message: str) -> None:
        self._add(Severity.WARNING, line, message)

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """`did_you_mean`, which takes a while, as long as there is room for the answer."""
        return did_you_mean(word, known) if max(self._counts.values()) < MAX_FINDINGS else ""

    def _add(self, severity: Severity, line: int | None, message: str) -> None:
        self._counts[severity] += 1
        if self._counts[severity] <= MAX_FINDINGS:
            found = Finding(severity=severity, file=self.file, line=line, message=message)
            self._findings.append(found)

    def _more(self, severity: Severity, count: int) -> Finding:
        return Finding(severity=severity, file=self.file, message=f"and {count:,} more {severity.value}s")


def located(findings: Iterable[Finding], folder: Path | str) -> list[Finding]:
    """The findings with the folder before the file's name, so that an editor or CI finds the file."""
    return [msgspec.structs.replace(finding, file=str(Path(folder) / finding.file)) for finding in findings]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word, with the known word that was probably meant, if any."""
    near = nearest(word, known)
    return f"; did you mean {quoted(near)}?" if near else ""

"""Collects the findings of a file while it is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.model import Finding, Severity
from app.model.words import nearest, quoted

MAX_FINDINGS = 50
"""The largest number of findings of one severity that are kept for one file. It is more than a person
reads."""


class Report:
    """Collects the findings of one file. Nothing is raised, so that one reading finds every fault. Of very
    many findings, only the first ones are kept."""

    def __init__(self, file: str) -> None:
        self.file = file
        #: The number of keys in the file, so far, that are known to no reader.
        self.strange_keys = 0
        self._findings: list[Finding] = []
        self._counts = dict.fromkeys(Severity, 0)

    @property
    def findings(self) -> list[Finding]:
        """The findings in the order in which they were found. If some were not kept, a finding at the end
        says how many."""
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
        """Returns what the function `did_you_mean` returns. That function takes a while, so it is not called
        once the report has no room for further findings of one severity."""
        return did_you_mean(word, known) if max(self._counts.values()) < MAX_FINDINGS else ""

    def _add(self, severity: Severity, line: int | None, message: str) -> None:
        self._counts[severity] += 1
        if self._counts[severity] <= MAX_FINDINGS:
            found = Finding(severity=severity, file=self.file, line=line, message=message)
            self._findings.append(found)

    def _more(self, severity: Severity, count: int) -> Finding:
        return Finding(severity=severity, file=self.file, message=f"and {count:,} more {severity.value}s")


def located(findings: Iterable[Finding], folder: Path | str) -> list[Finding]:
    """Returns the findings with the folder before the file's name, so that an editor or CI finds the file."""
    return [msgspec.structs.replace(finding, file=str(Path(folder) / finding.file)) for finding in findings]


def by_file(findings: Iterable[Finding], severity: Severity) -> dict[str, str]:
    """Returns the findings of a severity, joined to one text for each file."""
    texts = defaultdict(list)
    for finding in findings:
        if finding.severity is severity:
            texts[finding.file].append(str(finding))
    return {file: "; ".join(joined) for file, joined in texts.items()}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns the end of a sentence about an unknown word, with the known word that was probably meant; it is
    empty if no known word is near."""
    near = nearest(word, known)
    return f"; did you mean {quoted(near)}?" if near else ""

"""Findings in files, and the tree of errors."""

from __future__ import annotations

from enum import StrEnum

from app.model.values import Record


class Severity(StrEnum):
    #: It makes its subject unusable.
    FAULT = "fault"
    #: It does not.
    WARNING = "warning"


class Finding(Record, frozen=True, kw_only=True):
    """Something wrong in a file that people or tools wrote, in words for the person who can mend it."""

    severity: Severity
    file: str
    message: str
    #: Counts from 1.
    line: int | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.severity.value}: {self.message}"


def fault(file: str, message: str, line: int | None = None) -> Finding:
    """A finding that makes its subject unusable."""
    return Finding(severity=Severity.FAULT, file=file, message=message, line=line)


def warning(file: str, message: str, line: int | None = None) -> Finding:
    """A finding that leaves its subject usable."""
    return Finding(severity=Severity.WARNING, file=file, message=message, line=line)


class MirrorwiseError(Exception):
    """Base of all errors that Mirrorwise raises on purpose; the text is for people."""


class SettingsError(MirrorwiseError):
    """An environment variable holds something that cannot be used."""


class SourceError(MirrorwiseError):
    """An input file cannot be used at all; `findings` say why and where."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class GeoError(MirrorwiseError):
    """A GeoIP database cannot be opened, verified or understood."""


class StoreError(MirrorwiseError):
    """The store did not answer, or refused, or holds something that is not ours."""


class SnapshotError(MirrorwiseError):
    """A snapshot cannot be decoded: cut short, or of another schema."""

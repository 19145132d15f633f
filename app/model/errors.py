"""Findings in files, and the tree of errors."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from app.model.values import Record
from app.model.words import escaped

MAX_MESSAGE = 600
"""Characters of a finding's message: enough for what a person has to know."""

MAX_NAME = 4096


class Severity(StrEnum):
    """The severity of a finding."""

    #: The subject of the finding cannot be used.
    FAULT = "fault"
    #: The subject can be used all the same.
    WARNING = "warning"


class Finding(Record, frozen=True, kw_only=True):
    """Something wrong in a file that people or tools wrote, in words for the person who can correct it.

    Whatever the file and its name contain, both texts can be printed and sent: control characters and bytes
    that are not UTF-8 are written as escapes, and a message has a greatest length.
    """

    severity: Severity
    file: str
    message: str
    #: The number of the line, from 1.
    line: int | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "file", escaped(self.file, MAX_NAME))
        msgspec.structs.force_setattr(self, "message", escaped(self.message, MAX_MESSAGE))

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.severity.value}: {self.message}"


def fault(file: str, message: str, line: int | None = None) -> Finding:
    """Makes a finding that its subject cannot be used."""
    return Finding(severity=Severity.FAULT, file=file, message=message, line=line)


def warning(file: str, message: str, line: int | None = None) -> Finding:
    """Makes a finding that leaves its subject usable."""
    return Finding(severity=Severity.WARNING, file=file, message=message, line=line)


class MirrorwiseError(Exception):
    """The base of all errors that Mirrorwise raises on purpose. Their texts are for people."""


class SettingsError(MirrorwiseError):
    """An environment variable has a value that cannot be used."""


class SourceError(MirrorwiseError):
    """An input file cannot be used at all. Its `findings` say why and where."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class GeoError(MirrorwiseError):
    """A GeoIP database cannot be opened, verified or understood."""


class StoreError(MirrorwiseError):
    """The store did not answer, refused something, or holds something that is not ours."""


class SnapshotError(MirrorwiseError):
    """A snapshot cannot be decoded, because it is cut short, damaged, or of another schema."""

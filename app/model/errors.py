"""Findings, which say what is wrong in an input file, and the tree of errors."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from app.model.values import Record
from app.model.words import escaped

MAX_MESSAGE = 600
"""The greatest length of a finding's message in characters, which is enough for what a person has to know."""

MAX_NAME = 4096


class Severity(StrEnum):
    """The severity of a finding."""

    #: What the finding is about, such as a mirror or a file, cannot be used.
    FAULT = "fault"
    #: What the finding is about can be used all the same.
    WARNING = "warning"


class Finding(Record, frozen=True, kw_only=True):
    """Something wrong in a file that people or tools wrote, in words for the person who can correct it.

    `file` and `message` can always be printed and sent, whatever the file and its name contain: control
    characters and bytes that are not UTF-8 are written as escapes, and texts that are too long are cut.
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
    """Makes a finding with the severity FAULT: what the finding is about cannot be used."""
    return Finding(severity=Severity.FAULT, file=file, message=message, line=line)


def warning(file: str, message: str, line: int | None = None) -> Finding:
    """Makes a finding with the severity WARNING: what the finding is about can be used all the same."""
    return Finding(severity=Severity.WARNING, file=file, message=message, line=line)


class MirrorwiseError(Exception):
    """The base of all errors that Mirrorwise raises on purpose. The text of such an error is for people."""


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
    """The store (Redis or files) did not answer, refused something, or holds something that Mirrorwise did
    not write."""


class SnapshotError(MirrorwiseError):
    """A published snapshot cannot be decoded, because it is cut short, damaged, or of another schema."""


class HistoryError(MirrorwiseError):
    """The history's database did not answer, refused something, or is of another version; or a log cannot be
    read."""

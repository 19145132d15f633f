"""Reading a whole small file, with a bound on its size: whatever stands in its place must not hang or
fill the process that reads it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from app.model import Finding, Severity, SourceError


def read_bytes(path: Path, limit_bytes: int) -> bytes:
    """Raises SourceError where the file cannot be read, is no regular file, or is too large."""
    try:
        # Opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _source_error(path, "is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(limit_bytes + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _source_error(path, f"cannot be read: {error.strerror or error}") from error
    if len(content) > limit_bytes:
        raise _source_error(path, f"is larger than the {limit_bytes:,} bytes allowed")
    return content


def _source_error(path: Path, problem: str) -> SourceError:
    return SourceError([Finding(severity=Severity.FAULT, file=path.name, message=f"the file {problem}")])

"""Log lines: for people, and one JSON object each for machines."""

from __future__ import annotations

import json
import logging
import sys

from app.logs import JsonFormatter, TextFormatter

FORGED = "first\nINFO forged: second\r\x1b[2Jthird\x9b"


def record(message: str, failed: bool = False) -> logging.LogRecord:
    made = logging.LogRecord("mirrorwise.test", logging.WARNING, "file", 1, "%s", (message,), None)
    made.created = 1_800_000_000.25
    if failed:
        try:
            raise ValueError(message)
        except ValueError:
            made.exc_info = sys.exc_info()
    return made


def test_json() -> None:
    """One line, one object, whatever is in the message; with the exception where there is one."""
    line = JsonFormatter().format(record(FORGED, failed=True))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry.pop("exception").startswith("Traceback")
    assert entry.pop("process") > 0
    assert entry == {
        "time": "2027-01-15T08:00:00.250+00:00",
        "level": "warning",
        "logger": "mirrorwise.test",
        "message": FORGED,
    }


def test_text_cannot_be_forged() -> None:
    """What is in a message cannot look like another message, nor steer a terminal."""
    lines = TextFormatter("%(levelname)s %(name)s: %(message)s").format(record(FORGED)).split("\n")
    assert lines == [
        "WARNING mirrorwise.test: first",
        "    INFO forged: second\\x0d\\x1b[2Jthird\\x9b",
    ]

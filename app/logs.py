"""Logging as the settings want it: lines for people, or one JSON object a line."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from app.settings import Settings

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_CONTROL[ord("\n")] = "\n    "


class JsonFormatter(logging.Formatter):
    """time, level, logger, process, message, and exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


class TextFormatter(logging.Formatter):
    """What follows a message's first line is indented, and control characters are spelled out: what
    files or clients put into a message cannot be taken for another message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return super().formatMessage(record).translate(_CONTROL)


def set_up_logging(settings: Settings) -> None:
    """Everything to standard error, as is expected under systemd and in containers."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


# --- what is wrong at the moment ------------------------------------------------------------------

MAX_PAUSE_S = 3.0


def pause_s(refresh_s: float, failures: int) -> float:
    """How long to wait before the next look: twice as long after each that failed in a row, up to
    3 s: worker and web may have to wait one after the other, and an edit is to be served within 10 s."""
    return max(refresh_s, min(refresh_s * 2.0 ** min(failures, 20), MAX_PAUSE_S))


class Faults:
    """Faults by subject ("store", "mirrors/a.yml"), for logs now and for whoever asks later. What stands
    before the slash is the source, by which they are counted: `failures` says how often one was found
    at fault, also when nothing had changed."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._texts: dict[str, str] = {}
        self.failures: Counter[str] = Counter()

    @property
    def current(self) -> dict[str, str]:
        return dict(self._texts)

    @property
    def by_source(self) -> dict[str, int]:
        """How many subjects of each source are at fault now."""
        return dict(Counter(map(_source, self.current)))

    def set(self, subject: str, text: str, trace: bool = False) -> None:
        """`subject` is at fault, as `text` says; logged unless it was said before. `trace`: with the
        traceback of the exception that is being handled."""
        self.failures[_source(subject)] += 1
        if self._texts.get(subject) != text:
            self._texts[subject] = text
            self._log.warning("%s: %s", subject, text, exc_info=trace)

    def clear(self, subject: str) -> None:
        """`subject` is well."""
        if self._texts.pop(subject, None) is not None:
            self._log.info("%s: well again", subject)

    def replace(self, prefix: str, faults: Mapping[str, str]) -> None:
        """All faults of subjects that begin with `prefix` are now these."""
        for subject in [s for s in self._texts if s.startswith(prefix) and s not in faults]:
            self.clear(subject)
        for subject, text in faults.items():
            self.set(subject, text)


def _source(subject: str) -> str:
    return subject.partition("/")[0]

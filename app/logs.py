"""Sets up logging, and keeps the faults that a running program has at the moment.

The log has lines for people or JSON objects, as the settings say. A program that goes on after a fault keeps
the fault in `Faults`: the fault is logged once when it begins and once when it ends, and meanwhile `/readyz`,
metrics and status documents name it.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from app.model.words import shortened
from app.settings import Settings

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_CONTROL[ord("\n")] = "\n    "


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object of time, level, logger, process, message, and exception if any."""

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
    """Formats a record as text. It indents all lines of a message but the first and writes control characters
    as escapes, so that no text from files or clients can be taken for another message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return super().formatMessage(record).translate(_CONTROL)


def set_up_logging(settings: Settings) -> None:
    """Sends all logging to standard error, as systemd and containers expect it."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


def without_words(error: BaseException | None) -> str:
    """Returns the type of an exception and where it arose, without its message, which may quote what a client
    sent. The exceptions that led to it follow."""
    parts = []
    while error is not None:
        place = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        parts.append(f"{type(error).__qualname__}\n{place}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nafter ".join(parts)


# --- what is wrong at the moment ------------------------------------------------------------------

MAX_PAUSE_S = 3.0


def pause_s(refresh_s: float, failures: int) -> float:
    """Returns how many seconds a polling loop waits before it looks at its inputs again: `refresh_s`, doubled
    with each failure in a row up to 3 s. The limit is low because worker and web may have to wait one after
    the other, and an edit is to be served within 10 s."""
    return max(refresh_s, min(refresh_s * 2.0 ** min(failures, 20), MAX_PAUSE_S))


MAX_TEXT = 2000
"""The most characters that the text of one fault may have. The text stands in the log, in Redis and on
pages."""


class Faults:
    """The faults that a program has at the moment: a text for each subject, such as "store" or
    "mirrors/a.yml". The part of a subject before the slash is its source, by which faults are counted."""

    def __init__(self, log: logging.Logger) -> None:
        #: How often each source was found at fault; a fault that goes on is counted again each time.
        self.failures: Counter[str] = Counter()
        self._log = log
        self._texts: dict[str, str] = {}

    @property
    def current(self) -> dict[str, str]:
        """The text of each fault, by subject."""
        return dict(self._texts)

    @property
    def by_source(self) -> dict[str, int]:
        """The number of subjects at fault now, by source."""
        return dict(Counter(map(_source, self.current)))

    def set(self, subject: str, text: str, trace: bool = False) -> None:
        """Notes that `subject` is at fault, as `text` says, and logs the text unless it is the same as
        before. A very long text is cut. With `trace`, the log has the traceback of the exception that is
        being handled."""
        text = shortened(text, MAX_TEXT)
        self.failures[_source(subject)] += 1
        if self._texts.get(subject) != text:
            self._texts[subject] = text
            self._log.warning("%s: %s", subject, text, exc_info=trace)

    def clear(self, subject: str) -> None:
        """Notes that nothing is wrong with `subject` any more, and logs that if it was at fault."""
        if self._texts.pop(subject, None) is not None:
            self._log.info("%s: well again", subject)

    def report(self, subject: str, text: str | None) -> None:
        """Notes that `subject` is at fault if there is a text, and otherwise that it is well."""
        if text:
            self.set(subject, text)
        else:
            self.clear(subject)

    def replace(self, prefix: str, faults: Mapping[str, str]) -> None:
        """Notes that of all subjects that begin with `prefix`, exactly those in `faults` are at fault, with
        these texts."""
        for subject in [s for s in self._texts if s.startswith(prefix) and s not in faults]:
            self.clear(subject)
        for subject, text in faults.items():
            self.set(subject, text)


def _source(subject: str) -> str:
    return subject.partition("/")[0]

"""What is wrong at the moment, each fault named once: when it begins, when it changes, when it ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping


class Faults:
    """Faults by subject ("store", "data/config.yml"), for logs now and for whoever asks later."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._texts: dict[str, str] = {}
        self.total = 0

    @property
    def current(self) -> dict[str, str]:
        return dict(self._texts)

    def set(self, subject: str, text: str, trace: bool = False) -> None:
        """`subject` is at fault, as `text` says; logged unless it was said before. `trace`: with the
        traceback of the exception that is being handled."""
        if self._texts.get(subject) != text:
            self._texts[subject] = text
            self.total += 1
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

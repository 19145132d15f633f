"""Shares what the prober found with the workers of other machines, through the store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from app.logs import Faults
from app.model import Mirror, StoreError
from app.sources.folder import DataFolder
from app.sources.surveys.own import OwnSurvey, last_shared, shared_tags
from app.sources.surveys.survey import Survey
from app.store import Store

log = logging.getLogger("mirrorwise.probe")


class Sharing:
    """This machine's survey, for a prober. A store that is away is named once, and tried again each time."""

    def __init__(self, folder: DataFolder, store: Store, machine: str) -> None:
        self._own = OwnSurvey(folder, machine)
        self._store = store
        self._faults = Faults(log)
        self._last: Survey | None = None
        self._has_begun = False
        self._lock = threading.Lock()

    def share(self, mirrors: Iterable[Mirror]) -> None:
        """Shares what is in the state files now, if it has changed. `mirrors` are for mirmon's file."""
        try:
            with self._lock:
                self._share(mirrors)
        except StoreError as error:
            self._faults.set("store", f"what was found is not shared: {error}")
        else:
            self._faults.clear("store")

    def _share(self, mirrors: Iterable[Mirror]) -> None:
        if not self._has_begun:
            # The first state in a new folder must not take the place of all that was known before.
            self._last, self._has_begun = last_shared(self._store, self._own.machine), True
        self._own.read(mirrors, self._last)
        self._own.share(self._store, shared_tags(self._store))

"""A dictionary that does not outgrow its limit."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """A dictionary of up to `limit` values that forgets those that were not used lately.

    It has two halves. When the newer half is full, the older one is forgotten and the newer takes its
    place. A value that is found in the older half moves to the newer one. Threads may share a memo: each
    step is atomic, and all that a race can cost is a value that has to be computed again.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        value = self._newer.get(key)
        if value is None:
            value = self._older.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}
        self._newer[key] = value

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

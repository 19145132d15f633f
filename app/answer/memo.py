"""A dictionary that does not outgrow its limit."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers about `limit` values, at least the half of them that was used last.

    There are two halves: when the newer one is full, the older one is forgotten and the newer takes
    its place; what is found in the older one moves to the newer. Threads may share a memo: each step
    is atomic, and the worst that a race costs is a value that has to be computed again.
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

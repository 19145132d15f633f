"""A dictionary that does not outgrow its limit."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers at most `limit` values; when there are more, all are forgotten and it fills anew.

    Threads may share one: each step is atomic, and two that compute the same value store the same.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[K, V] = {}
        self.get = self._values.get

    def put(self, key: K, value: V) -> None:
        if len(self._values) >= self._limit:
            self._values.clear()
        self._values[key] = value

    def __len__(self) -> int:
        return len(self._values)

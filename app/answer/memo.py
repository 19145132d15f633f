"""Provides `Memo`, a dictionary of limited size that forgets what was not used lately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """A dictionary that holds values of up to `limit_bytes` in all, and forgets those that were not used
    lately.

    It has two halves. When the newer half is full, the older one is forgotten and the newer one takes its
    place. A value that is found in the older half moves to the newer one. Threads may share a memo: each step
    is atomic, and a race costs no more than computing a value again.
    """

    def __init__(self, limit_bytes: int, size: Callable[[K, V], int]) -> None:
        """`size` says how many bytes a key, its value and their place in a dictionary take."""
        self._half_bytes = limit_bytes // 2
        self._size = size
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._newer_bytes = self._older_bytes = 0

    @property
    def counted_bytes(self) -> int:
        return self._newer_bytes + self._older_bytes

    def get(self, key: K) -> V | None:
        value = self._newer.get(key)
        if value is None:
            value = self._older.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remembers a value, unless it is larger than half of the limit."""
        size = self._size(key, value)
        if size > self._half_bytes:
            return
        if self._newer_bytes + size > self._half_bytes:
            self._older, self._older_bytes = self._newer, self._newer_bytes
            self._newer, self._newer_bytes = {}, 0
        self._newer[key] = value
        self._newer_bytes += size

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

"""Stub"""
from collections.abc import Sequence
from dataclasses import dataclass

from app.model import Coordinates
from app.snapshot.schema import Overlay, Region, ServedMirror


@dataclass(frozen=True)
class ClientNetworks:
    digest: str | None = None

    def compile(self, mirrors: Sequence[ServedMirror]) -> tuple[dict[str, Overlay], dict[str, Region]]:
        return {}, {}

    def region_places(self) -> dict[str, tuple[str, Coordinates]]:
        return {}

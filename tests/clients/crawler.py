"""librepo, the library below dnf, through the Python that has it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).parent / "librepo_script.py"


class Fetched(msgspec.Struct):
    """What librepo made of an answer; `error`: why nothing."""

    mirrors: list[str]
    metalink: dict[str, Any] | None
    error: str | None


def fetch(requests: Iterable[tuple[str, str]], repomd: bool = False) -> list[Fetched]:
    """`requests`: URL and "mirrorlist" or "metalink". With `repomd`, the repomd.xml is fetched, too, from the
    first mirror that has it. Skips the test where there is no librepo."""
    check = subprocess.run([SYSTEM_PYTHON, "-c", "import librepo"], capture_output=True, check=False)
    if check.returncode != 0:
        pytest.skip("the package python3-librepo is not installed")
    lines = "".join(json.dumps([*request, repomd]) + "\n" for request in requests)
    done = subprocess.run(
        [SYSTEM_PYTHON, str(SCRIPT)], input=lines, capture_output=True, text=True, check=True, timeout=300
    )
    return [msgspec.json.decode(line, type=Fetched) for line in done.stdout.splitlines()]

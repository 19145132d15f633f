"""The documents of the project, as tests read them."""

from __future__ import annotations

import re
from pathlib import Path


def section(document: Path, heading: str) -> str:
    """What stands below a heading, with the sections below that one."""
    marks = heading.partition(" ")[0]
    _, found, rest = f"\n{document.read_text(encoding='utf-8')}".partition(f"\n{heading}\n")
    assert found, f"{document} has no {heading}"
    return re.split(rf"^#{{1,{len(marks)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """The code in the first cells of all tables, in order."""
    rows = re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]

"""What several threads of a web process may do at the same time."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import ROOT

IN_THREADS = ("answer", "explain", "render", "request", "serving", "snapshot/status.py", "web")
"""What threads that answer requests use. Other modules that decode do so in one thread."""


def modules() -> list[Path]:
    found = []
    for name in IN_THREADS:
        path = ROOT / "app" / name
        assert path.exists()
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def test_decoders_are_made_at_import() -> None:
    """No thread makes msgspec's decoder for a type: two that do so for the same type at the same time
    crash the process. `decode(..., type=...)` makes one at the first call."""
    assert [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in modules()
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and (
            call.func.attr == "Decoder"
            or (call.func.attr in ("decode", "convert") and any(word.arg == "type" for word in call.keywords))
        )
    ] == []

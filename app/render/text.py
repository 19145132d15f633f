"""Renders a mirrorlist as text: one URL in each line, and nothing else.

librepo takes every line that contains "://" for a mirror, and strips a trailing LF but no CR. So the body
holds URLs and line feeds only.
"""

from __future__ import annotations

from app.answer.lists import Selection
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot

CONTENT_TYPE = "text/plain; charset=utf-8"


def mirrorlist(snapshot: LoadedSnapshot, question: Question, selection: Selection) -> bytes:
    """Renders a mirrorlist as text, in UTF-8."""
    return "\n".join([*selection.urls, ""]).encode()

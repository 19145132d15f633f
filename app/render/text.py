"""Mirrorlist text: base URLs, one a line, nothing else.

librepo keeps any line that contains "://", strips a trailing LF but no CR, and takes prose for
mirrors: so the body holds URLs and line feeds only.
"""

from __future__ import annotations

from app.answer.lists import Selection
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot

CONTENT_TYPE = "text/plain; charset=utf-8"


def mirrorlist(snapshot: LoadedSnapshot, question: Question, selection: Selection) -> bytes:
    return "\n".join([*selection.urls, ""]).encode()

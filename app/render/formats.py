"""The table of the formats of a mirrorlist, by the names that `format=` has (`request.parameters.Format`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from app.answer.lists import Selection
from app.render import json, metalink, text
from app.request.parameters import Format
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot


class ListFormat(NamedTuple):
    """A format in which a mirrorlist can be sent: its content type, and the function that renders it."""

    content_type: str
    #: Returns the body of the answer. May raise a QuestionError.
    render: Callable[[LoadedSnapshot, Question, Selection], bytes]


LIST_FORMATS: dict[Format, ListFormat] = {
    "text": ListFormat(text.CONTENT_TYPE, text.mirrorlist),
    "json": ListFormat(json.CONTENT_TYPE, json.mirrorlist),
    "metalink": ListFormat(metalink.CONTENT_TYPE, metalink.metalink),
    "zypp": ListFormat(json.CONTENT_TYPE, json.zypp_mirrorlist),
}

"""From a parsed question and a client to a complete answer: status, headers, body. Pure, no Flask.

Every way into the service, the ordinary views and the fast path, ends here, so that an answer
cannot depend on the way it was asked for.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from app.answer.lists import MirrorLists, Selection
from app.catalogue.catalogue import arches_meant, has_arch
from app.model import ClientClass
from app.render import text
from app.render.formats import LIST_FORMATS
from app.request.clients import shown
from app.request.parameters import BadValueError, QuestionError
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot

CACHE_CONTROL = "private, max-age=60"
RETRY_AFTER_S = 5
NOSNIFF = ("X-Content-Type-Options", "nosniff")
"""On every answer: none is what a browser may guess it to be."""

_QUERY = "%&=+,:;/@!$'()*~?"


class Answer(NamedTuple):
    """`headers` are those beside Content-Type and Content-Length; `reason` is a list's."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def plain(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    """An error, or another text for people."""
    return Answer(status, text.CONTENT_TYPE, f"{message}\n".encode(), headers)


class NobodyError(QuestionError):
    """Nobody is known to carry what was asked for, and no origin is configured."""


def no_snapshot() -> Answer:
    return plain(
        503, "No mirrors are known yet: the service is starting.", ("Retry-After", str(RETRY_AFTER_S))
    )


def listed(lists: MirrorLists, client: ClientClass, question: Question) -> Answer:
    """The answer to a question about mirrors, in the format it asks for. Raises QuestionError."""
    snapshot = lists.snapshot
    if question.format == "metalink":
        _check_metalink(snapshot, question)
    selection = lists.select(client, question)
    if selection.is_empty:
        raise NobodyError(f"No mirror carries {question.release}/{question.path}, and there is no origin.")
    headers = list_headers(snapshot, client, selection)
    if question.redirect:
        location = selection.urls[0]
        body = f"{location}\n".encode()
        headers = (*headers, ("Location", location))
        return Answer(302, text.CONTENT_TYPE, body, headers, selection.reason)
    content_type, render = LIST_FORMATS[question.format]
    return Answer(200, content_type, render(snapshot, question, selection), headers, selection.reason)


def _check_metalink(snapshot: LoadedSnapshot, question: Question) -> None:
    """A metalink is of one repomd.xml, so of one repo and arch. Raises BadValueError."""
    if question.repo is None:
        raise BadValueError("format", "metalink", "a list of ISO directories has no metalink")
    if question.arch:
        return
    repo = next(repo for repo in snapshot.config.repos if repo.name == question.repo)
    if has_arch(repo):
        arches = ", ".join(arches_meant(snapshot.config, repo, question.release))
        raise BadValueError("arch", "", f"a metalink needs one of: {arches}")


def mirrorlist_instead(path: str, query: str) -> str:
    """Where the mirrorlist is of a metalink that was asked for there, in the same URL form."""
    pairs = [pair for pair in query.split("&") if pair and not pair.lower().startswith("format=")]
    url = quote(path.replace("/metalink", "/mirrorlist", 1))
    return f"{url}?{quote('&'.join(pairs), safe=_QUERY)}" if pairs else url


def has_metalink(snapshot: LoadedSnapshot, question: Question) -> bool:
    return question.key in snapshot.repomd


def list_headers(
    snapshot: LoadedSnapshot, client: ClientClass, selection: Selection
) -> tuple[tuple[str, str], ...]:
    headers = [
        ("X-Client-Place", client.place),
        ("X-Client-Network", shown(client).network),
        ("X-Mirrorlist-Reason", selection.reason),
        ("X-Mirrorlist-Generation", snapshot.generation),
        ("Cache-Control", CACHE_CONTROL),
    ]
    if selection.first is not None:
        headers.append(("X-Mirrorlist-Mirror", snapshot.mirrors[selection.first].name))
    return tuple(headers)

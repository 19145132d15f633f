"""Makes the complete answer to a parsed question of a client: status, headers, body. It needs no Flask.

Both the ordinary views and the fast path call this module, so that an answer does not depend on which of them
the request went through.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from app.answer.lists import MirrorLists, Selection
from app.catalogue.catalogue import arches_meant, has_arch, repo_of
from app.history.record import Asked
from app.model import ClientClass
from app.render import text
from app.render.formats import LIST_FORMATS
from app.request.clients import shown
from app.request.parameters import BadValueError, QuestionError
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot
from app.web.forms import DOWNLOAD, UrlForm

CACHE_CONTROL = "private, max-age=60"
RETRY_AFTER_S = 5
QUESTION_HEADER = "X-Mirrorlist-Question"
"""The header that says what was asked for, so that nginx can log it (`app.history.record`)."""
NOSNIFF = ("X-Content-Type-Options", "nosniff")
"""A header of every answer: a browser must not guess another content type than the one we send."""

_QUERY = "%&=+,:;/@!$'()*~?"


class Answer(NamedTuple):
    """An HTTP answer in a form that belongs to neither Flask nor WSGI."""

    status: int
    content_type: str
    body: bytes
    #: All headers but Content-Type and Content-Length.
    headers: tuple[tuple[str, str], ...] = ()
    #: The reason of a list, such as the pass that gave the first mirror; "" for other answers.
    reason: str = ""


def plain(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    """Returns an answer with a short text for people, such as an error message."""
    return Answer(status, text.CONTENT_TYPE, f"{message}\n".encode(), headers)


def redirect(path: str) -> Answer:
    """Returns a redirect to another path of this service."""
    return Answer(302, text.CONTENT_TYPE, f"{path}\n".encode(), (("Location", path),))


class NoMirrorError(QuestionError):
    """No mirror is known to carry what was asked for, and no origin is configured."""


def no_snapshot() -> Answer:
    """Returns the answer to every question until there is a snapshot: a 503."""
    return plain(
        503, "No mirrors are known yet: the service is starting.", ("Retry-After", str(RETRY_AFTER_S))
    )


def listed(lists: MirrorLists, client: ClientClass, question: Question, asked: str = "") -> Answer:
    """Returns the answer to a question for mirrors, in the format that the question names. `asked` is the
    question as it is recorded (`recorded`), or empty if it is not the client's own. Raises QuestionError."""
    snapshot = lists.snapshot
    if question.format in ("metalink", "zypp"):
        _check_arch(snapshot, question)
    selection = lists.select(client, question)
    if selection.is_empty:
        raise NoMirrorError(f"No mirror carries {question.path}, and there is no origin.")
    headers = list_headers(snapshot, client, question, selection, asked)
    if question.redirect:
        location = selection.urls[0]
        body = f"{location}\n".encode()
        headers = (*headers, ("Location", location))
        return Answer(302, text.CONTENT_TYPE, body, headers, selection.reason)
    content_type, render = LIST_FORMATS[question.format]
    return Answer(200, content_type, render(snapshot, question, selection), headers, selection.reason)


def _check_arch(snapshot: LoadedSnapshot, question: Question) -> None:
    """Checks that a question for a metalink or a list for libzypp, which leaves `$basearch` as it is, names
    one arch, and for a metalink also a repo. Raises BadValueError if not."""
    if question.repo is None:
        if question.format == "metalink":
            raise BadValueError("format", "metalink", "a list of ISO directories has no metalink")
        return
    if question.arch:
        return
    repo = repo_of(snapshot.config, question.release, question.repo)
    if has_arch(repo):
        arches = ", ".join(arches_meant(snapshot.config, repo, question.release))
        what = "a metalink" if question.format == "metalink" else "a list for libzypp"
        raise BadValueError("arch", "", f"{what} needs one of: {arches}")


def mirrorlist_instead(path: str, query: str) -> str:
    """Returns the URL of the mirrorlist for the same repo as a metalink's URL, in the same URL form."""
    pairs = [pair for pair in query.split("&") if pair and not pair.lower().startswith("format=")]
    url = quote(path.replace("/metalink", "/mirrorlist", 1))
    return f"{url}?{quote('&'.join(pairs), safe=_QUERY)}" if pairs else url


def has_metalink(snapshot: LoadedSnapshot, question: Question) -> bool:
    """Returns whether the checksums that a metalink for this question needs are known."""
    return question.key in snapshot.repomd


def recorded(form: UrlForm, question: Question) -> str:
    """Returns a question as it is recorded. countme counts repos, in lists alone."""
    tag = f"{question.repo}-{question.asked}" if question.repo and form is not DOWNLOAD else ""
    return str(Asked(form.label, question.release, question.repo or "", question.arch, tag))


def list_headers(
    snapshot: LoadedSnapshot, client: ClientClass, question: Question, selection: Selection, asked: str
) -> tuple[tuple[str, str], ...]:
    """Returns the headers of an answer with mirrors, such as the client's place and network, the list's
    reason, the question as it is recorded (`asked`), the first mirror, and what of the request was
    ignored."""
    headers = [
        ("X-Client-Place", client.place),
        ("X-Client-Network", shown(client).network),
        ("X-Mirrorlist-Reason", selection.reason),
        ("X-Mirrorlist-Generation", snapshot.generation),
        ("Cache-Control", CACHE_CONTROL),
    ]
    if asked:
        headers.append((QUESTION_HEADER, asked))
    if selection.first is not None:
        headers.append(("X-Mirrorlist-Mirror", snapshot.mirrors[selection.first].name))
    if question.ignored:
        headers.append(("X-Mirrorlist-Ignored", question.ignored))
    return tuple(headers)

"""Answers a download with a redirect to the best mirror, and says where else the file is."""

from __future__ import annotations

from collections.abc import Mapping

from app.answer.lists import MirrorLists
from app.model import ClientClass
from app.render import links, text
from app.request.download import Download
from app.web.answers import Answer, NoMirrorError, has_metalink, list_headers, plain


def downloaded(lists: MirrorLists, client: ClientClass, download: Download, asked: str = "") -> Answer:
    """Returns a redirect to the file, with `Link` headers for its other addresses. `asked` is the question as
    it is recorded. A client that came by https gets a 404 where the file has only an http address (at the
    vault or the origin). Raises NoMirrorError."""
    question, snapshot = download.question, lists.snapshot
    selection = lists.select(client, question)
    urls = selection.urls_of(download.rest)
    if not urls:
        raise NoMirrorError(f"No mirror carries {question.path}, and there is no origin.")
    location = urls[0]
    if download.secure and not location.startswith("https://"):
        return plain(404, f"There is no https address of this. It is at {location}")
    countries = [mirror.country if mirror else None for mirror in selection.mirrors_of(snapshot)]
    found = links.duplicates(zip(urls[1:], countries[1:], strict=True))
    if question.repo and download.is_repomd and has_metalink(snapshot, question):
        found.insert(0, links.described_by(question.release, question.repo, question.arch))
    headers = (
        *list_headers(snapshot, client, question, selection, asked),
        ("Location", location),
        *links.headers(found),
    )
    return Answer(302, text.CONTENT_TYPE, f"{location}\n".encode(), headers, selection.reason)


def is_sent_plainly(environ: Mapping[str, str]) -> bool:
    """Returns whether the path of a request is written as it was sent: nothing in it was encoded."""
    return sent_target(environ).partition("?")[0] == environ["PATH_INFO"]


def sent_target(environ: Mapping[str, str]) -> str:
    """Returns the target of a request as the client sent it. PATH_INFO cannot be used for this: it is
    decoded, and an encoded slash in it looks like any other. gunicorn calls the target RAW_URI."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target is None:
        raise RuntimeError("the WSGI server gives neither RAW_URI nor REQUEST_URI")
    return target

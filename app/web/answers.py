"""From a parsed question and a client to a complete answer: status, headers, body. Pure, no Flask.

Every way into the service, the ordinary views and the fast path, ends here, so that an answer
cannot depend on the way it was asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from app.model import ClientClass
from app.parameters import BadValueError, QuestionError
from app.question import Question
from app.render import json, metalink, text
from app.selection import Selection, select
from app.snapshot.eligibility import question_key, repo_arches
from app.snapshot.loaded import LoadedSnapshot

CACHE_CONTROL = "private, max-age=60"
RETRY_AFTER_S = 5


class Answer(NamedTuple):
    """`headers` are those beside Content-Type and Content-Length."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class UnknownFactsError(QuestionError):
    """A metalink was asked for, and nobody knows the repo's repomd.xml."""


def plain(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    """An error, or another text for people."""
    return Answer(status, text.CONTENT_TYPE, f"{message}\n".encode(), headers)


def no_snapshot() -> Answer:
    return plain(
        503, "No mirrors are known yet: the service is starting.", ("Retry-After", str(RETRY_AFTER_S))
    )


def listed(snapshot: LoadedSnapshot, client: ClientClass, question: Question) -> Answer:
    """The answer to a question about mirrors, in the format it asks for. Raises QuestionError."""
    if question.format == "metalink":
        require_arch(snapshot, question)
    selection = select(snapshot, client, question)
    if not selection.urls:
        return no_snapshot()
    headers = _headers(snapshot, client, selection)
    if question.redirect:
        location = selection.urls[0]
        return Answer(302, text.CONTENT_TYPE, f"{location}\n".encode(), (*headers, ("Location", location)))
    if question.format == "json":
        return Answer(200, json.CONTENT_TYPE, json.mirrorlist(snapshot, question, selection), headers)
    if question.format == "metalink":
        body = _metalink(snapshot, question, selection)
        return Answer(200, metalink.CONTENT_TYPE, body, headers)
    return Answer(200, text.CONTENT_TYPE, text.mirrorlist(selection), headers)


def require_arch(snapshot: LoadedSnapshot, question: Question) -> None:
    """A metalink is of one repomd.xml, so of one arch."""
    repo = next((repo for repo in snapshot.config.repos if repo.name == question.repo), None)
    if repo is not None and not question.arch and "$basearch" in repo.path:
        arches = ", ".join(repo_arches(snapshot.config, repo, question.release))
        raise BadValueError("arch", "", f"a metalink needs one of: {arches}")


def _metalink(snapshot: LoadedSnapshot, question: Question, selection: Selection) -> bytes:
    arch = question.arch
    versions = snapshot.repomd.get(question_key(question.release, question.repo, arch))
    if not versions:
        listed_at = f"/mirrorlist/{question.release}/{question.repo}" + (f"?arch={arch}" if arch else "")
        raise UnknownFactsError(
            f"There is no metalink for {question.repo} of release {question.release}: "
            f"its repomd.xml is not known here. Use the mirrorlist instead: {listed_at}"
        )
    return metalink.metalink(snapshot, question, selection, versions)


def _headers(
    snapshot: LoadedSnapshot, client: ClientClass, selection: Selection
) -> tuple[tuple[str, str], ...]:
    headers = [
        ("X-Client-Place", client.place),
        ("X-Client-Network", shown_network(client)),
        ("X-Mirrorlist-Reason", selection.reason),
        ("X-Mirrorlist-Generation", snapshot.generation),
        ("Cache-Control", CACHE_CONTROL),
    ]
    if selection.served:
        headers.append(("X-Mirrorlist-Mirror", snapshot.mirrors[selection.served[0].mirror].name))
    return tuple(headers)


def shown_network(client: ClientClass) -> str:
    """The client's network as anybody may see it: who asks as for another address is not told that
    it lies in some mirror's declared netblock."""
    if client.private:
        return client.network
    return "+".join(part for part in client.network.split("+") if not part.startswith("net-"))

"""Answers for people and programs that come in several forms, and how a request says which form it wants.

Such answers are not lists: they are explanations, reports about mirrors, and statistics. Those that are the
same for all clients are made once, and sent to a client again only when they have changed.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import quote, urlencode

from werkzeug.datastructures import ETags

from app.answer.memo import Memo
from app.model import digest_of
from app.render import html, json, statistics, text
from app.render.html import Page
from app.web.answers import Answer
from app.web.pages import NO_STORE, PAGE_HEADERS

TAG_DIGITS = 32
"""The length of an entity tag: nginx passes on only tags of this length."""
Kind = Literal["text", "json", "html"]
"""The forms among which the header `Accept` chooses."""
CONTENT_TYPES: dict[Kind, str] = {
    "text": text.CONTENT_TYPE,
    "json": json.CONTENT_TYPE,
    "html": html.CONTENT_TYPE,
}
Parameters = Mapping[str, str]

HEADERS = (NO_STORE, ("Vary", "Accept"))
SHELF_BYTES = 16 << 20
"""How many bytes of documents of one kind are kept."""
REVALIDATED = (("Cache-Control", "no-cache"), ("Vary", "Accept, Accept-Encoding"))
"""Headers of an answer that a client may keep, if it asks each time whether the answer is still the same.
`Vary` is one line, because nginx, which keeps an answer for each value of the headers named there, reads no
second one."""


@dataclass(frozen=True)
class Wanted:
    """The form in which a request wants its answer."""

    kind: Kind
    #: The parameters in the request's query.
    parameters: Parameters
    path: str
    #: The service's own address as the client knows it, such as `https://mirrors.example.org`.
    base: str
    #: Whether the client takes a compressed answer.
    takes_gzip: bool = False
    #: The entity tags of the answers that the client has kept.
    kept: ETags = field(default_factory=ETags)

    def url(self, **more: str) -> str:
        """Returns the URL of the same answer, with `more` parameters. Pages show it as a curl command."""
        query = urlencode({**self.parameters, **more})
        return f"{self.base}{quote(self.path)}" + (f"?{query}" if query else "")


def own_document(kind: Kind, body: bytes) -> Answer:
    """Returns the answer with a document of its own for one client."""
    return Answer(200, CONTENT_TYPES[kind], body, HEADERS)


def own_page(page: Page) -> Answer:
    """Returns the answer with a page of its own for one client."""
    return Answer(200, html.CONTENT_TYPE, page.at(time.time()), (*HEADERS, *PAGE_HEADERS))


@dataclass(frozen=True)
class _Sent:
    """A shared document as it is sent for a while."""

    #: What a page says of its generation; empty for anything else.
    made_from: str
    body: bytes
    #: The answer's entity tag. It is a weak one, because it is the same whether the answer is compressed.
    tag: str

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.body, compresslevel=6, mtime=0)


class SharedDocument:
    """A document that is the same for all clients. A page changes with the age that it tells of its
    generation, once a minute at most."""

    def __init__(self, kind: Kind | Literal["csv"], content: bytes | Page) -> None:
        self._kind = kind
        self._content = content
        self._sent: _Sent | None = None

    def answer(self, wanted: Wanted) -> Answer:
        """Returns the answer with this document; a 304 if the client has kept this very one."""
        sent = self._as_sent(time.time())
        content_type = statistics.CONTENT_TYPE if self._kind == "csv" else CONTENT_TYPES[self._kind]
        headers = [*REVALIDATED, ("ETag", f'W/"{sent.tag}"')]
        if wanted.kept.contains_weak(sent.tag):
            return Answer(304, content_type, b"", tuple(headers))
        if self._kind == "html":
            headers += PAGE_HEADERS
        if wanted.takes_gzip:
            headers.append(("Content-Encoding", "gzip"))
        return Answer(200, content_type, sent.compressed if wanted.takes_gzip else sent.body, tuple(headers))

    def _as_sent(self, now_s: float) -> _Sent:
        content, sent = self._content, self._sent
        made_from = content.frame.made_from(now_s) if isinstance(content, Page) else ""
        if sent is None or sent.made_from != made_from:
            body = content.with_words(made_from) if isinstance(content, Page) else content
            sent = self._sent = _Sent(made_from, body, digest_of(body)[:TAG_DIGITS])
        return sent

    @property
    def size_bytes(self) -> int:
        """About how many bytes the document takes at most, with its compressed form."""
        content = self._content
        length = len(content) if isinstance(content, bytes) else len(content.before) + len(content.after)
        return 3 * length + 1000


class Shelf:
    """The shared documents that were made from what is served now. Each is made when it is first asked for;
    all are forgotten when something else is served. Only the last ones that were asked for are kept
    (`SHELF_BYTES`), because there may be a document for every filter that a client can think of."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._documents = _memo()
        self._lock = threading.Lock()

    def document(
        self, of: tuple[object, ...], name: str, make: Callable[[], SharedDocument]
    ) -> SharedDocument:
        """Returns the document with this name. `of` are the values that all documents here are made from:
        while these are the same objects, the documents are the same."""
        with self._lock:
            if [id(value) for value in of] != [id(value) for value in self._of]:
                self._of, self._documents = of, _memo()
            document = self._documents.get(name)
            if document is None:
                document = make()
                self._documents.put(name, document)
        return document


def _memo() -> Memo[str, SharedDocument]:
    return Memo(SHELF_BYTES, lambda name, document: len(name) + document.size_bytes)

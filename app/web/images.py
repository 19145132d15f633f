"""Makes the answers about images: of all releases, which are the same for all clients, and of one release and
arch, with the client's own mirrors."""

from __future__ import annotations

import threading

from app.model import ClientClass
from app.render import html, images, json
from app.request.download import Download
from app.serving.generation import Serving
from app.snapshot.loaded import LoadedSnapshot
from app.web.answers import Answer
from app.web.documents import SharedDocument, Wanted, own_document, own_page
from app.web.pages import frame_of


class ImageAnswers:
    """Makes the answers about images. Those about all releases are made once for each publication."""

    def __init__(self) -> None:
        self._of: tuple[LoadedSnapshot, float] | None = None
        self._made: dict[str, SharedDocument] = {}
        self._lock = threading.Lock()

    def all(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns the images of all releases, as a page or as JSON."""
        kind = "html" if wanted.kind == "html" else "json"
        with self._lock:
            if self._of != (serving.snapshot, serving.published_at_s):
                self._of, self._made = (serving.snapshot, serving.published_at_s), {}
            if kind not in self._made:
                sets = images.image_sets(serving.snapshot)
                content = (
                    html.images_page(frame_of(serving), serving.snapshot.config, sets.isos)
                    if kind == "html"
                    else json.document(sets)
                )
                self._made[kind] = SharedDocument(kind, content)
            shared = self._made[kind]
        return shared.answer(wanted)

    def one(self, serving: Serving, client: ClientClass, directory: Download, wanted: Wanted) -> Answer:
        """Returns the images of a release and arch, with the mirrors to which this client's downloads lead.
        `directory` is their ISO directory."""
        question = directory.question
        selection = serving.lists.select(client, question)
        found = images.own_image_set(serving.snapshot, question.release, question.arch, selection)
        if wanted.kind == "html":
            return own_page(html.image_page(frame_of(serving), serving.snapshot, found, wanted.base))
        return own_document("json", json.document(found))

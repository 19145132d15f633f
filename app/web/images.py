"""Makes the answers about images: of all releases, which are the same for all clients, and of one release and
arch, with the client's own mirrors."""

from __future__ import annotations

from app.model import ClientClass
from app.render import images, json
from app.render.image_pages import image_page, images_page
from app.request.download import Download
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.documents import SharedDocument, Shelf, Wanted, own_document, own_page
from app.web.pages import frame_of


class ImageAnswers:
    """Makes the answers about images."""

    def __init__(self) -> None:
        self._shelf = Shelf()

    def all(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns the images of all releases, as a page or as JSON."""

        def made() -> SharedDocument:
            sets = images.image_sets(serving.snapshot)
            if wanted.kind == "html":
                return SharedDocument("html", images_page(frame_of(serving), sets.isos))
            return SharedDocument("json", json.document(sets))

        kind = "page" if wanted.kind == "html" else "json"
        return self._shelf.document((serving,), kind, made).answer(wanted)

    def one(self, serving: Serving, client: ClientClass, directory: Download, wanted: Wanted) -> Answer:
        """Returns the images of a release and arch, with the mirrors to which this client's downloads lead.
        `directory` is their ISO directory."""
        question = directory.question
        selection = serving.lists.select(client, question)
        found = images.own_image_set(serving.snapshot, question.release, question.arch, selection)
        if wanted.kind == "html":
            return own_page(image_page(frame_of(serving), serving.snapshot, found, wanted.base))
        return own_document("json", json.document(found))

"""Makes the answer that shows how new versions of repos come to the mirrors: a page, or JSON."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from app.answer.privacy import names_for_all
from app.catalogue.catalogue import parse_question_key
from app.render import json
from app.render.propagation import PropagationReport, propagation_page
from app.request.mirror_filter import MirrorFilter, read_filter
from app.serving.generation import Serving
from app.snapshot.propagation import Delay, PropagationDocument, RepoPropagation
from app.web.answers import Answer, plain
from app.web.documents import SharedDocument, Shelf, Wanted
from app.web.pages import frame_of


class PropagationAnswers:
    """Makes the answers about propagation. They are the same for all clients, so each is made once, when it
    is first asked for, until something else is served."""

    def __init__(self) -> None:
        self._shelf = Shelf()

    def all(self, serving: Serving, wanted: Wanted) -> Answer:
        """Returns how new versions came to the mirrors, those of the repos that the request wants; a 404
        while no new version has been seen. Raises QuestionError for a release, repo or arch that does not
        exist."""
        found = serving.statistics.propagation if serving.statistics else None
        if found is None:
            return plain(404, "No new version of any repo has been seen at the origin yet.")
        names = {name: wanted.parameters.get(name, "") for name in ("release", "repo", "arch")}
        chosen = read_filter(serving.snapshot.config, names)
        kind = "html" if wanted.kind == "html" else "json"

        def make() -> SharedDocument:
            report = report_of(found, chosen, serving)
            if kind == "json":
                return SharedDocument("json", json.document(report))
            config = serving.snapshot.config
            return SharedDocument("html", propagation_page(frame_of(serving), config, report, chosen))

        return self._shelf.document((serving,), f"{kind} {chosen.url()}", make).answer(wanted)


def report_of(found: PropagationDocument, chosen: MirrorFilter, serving: Serving) -> PropagationReport:
    """Returns what is known of the chosen repos, without the mirrors that have become private, or are gone,
    since that was compiled."""
    service, snapshot = found.of_service(), serving.snapshot
    names = set(names_for_all(snapshot))
    repos = tuple(one for one in service.repos if _is_chosen(one.repo, chosen))
    shown = found.of_repo(repos[0].repo) if repos else None
    mirrors = tuple(one for one in service.mirrors if one.mirror in names)
    fields = msgspec.structs.asdict(msgspec.structs.replace(service, repos=repos, mirrors=mirrors))
    return PropagationReport(**fields, shown=shown and _public(shown, names))


def _is_chosen(key: str, chosen: MirrorFilter) -> bool:
    release, repo, arch = parse_question_key(key)
    return (
        chosen.release in ("", release)
        and chosen.repo in ("", repo)
        and (not arch or chosen.arch in ("", arch))
    )


def _public(shown: RepoPropagation, names: set[str]) -> RepoPropagation:
    """Returns what is known of a repo, with these mirrors alone."""

    def delays(found: Iterable[Delay]) -> tuple[Delay, ...]:
        return tuple(one for one in found if one.mirror in names)

    return msgspec.structs.replace(
        shown,
        fastest=delays(shown.fastest),
        slowest=delays(shown.slowest),
        lacking=tuple(name for name in shown.lacking if name in names),
    )

"""The views behind the URLs: each finds out which client asks for what, and has the answer made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from flask import Flask, Response, request
from werkzeug.routing import BaseConverter

from app.explain.inquiry import inquiry_of, with_defaults
from app.past.moments import parse_moment
from app.render import assets, feed
from app.request.clients import Client, Clients, somebody
from app.request.download import iso_directory, parse_download
from app.request.parameters import BadValueError, flag
from app.request.question import Question
from app.serving.current import Current
from app.serving.generation import Remembered, Serving
from app.serving.past import PastGenerations
from app.web import almalinux, answers, downloads, explanations, metrics, pages
from app.web.answers import Answer
from app.web.documents import CONTENT_TYPES, Kind, Wanted, own_page
from app.web.fastpath import ABOUT_THE_CLIENT, remember, remember_directory
from app.web.forms import DOWNLOAD, LIST_FORMS, ListForm
from app.web.front import FrontAnswers, front_without_snapshot
from app.web.images import ImageAnswers
from app.web.mirrors import MirrorAnswers
from app.web.operators import NOT_FOR_ALL, is_operator, may_ask_of_the_past
from app.web.propagation import PropagationAnswers
from app.web.statistics import StatisticsAnswers

Parameters = Mapping[str, str]


class NoSnapshotError(Exception):
    """This process has no snapshot to answer from yet."""


class AnyPath(BaseConverter):
    """A converter for any path, in Flask's URL rules. With Werkzeug's own converter, a path with a line feed
    would be a 404, not a 400."""

    regex = "(?s:.+)"
    part_isolating = False


class Routes:
    """The views of the application, which answer the URLs."""

    def __init__(self, current: Current, clients: Clients, past: PastGenerations) -> None:
        self.current = current
        self.clients = clients
        self._past = past
        self._mirrors = MirrorAnswers(current)
        self._front = FrontAnswers(current, self._mirrors)
        self._statistics = StatisticsAnswers()
        self._propagation = PropagationAnswers()
        self._images = ImageAnswers()

    def register(self, app: Flask) -> None:
        """Adds the URL rules of all views to the application."""
        app.url_map.strict_slashes = False
        app.url_map.converters["anything"] = AnyPath
        views: dict[str, Callable[..., Response]] = {
            **{rule: partial(self.listed, form) for form in LIST_FORMS for rule in form.rules},
            **dict.fromkeys(DOWNLOAD.rules, self.download),
            "/isos": self.isos,
            "/isos/<release>/<arch>": self.isos_of,
            **dict.fromkeys(almalinux.RULES, self.elsewhere),
            "/explain": self.explain,
            "/explain/schema": self.explanation_schema,
            "/mirrors": self.mirrors,
            "/mirrors/<anything:name>": self.mirrors,
            f"/mirrors{feed.ENDING}": self.mirrors_feed,
            f"/mirrors/<anything:name>{feed.ENDING}": self.mirrors_feed,
            "/mirrors/<anything:name>/badge.svg": self.badge,
            "/map": self.map,
            "/propagation": self.propagation,
            "/statistics": self.statistics,
            "/statistics.json": self.statistics_json,
            "/statistics/<anything:file>": self.statistics_table,
            "/style-<digest>.css": self.style,
            "/logo-<digest>.<ending>": self.logo,
            "/whoami": self.whoami,
            "/healthz": self.healthz,
            "/readyz": self.readyz,
            "/metrics": self.metrics,
        }
        for rule, view in views.items():
            app.add_url_rule(rule, rule, view, methods=["GET"])

    # --- lists -----------------------------------------------------------------------------------

    def listed(self, form: ListForm, **names: str) -> Response:
        """Answers with a list, in the format that the client chose; `names` are the variables in the path."""
        if form.needs_one_of and not any(name in request.args for name in form.needs_one_of):
            return self.front()
        serving = self._serving()
        parameters = request.args.to_dict()
        question = form.parse(serving.parser, parameters, **names)
        if flag(parameters, "explain"):
            return self._explained(serving, question, parameters)
        asked = "" if parameters.get("ip") else answers.recorded(form, question)
        answer = answers.listed(serving.lists, self._client(serving, parameters).of, question, asked)
        if not ABOUT_THE_CLIENT & parameters.keys():
            remember(serving, request.environ, Remembered(form.label, question, asked))
        return respond(answer)

    def front(self) -> Response:
        """Answers with the front page, whatever the client: there is nothing else at "/" without a query."""
        serving = self.current.serving
        if serving is None:
            return respond(own_page(front_without_snapshot()))
        return respond(self._front.page(serving, self._client(serving, {}), self._base()))

    def download(self, path: str = "") -> Response:
        """Answers with a redirect to a file. The path is parsed as it was sent, not as Flask decoded it."""
        serving, environ = self._serving(), request.environ
        parameters = request.args.to_dict()
        secure = self.clients.came_by_https(environ)
        download = parse_download(serving.parser, downloads.sent_target(environ), parameters, secure)
        if flag(parameters, "explain"):
            return self._explained(serving, download.question, parameters)
        asked = "" if parameters.get("ip") else answers.recorded(DOWNLOAD, download.question)
        client = self._client(serving, parameters).of
        answer = downloads.downloaded(serving.lists, client, download, asked)
        if not ABOUT_THE_CLIENT & parameters.keys():
            remember_directory(serving, environ, download, asked)
        return respond(answer)

    # --- images ----------------------------------------------------------------------------------

    def isos(self) -> Response:
        return respond(self._images.all(self._serving(), self._wanted("json")))

    def isos_of(self, release: str, arch: str) -> Response:
        serving = self._serving()
        ours = almalinux.ours(serving.parser, release, arch)
        if ours is not None:
            return respond(answers.redirect(ours))
        secure = self.clients.came_by_https(request.environ)
        directory = iso_directory(serving.parser, release, arch, secure)
        client = self._client(serving, {}).of
        return respond(self._images.one(serving, client, directory, self._wanted("json")))

    def elsewhere(self, **names: str) -> Response:
        """Leads from an address of AlmaLinux's service to ours."""
        path = almalinux.page_of(self._serving().parser, request.path, **names)
        return respond(answers.redirect(path) if path else answers.plain(404, "404 Not Found"))

    def _serving(self) -> Serving:
        """Returns the generation from which this whole request is answered. Raises NoSnapshotError."""
        serving = self.current.serving
        if serving is None:
            raise NoSnapshotError
        return serving

    def _client(self, serving: Serving | None, parameters: Parameters) -> Client:
        places, networks = (serving.places, serving.networks) if serving else (None, None)
        asked = parameters.get("ip", "")
        if asked:
            return somebody(asked, places, networks)
        return self.clients.caller(request.environ, places, networks)

    def _wanted(self, otherwise: Kind = "text") -> Wanted:
        """Returns the form of answer that the request wants; `otherwise` is for a client that takes anything,
        as curl does."""
        kinds = {type_.partition(";")[0]: kind for kind, type_ in CONTENT_TYPES.items()}
        offered = sorted(kinds, key=lambda content_type: kinds[content_type] != otherwise)
        parameters = request.args.to_dict()
        accepted = request.accept_mimetypes.best_match(offered)
        kind = kinds[accepted] if accepted else otherwise
        return Wanted(
            kind="json" if parameters.get("format") == "json" else kind,
            parameters=parameters,
            path=request.path,
            takes_gzip=request.accept_encodings["gzip"] > 0,
            kept=request.if_none_match,
            base=self._base(),
        )

    def _base(self) -> str:
        """Returns the URL of the service as the client wrote it."""
        scheme = "https" if self.clients.came_by_https(request.environ) else "http"
        return f"{scheme}://{request.environ['HTTP_HOST']}"

    # --- about the client and the process ------------------------------------------------------------

    def explain(self) -> Response:
        if request.args.get("at"):
            return self._explained_past(request.args["at"])
        serving = self._serving()
        named = with_defaults(serving.parser, request.args.to_dict())
        return self._explained(serving, serving.parser.parse_list(named), named)

    def _explained_past(self, at: str) -> Response:
        """Answers with the explanation of a list of the past. The client's class is that of then."""
        if not may_ask_of_the_past(request.environ, self.clients):
            return respond(answers.plain(403, NOT_FOR_ALL))
        past = self._past.at(moment_in("at", at))
        serving, parameters = past.serving, request.args.to_dict()
        named = with_defaults(serving.parser, parameters)
        inquiry = inquiry_of(serving.parser.parse_list(named), parameters, named)
        ip = parameters.get("ip") or self.clients.caller(request.environ, None, None).address.ip
        client = somebody(ip, serving.places, serving.networks)
        return respond(explanations.explained_past(past, client, inquiry, self._wanted()))

    def _explained(self, serving: Serving, question: Question, named: Parameters) -> Response:
        """Answers with the explanation of a list. `named` are the parameters, with the defaults of those
        that are missing."""
        parameters = request.args.to_dict()
        client, inquiry = self._client(serving, parameters), inquiry_of(question, parameters, named)
        return respond(explanations.explained(self.current, serving, client, inquiry, self._wanted()))

    def explanation_schema(self) -> Response:
        return respond(explanations.explanation_schema())

    def mirrors(self, name: str = "") -> Response:
        serving = self._serving()
        if name:
            return respond(self._mirrors.one(serving, name, self._wanted("json")))
        return respond(self._mirrors.all(serving, self._wanted("json")))

    def mirrors_feed(self, name: str | None = None) -> Response:
        return respond(self._mirrors.feed(self._serving(), name, self._wanted()))

    def badge(self, name: str) -> Response:
        return respond(self._mirrors.badge(self._serving(), name, self._wanted()))

    def map(self) -> Response:
        """Answers with a page, whatever the client prefers: a map is nothing else."""
        serving, parameters = self._serving(), request.args.to_dict()
        wanted = replace(self._wanted(), kind="html")
        if not parameters.get("ip"):
            return respond(self._mirrors.map(serving, wanted))
        named = with_defaults(serving.parser, parameters)
        inquiry = inquiry_of(serving.parser.parse_list(named), parameters, named)
        client = self._client(serving, parameters)
        return respond(explanations.mapped(self.current, serving, client, inquiry, wanted))

    def propagation(self) -> Response:
        return respond(self._propagation.all(self._serving(), self._wanted("json")))

    def statistics(self) -> Response:
        return respond(self._statistics.all(self._serving(), self._wanted("json")))

    def statistics_json(self) -> Response:
        return respond(self._statistics.all(self._serving(), replace(self._wanted(), kind="json")))

    def statistics_table(self, file: str) -> Response:
        return respond(self._statistics.table(self._serving(), file, self._wanted()))

    def whoami(self) -> Response:
        serving = self.current.serving
        client = self._client(serving, request.args.to_dict())
        return respond(explanations.whoami(self.current, serving, client, self._wanted().kind))

    def style(self, digest: str) -> Response:
        return respond(pages.asset(assets.style(), request.path))

    def logo(self, digest: str, ending: str) -> Response:
        logo = pages.frame_of(self.current.serving).logo
        return respond(pages.asset(logo, request.path) if logo else answers.plain(404, "404 Not Found"))

    def healthz(self) -> Response:
        return respond(answers.plain(200, "alive"))

    def readyz(self) -> Response:
        return respond(pages.ready(self.current, is_operator(request.environ)))

    def metrics(self) -> Response:
        body = metrics.exposition(self.current)
        return respond(Answer(200, metrics.CONTENT_TYPE, body, (pages.NO_STORE,)))


def moment_in(parameter: str, text: str) -> float:
    """Reads the moment of the past that a parameter has. Raises BadValueError."""
    try:
        return parse_moment(text, time.time())
    except ValueError as error:
        raise BadValueError(parameter, text, str(error)) from None


def respond(answer: Answer) -> Response:
    """Returns the Flask response for an answer."""
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    response.headers.extend((answers.NOSNIFF, *answer.headers))
    return response

"""The URLs. Each view finds out who asks for what, and leaves the answer to `answers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Flask, Response, request

from app.client_address import TrustedProxies
from app.question import Parser, Question
from app.web import answers, pages
from app.web.answers import Answer
from app.web.clients import Client, caller, classify, somebody
from app.web.current import Current

Parameters = Mapping[str, str]


class Routes:
    def __init__(self, current: Current, trusted: TrustedProxies) -> None:
        self.current = current
        self.trusted = trusted

    def register(self, app: Flask) -> None:
        app.url_map.strict_slashes = False
        views: dict[str, Callable[..., Response]] = {
            "/": self.front,
            "/mirrorlist": self.mirrorlist,
            "/mirrorlist/<release>/<repo>": self.mirrorlist,
            "/metalink": self.metalink,
            "/metalink/<release>/<repo>": self.metalink,
            "/isolist/<release>/<arch>": self.isolist,
            "/whoami": self.whoami,
            "/healthz": self.healthz,
            "/readyz": self.readyz,
        }
        for rule, view in views.items():
            app.add_url_rule(rule, rule, view, methods=["GET"])

    # --- lists -----------------------------------------------------------------------------------

    def mirrorlist(self, release: str = "", repo: str = "") -> Response:
        return self._listed(lambda parser, p: parser.parse_list(p, release, repo))

    def metalink(self, release: str = "", repo: str = "") -> Response:
        return self._listed(lambda parser, p: parser.parse_list({**p, "format": "metalink"}, release, repo))

    def isolist(self, release: str, arch: str) -> Response:
        return self._listed(lambda parser, p: parser.parse_isos(p, release, arch))

    def front(self) -> Response:
        """CentOS's form if it names a repo, the page otherwise."""
        if "release" in request.args or "repo" in request.args:
            return self.mirrorlist()
        return respond(pages.front(request.host_url))

    def _listed(self, parse: Callable[[Parser, Parameters], Question]) -> Response:
        serving = self.current.serving
        if serving is None:
            return respond(answers.no_snapshot())
        parameters = request.args.to_dict()
        question = parse(serving.parser, parameters)
        return respond(answers.listed(serving.snapshot, self._client(parameters).of, question))

    def _client(self, parameters: Parameters) -> Client:
        asked = parameters.get("ip", "")
        address = somebody(asked) if asked else caller(request.environ, self.trusted)
        serving, cities = self.current.serving, self.current.cities
        networks = serving.networks if serving else None
        return Client(address, classify(address, cities, networks, private=not asked))

    # --- about the client and the process ------------------------------------------------------------

    def whoami(self) -> Response:
        client = self._client(request.args.to_dict())
        cities = self.current.cities
        wants_json = request.accept_mimetypes.best_match(["text/plain", "application/json"])
        return respond(
            pages.whoami(
                client,
                cities.describe(client.address.ip) if cities else None,
                as_json=wants_json == "application/json",
            )
        )

    def healthz(self) -> Response:
        return respond(answers.plain(200, "alive"))

    def readyz(self) -> Response:
        return respond(pages.ready(self.current))


def respond(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    response.headers.extend(answer.headers)
    return response

"""The URL forms that are answered with mirrors: one row each, for everything that has to know them.

The routes, the label under which a request is counted, and what gunicorn's main loop may answer itself
are made from these rows; a test holds nginx's cache to them. A new form is a row here, and its parser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.request.question import Parser, Question

OTHER = "other"
"""The label of a request in no form: pages, and what is not there."""


@dataclass(frozen=True)
class UrlForm:
    #: The value of the label `form` in the metrics.
    label: str
    #: The paths, as Flask's routing rules.
    rules: tuple[str, ...]
    #: Whether an answer takes so little that gunicorn's main loop may give it.
    is_quick: bool = True
    #: Query parameters of which a request has at least one; none are needed where this is empty.
    needs_one_of: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ListForm(UrlForm):
    """A form of the question for a list. nginx may keep what is answered."""

    #: Called with the parser, the query parameters, and by their names the variables in the path.
    parse: Callable[..., Question]


def _parse_metalink(parser: Parser, parameters: Mapping[str, str], **names: str) -> Question:
    return parser.parse_list({**parameters, "format": "metalink"}, **names)


LIST_FORMS = (
    ListForm("almalinux", ("/mirrorlist/<release>/<repo>",), parse=Parser.parse_list),
    ListForm("mirrormanager", ("/mirrorlist",), parse=Parser.parse_list),
    ListForm("centos", ("/",), needs_one_of=("release", "repo"), parse=Parser.parse_list),
    ListForm("metalink", ("/metalink", "/metalink/<release>/<repo>"), parse=_parse_metalink),
    ListForm("isolist", ("/isolist/<release>/<arch>",), parse=Parser.parse_isos),
)
DOWNLOAD = UrlForm("download", ("/download", "/download/<anything:path>"))
"""Its path is parsed as it was sent, by `parse_download`."""

URL_FORMS = (*LIST_FORMS, DOWNLOAD)


def _beginning(rule: str) -> tuple[str, bool]:
    """How the paths of a rule begin, up to its first variable, and whether they go on."""
    beginning, variable, _ = rule.partition("/<")
    return beginning, bool(variable)


def _by_path() -> dict[tuple[str, bool], UrlForm]:
    """The forms by `_beginning` of their rules. A path that is too long or too short for the only form
    with its beginning counts as that form too."""
    forms: dict[tuple[str, bool], UrlForm] = {}
    for form in URL_FORMS:
        for rule in form.rules:
            if forms.setdefault(_beginning(rule), form) is not form:
                raise ValueError(f"two URL forms begin like {rule}")
    for (beginning, more), form in tuple(forms.items()):
        forms.setdefault((beginning, not more), form)
    return forms


_BY_PATH = _by_path()


def _form_of(path: str) -> UrlForm | None:
    more = False
    while path:
        form = _BY_PATH.get((path, more))
        if form is not None:
            return form
        path, more = path.rpartition("/")[0], True
    return None


def label_of(path: str, query: str) -> str:
    """The label of a request's form, or `OTHER`. The path has no doubled or trailing slashes."""
    form = _form_of(path)
    if form is None:
        return OTHER
    if form.needs_one_of and not any(f"{name}=" in query for name in form.needs_one_of):
        return OTHER
    return form.label


def quick_path_pattern() -> bytes:
    """A regular expression for how the target of a quick request begins: like the paths of a quick form,
    and then "/" or "?"; or with "/?"."""
    beginnings = {_beginning(rule)[0][1:] for form in URL_FORMS if form.is_quick for rule in form.rules}
    named = "|".join(sorted(beginnings - {""}))
    return (f"/(?:(?:{named})[/?]" + (r"|\?)" if "" in beginnings else ")")).encode()

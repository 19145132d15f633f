"""The table of the URL forms that are answered with mirrors.

Routes, the labels under which requests are counted, and what gunicorn's main loop may answer itself are
made from this table, and a test compares nginx's cache with it. A new form is a row here, and a parser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.request.question import Parser, Question

OTHER = "other"
"""The label of a request that has none of these forms: it is for a page, or for a URL that does not exist."""
WATCHED = ("/healthz", "/readyz")
"""The paths of health checks. The programs that watch the service ask for them, and must not wait."""


@dataclass(frozen=True)
class UrlForm:
    """A form of URL that is answered with mirrors."""

    #: The value of the label `form` in the metrics.
    label: str
    #: The paths, as Flask's routing rules.
    rules: tuple[str, ...]
    #: Whether an answer takes so little time that gunicorn's main loop may give it.
    is_quick: bool = True
    #: Query parameters of which a request must have at least one. If this is empty, it needs none.
    needs_one_of: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ListForm(UrlForm):
    """A URL form that asks for a list. nginx may cache the answers."""

    #: Makes the question from the parser, the query parameters, and the variables of the path by name.
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
"""The form of downloads. `parse_download` parses its path as it was sent, before any decoding."""

DOWNLOADS = "/download/"
"""What the path of a download begins with."""

URL_FORMS = (*LIST_FORMS, DOWNLOAD)


def _beginning(rule: str) -> tuple[str, bool]:
    """Returns how the paths of a rule begin, up to the first variable, and whether they go on."""
    beginning, variable, _ = rule.partition("/<")
    return beginning, bool(variable)


def _by_path() -> dict[tuple[str, bool], UrlForm]:
    """Returns the forms, each by `_beginning` of its rules. If only one form has a beginning, a path that is
    too long or too short for this form counts as this form too."""
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
    """Returns the form of a path, by the longest beginning that a form has; None if no form has one."""
    more = False
    while path:
        form = _BY_PATH.get((path, more))
        if form is not None:
            return form
        path, more = path.rpartition("/")[0], True
    return None


def label_of(path: str, query: str) -> str:
    """Returns the label of a request's form, or `OTHER`. `path` has no doubled or trailing slashes."""
    form = _form_of(path)
    if form is None:
        return OTHER
    if form.needs_one_of and not any(f"{name}=" in query for name in form.needs_one_of):
        return OTHER
    return form.label


def quick_path_pattern() -> bytes:
    """Returns a regular expression for the beginning of the target of a quick request. It matches the
    beginning of a quick form with the "/" or "?" behind it, "/?" with a parameter that makes it a list, and
    the whole path of a health check."""
    quick = [form for form in URL_FORMS if form.is_quick]
    named = {_beginning(rule)[0][1:] for form in quick if not form.needs_one_of for rule in form.rules}
    needed = "|".join(name for form in quick for name in form.needs_one_of)
    watched = "|".join(path[1:] for path in WATCHED)
    lists = rf"(?:{'|'.join(sorted(named))})[/?]|\?(?=(?:[^ ]*&)?(?:{needed})=)"
    return rf"/(?:{lists}|(?:{watched})(?![^ ?]))".encode()

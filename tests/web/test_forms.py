"""The table of URL forms, and that everything which has to know the forms knows just these."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from app.request.question import DECIDING
from app.web.fastpath import ABOUT_THE_CLIENT
from app.web.forms import LIST_FORMS, OTHER, URL_FORMS, UrlForm, label_of
from app.web.server.arrival import quick_target
from tests.conftest import ROOT
from tests.web.asking import application

SAMPLES = {"release": "9", "repo": "baseos", "arch": "x86_64", "path": "9/BaseOS/a.rpm"}
SAMPLES |= {"name": "a.example", "file": "days.csv", "digest": "0", "ending": "svg", "version": "9"}

Target = tuple[str, str]
"""Path and query."""


def target_of(rule: str, form: UrlForm | None = None) -> Target:
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: SAMPLES[match[1]], rule)
    return path, f"{form.needs_one_of[0]}=9" if form and form.needs_one_of else "arch=x86_64"


def targets(forms: Iterable[UrlForm]) -> list[tuple[UrlForm, Target]]:
    return [(form, target_of(rule, form)) for form in forms for rule in form.rules]


def others(var: Path) -> list[Target]:
    """A request for every path that the application answers and that is in no form."""
    rules = {rule.rule for rule in application(var).url_map.iter_rules()}
    found = [target_of(rule) for rule in sorted(rules - {rule for form in URL_FORMS for rule in form.rules})]
    assert ("/whoami", "arch=x86_64") in found
    return [*found, ("/", "")]


def is_quick(target: Target) -> bool:
    return quick_target(f"GET {target[0]}?{target[1]} HTTP/1.1\r\n".encode()) is not None


@pytest.mark.parametrize(("form", "target"), targets(URL_FORMS))
def test_each_form_is_itself(form: UrlForm, target: Target) -> None:
    """A request in each form is counted under its label, and answered by the main loop if the table says
    so."""
    assert label_of(*target) == form.label
    assert is_quick(target) == form.is_quick


def test_the_rest_is_in_no_form(published: Path) -> None:
    """Pages and what is about the process are counted as other, and answered by threads, but for what
    watches the service."""
    assert {label_of(*target) for target in others(published)} == {OTHER}
    quick = {path for path, query in others(published) if is_quick((path, query))}
    assert quick == {"/healthz", "/readyz"}


# --- nginx ------------------------------------------------------------------------------------------------


def nginx_patterns() -> list[str]:
    """Those of a request's target that nginx may keep an answer to, as Python writes them."""
    text = (ROOT / "nginx" / "mirrorwise-cache.conf").read_text()
    [table] = re.findall(r"map \$request_uri \$mw_path \{(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    found = re.findall(r'"~(\^.*?)"', table)
    assert found
    return [pattern.replace("(?<", "(?P<") for pattern in found]


def is_kept(target: Target) -> bool:
    uri = "?".join(filter(None, target))
    return any(re.search(pattern, uri) for pattern in nginx_patterns())


@pytest.mark.parametrize(("form", "target"), targets(LIST_FORMS))
def test_nginx_keeps_every_list(form: UrlForm, target: Target) -> None:
    """Each form of a list has a name in nginx's cache."""
    assert is_kept(target)


def test_nginx_keeps_nothing_else(published: Path) -> None:
    """No other path has, and nginx's patterns name none that is in no form of a list."""
    rest = [form for form in URL_FORMS if form not in LIST_FORMS]
    assert [
        target for target in [*others(published), *(t for _, t in targets(rest))] if is_kept(target)
    ] == []
    words = {word for pattern in nginx_patterns() for word in re.findall(r"\b[a-z]{4,}\b", pattern)}
    firsts = {rule.split("/")[1] for form in LIST_FORMS for rule in form.rules} - {""}
    assert words == firsts | {name for form in LIST_FORMS for name in form.needs_one_of}


def test_nginx_names_what_decides() -> None:
    """Every parameter that a question is made of is part of an answer's name, or keeps the answer out of
    the cache; and so do those that ask for something else than a list."""
    text = (ROOT / "nginx" / "mirrorwise-cache.conf").read_text()
    [named, elsewhere] = re.findall(r"\(\?:(arch\|[a-z_|]+)\)=", text)
    [of_hosts] = re.findall(r"\|([a-z]+)=\[a-z\]", text)
    assert {*named.split("|"), of_hosts} == DECIDING - {"path"} == set(re.findall(r"\$arg_([a-z_]+)", text))
    assert set(elsewhere.split("|")) == DECIDING | ABOUT_THE_CLIENT

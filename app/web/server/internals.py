"""Checks for the internals of gunicorn that this package uses, which gunicorn does not promise to keep.

They are checked once, at the start. If a name is gone, or a function takes other arguments, requests would
fail one by one. So gunicorn's own worker then runs instead of ours (`run`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dis import get_instructions
from inspect import getmro, isclass, isfunction, signature
from pkgutil import resolve_name

_OVERRIDDEN = {
    "gunicorn.arbiter:Arbiter.manage_workers": "self",
    "gunicorn.workers.base:Worker.run": "self",
    "gunicorn.http.wsgi:Response.process_headers": "self headers",
    "gunicorn.http.wsgi:Response.is_chunked": "self",
    "gunicorn.http.wsgi:Response.write": "self arg",
}
"""The methods of gunicorn that this package overrides, with all of their parameters, because gunicorn calls
ours with these."""

_CALLED = {
    "gunicorn.arbiter:Arbiter.run": "self",
    "gunicorn.http.message:Request.__init__": "self cfg unreader peer_addr",
    "gunicorn.http.unreader:IterUnreader.__init__": "self iterable",
    "gunicorn.http.wsgi:create": "req sock client server cfg response_class",
    "gunicorn.http.wsgi:Response.start_response": "self status headers exc_info",
    "gunicorn.http.wsgi:Response.force_close": "self",
    "gunicorn.http.wsgi:Response.should_close": "self",
    "gunicorn.workers.base:Worker.notify": "self",
    "gunicorn.workers.workertmp:WorkerTmp.last_update": "self",
}
"""The functions of gunicorn that this package calls, with the first of their parameters; they may have
more."""

_NAMED = {
    "gunicorn.arbiter:Arbiter": "WORKERS num_workers",
    "gunicorn.workers.base:Worker": "PIPE age alive app cfg log ppid sockets tmp wsgi",
    "gunicorn.http.wsgi": "HEADER_VALUE_RE TOKEN_RE",
    "gunicorn.http.wsgi:Response": "_omits_body headers req response_length status",
    "gunicorn.http.message:Request": "_expected_100_continue headers version",
    "gunicorn.http.errors": "LimitRequestHeaders LimitRequestLine NoMoreData ParseException",
    "select": "epoll",
}
"""The names that this package uses, by the module or class that has them. (Python has `epoll` on Linux
alone.)"""


def missing_internals() -> list[str]:
    """Returns the names that our worker needs and the installed gunicorn lacks; none if it can run."""
    missing = [name for name, words in _OVERRIDDEN.items() if _parameters(name) != words.split()]
    for name, words in _CALLED.items():
        first = words.split()
        if _parameters(name)[: len(first)] != first:
            missing.append(name)
    for owner, words in _NAMED.items():
        known = _names_in(owner)
        missing += [f"{owner}.{name}" for name in words.split() if name not in known]
    return [name.replace(":", ".") for name in missing]


def _found(name: str) -> object:
    """Returns the object with this full name, or None if there is none."""
    try:
        return resolve_name(name)
    except (ImportError, AttributeError):
        return None


def _parameters(name: str) -> Sequence[str]:
    function = _found(name)
    return list(signature(function).parameters) if isfunction(function) else []


def _names_in(owner: str) -> set[str]:
    """Returns the names in a module or class, and the attributes that the class's methods set."""
    thing = _found(owner)
    names = set(dir(thing))
    for class_ in getmro(thing) if isclass(thing) else ():
        for method in filter(isfunction, vars(class_).values()):
            names |= {str(step.argval) for step in get_instructions(method) if step.opname == "STORE_ATTR"}
    return names

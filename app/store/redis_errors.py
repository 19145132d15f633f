"""Describes in sentences what went wrong with a Redis server or a sentinel.

The sentences contain nothing that the client library quotes: no commands, no payloads, and no connections
with their passwords.
"""

from __future__ import annotations

import re

import redis

TIMEOUT_S = 2.0

_SENTENCES = {
    "READONLY": "is a read-only replica",
    "MASTERDOWN": "is a replica that has lost its master, and does not answer meanwhile",
    "LOADING": "is still loading its data",
    "CLUSTERDOWN": "is in cluster mode, and its cluster is down or not set up",
    "NOREPLICAS": "accepts no writes while it has too few replicas",
    "MISCONF": "accepts no writes while it cannot save to its disk",
    "OOM": "is out of memory",
    "NOAUTH": "asks for a password, and the URL gives none",
    "WRONGPASS": "does not accept the user or the password",
    "AUTH": "does not accept the user or the password",
    "NOPERM": "does not allow the user to do this",
    "MOVED": "is one node of a cluster, and another node holds our keys; put that node into the URL",
    "ASK": "is handing our keys to another node of its cluster; put that node into the URL once it has them",
}
"""Descriptions of what is wrong with a server, by the code at the beginning of its reply."""

_CODES: tuple[tuple[type[redis.RedisError], str], ...] = (
    (redis.ReadOnlyError, "READONLY"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),
    (redis.BusyLoadingError, "LOADING"),
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),  # after MasterDownError, which is one
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.MovedError, "MOVED"),
    (redis.exceptions.AskError, "ASK"),  # after MovedError, which is one
)
"""The codes of replies for which the client library has a class. The library removes these codes from the
text of its errors."""

_DOWN = ("refused", "reset by peer", "closed by server", "Broken pipe")
"""Words in the errors of a server that goes down or is down. All these errors have one sentence, because they
are one fault."""

_WRAPPED = re.compile(r".*(?:of pipeline caused error|discarded because of): -?", re.DOTALL)
"""Matches the text that the library and EXEC put before the reason, with the command in it."""


class Undirected(redis.RedisError):
    """No server could be asked, for the reason that the error's text gives. Asking again at once would not
    help."""


def sentence(error: Exception, who: str = "it") -> str:
    """Returns a sentence about an error of the client library. Its subject is `who`, such as the name of a
    server."""
    if isinstance(error, Undirected):
        return str(error)
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return f"{who} gives no answer within {TIMEOUT_S:g} s"
    reason = _reason(error)
    if "SELECT is not allowed in cluster mode" in reason:
        return f"{who} is in cluster mode, which has database 0 only; leave the number out of the URL"
    code = code_of(error)
    if code in _SENTENCES:
        return f"{who} {_SENTENCES[code]} ({code}: {reason.removeprefix(code).strip()})"
    if not isinstance(error, redis.ConnectionError):
        return f"{who} refuses this ({reason})"
    if any(words in reason for words in _DOWN):
        return f"{who} is not connected (it refuses or closes connections)"
    return f"{who} is not connected ({reason})"


def code_of(error: Exception) -> str:
    """Returns the code of a server's reply, such as READONLY. For an error without such a code, returns a
    word without meaning."""
    # A demoted master is taken for a lost connection, so that the library asks the sentinels again.
    origin = error.__context__ if isinstance(error.__context__, redis.ReadOnlyError) else error
    reason = _reason(origin)
    if isinstance(origin, redis.AuthenticationError):
        return "NOAUTH" if "required" in reason else "WRONGPASS" if "invalid" in reason else "AUTH"
    known = (code for kind, code in _CODES if isinstance(origin, kind))
    return next(known, reason.partition(" ")[0])


def _reason(error: Exception) -> str:
    """Returns the text of an error, without the command that it quotes and cut to 200 characters."""
    return _WRAPPED.sub("", str(error))[:200].rstrip(".") or type(error).__name__

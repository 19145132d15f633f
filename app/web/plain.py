"""Requests in their plain form, as the application sees them.

Doubled and trailing slashes in a path, as clients in the field write them, mean nothing; a redirect
would cost the client a second request every time. No answer but a page that shows its own address
depends on the Host header. Flask would refuse some values of it, and work with others that no host can
have.
"""

from __future__ import annotations

import re

NO_HOST = "localhost"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?")


def plain_path(path: str) -> str:
    """The path with one slash in front, one between segments, and none at the end."""
    if "//" in path or path[-1:] == "/":
        return "/" + "/".join(segment for segment in path.split("/") if segment)
    return path


def plain_host(host: str) -> str:
    """The header's value if it is a host, perhaps with a port, and otherwise `NO_HOST`."""
    return host if _HOST.fullmatch(host) else NO_HOST

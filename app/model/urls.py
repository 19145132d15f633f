"""URLs, as far as several rooms look into them."""

from __future__ import annotations

import re

_HOST = re.compile(
    r"(?:[a-z]+://)?(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]*)?(?:[/?#].*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)


def host_of(url: str) -> str | None:
    """Returns the host of a URL, in lower case. The URL may lack its scheme, and all that stands behind the
    host. Returns None for any other text."""
    match = _HOST.fullmatch(url)
    return match["host"].lower() if match else None

"""Reads `site:` in config.yml, which says on all pages whose service this is, and the logo that it names.

Nothing here decides a list, so whatever does not fit is a warning, and counts as not given.
"""

from __future__ import annotations

import re
from pathlib import Path

from app.files import read_bytes
from app.model import Branding, Logo, SourceError
from app.model.distribution import MAX_LINKS, MAX_LOGO_BYTES, MAX_TITLE
from app.model.errors import warning
from app.model.words import printable, quoted
from app.sources.fields import Fields
from app.sources.restricting import NO_RESTRICTIONS

_LOGO_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\.(?:svg|png)")
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^<>]*\?>\s*|<!--(?:(?!-->).)*-->\s*)*<svg[\s>]", re.DOTALL)


def read_site(config: Fields) -> Branding:
    """Returns what `site:` says. The logo is read from its own file (`read_logo`)."""
    fields = config.mapping_of("site", NO_RESTRICTIONS, describes=True)
    site = Branding(
        title=_words(fields, "title") or Branding().title,
        home=fields.web_address("home"),
        logo_file=_logo_file(fields),
        links=_links(fields),
        imprint=fields.web_address("imprint"),
    )
    fields.check_keys()
    return site


def read_logo(path: Path) -> Logo:
    """Reads the file of a logo. Raises SourceError if it cannot be read, is too large, or holds something
    else than its name says."""
    content = read_bytes(path, MAX_LOGO_BYTES)
    if path.suffix == ".png" and content.startswith(_PNG):
        return Logo(media_type="image/png", content=content)
    if path.suffix == ".svg" and _SVG.match(content):
        return Logo(media_type="image/svg+xml", content=content)
    kind = path.suffix.removeprefix(".").upper()
    raise SourceError([warning(path.name, f"the file holds no {kind} picture")])


def _words(fields: Fields, key: str) -> str | None:
    text = fields.text(key, describes=True)
    if text is None or len(text) <= MAX_TITLE:
        return printable(text) if text else None
    fields.warning(key, f"has {len(text)} characters, more than the {MAX_TITLE} allowed; ignored")
    return None


def _logo_file(fields: Fields) -> str | None:
    name = fields.text("logo", describes=True)
    if name is None or _LOGO_FILE.fullmatch(name):
        return name
    fields.warning("logo", f"{quoted(name)} is not the name of an .svg or .png file beside this one; ignored")
    return None


def _links(fields: Fields) -> dict[str, str]:
    links = fields.mapping_of("links", describes=True)
    found = {printable(words): url for words in links.mapping.entries if (url := links.web_address(words))}
    if len(found) > MAX_LINKS:
        fields.warning("links", f"there are {len(found)}; only the first {MAX_LINKS} are shown")
    return dict(list(found.items())[:MAX_LINKS])

"""Keeps the results of database scans on disk until the database changes.

Each result has a file, named by the kind of scan and by a key that stands for all inputs. The file begins
with the SHA-256 of its content, so that a damaged file counts as none. The newest result of a kind
replaces the others.
"""

from __future__ import annotations

from pathlib import Path

from app.files import remove_abandoned, replace
from app.model import digest_of

_DIGEST_CHARS = 64


def key_of(*inputs: object) -> str:
    """Returns a short name for all that the result of a scan depends on."""
    return digest_of(repr(inputs).encode())[:16]


def load(folder: Path, kind: str, key: str) -> bytes | None:
    """Returns the kept result of a scan; None if there is none or it is damaged."""
    try:
        stored = (folder / f"{kind}-{key}.scan").read_bytes()
    except OSError:
        return None
    digest, content = stored[:_DIGEST_CHARS], stored[_DIGEST_CHARS:]
    return content if digest_of(content).encode() == digest else None


def save(folder: Path, kind: str, key: str, content: bytes) -> None:
    """Keeps the result of a scan, in place of older results of this kind. Raises OSError if the disk does not
    take it; the caller can go on, because it has the content."""
    target = folder / f"{kind}-{key}.scan"
    replace(target, digest_of(content).encode() + content, durable=True)
    remove_abandoned(folder)
    for other in folder.glob(f"{kind}-*.scan"):
        if other != target:
            other.unlink(missing_ok=True)

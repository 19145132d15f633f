"""What a scan of a database found, kept on disk until the database changes.

There is a file per scan, named by its kind and by a key that stands for all its inputs. It begins with
the SHA-256 of its content, so that a damaged file counts as none. The newest of a kind replaces the
others.
"""

from __future__ import annotations

from pathlib import Path

from app.files import remove_abandoned, replace
from app.model import digest_of

_DIGEST_CHARS = 64


def key_of(*inputs: object) -> str:
    """A name for all that a scan's result depends on."""
    return digest_of(repr(inputs).encode())[:16]


def load(folder: Path, kind: str, key: str) -> bytes | None:
    try:
        stored = (folder / f"{kind}-{key}.scan").read_bytes()
    except OSError:
        return None
    digest, content = stored[:_DIGEST_CHARS], stored[_DIGEST_CHARS:]
    return content if digest_of(content).encode() == digest else None


def save(folder: Path, kind: str, key: str, content: bytes) -> None:
    """Keep this scan. Raises OSError, which the caller judges: it has the content anyway."""
    target = folder / f"{kind}-{key}.scan"
    replace(target, digest_of(content).encode() + content, durable=True)
    remove_abandoned(folder)
    for other in folder.glob(f"{kind}-*.scan"):
        if other != target:
            other.unlink(missing_ok=True)

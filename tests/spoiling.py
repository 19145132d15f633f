"""What can happen to a file."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def damaged(path: Path) -> None:
    """One byte is another one."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def exchanged(path: Path) -> None:
    path.write_bytes(b"something else")


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    """Whoever opens it waits for somebody to write."""
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    """Nobody can read it, not even root."""
    path.unlink()
    path.symlink_to(path)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    """100 MB."""
    os.truncate(path, 100_000_000)


def deep(path: Path) -> None:
    """Deep enough for every parser's stack."""
    start = b'{"prefixes": ' if path.suffix == ".json" else b"name: "
    path.write_bytes(start + b"[" * 200_000)


# --- contents ----------------------------------------------------------------------------------------------

ODD_JSON: tuple[object, ...] = (
    *(None, True, [], {}, "", " ", "0", "\0", "\n\u2028\x1b[31m", "x" * 3000, "../../etc", "é", "😀"),
    *(0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(10**30), 1e-320, 1e308, -0.0, 0.1),
    *("0.0.0.0/0", "::/0", "192.0.2.1", "fe80::1%eth0", "999.1.1.1", "1970-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "2026-11-20T10:15:00"),
    *([[[[[[]]]]]], {"": {"": {}}}, ["x"] * 700, [None], {"a": 1}),
)
"""Values for any place in a JSON document."""

ODD_WORDS = (
    *(
        b"~",
        b"[]",
        b"{}",
        b"[a, [b]]",
        b"{a: b}",
        b"''",
        b'"\\0"',
        b'"\\ud800"',
        b'"\\U00110000"',
        b"!!int 1",
    ),
    *(b"&a 1", b"*a", b"-1", b"0", b".inf", b".nan", b"1e-320", b"1e400", b"999999999w", b"0x7f", b"1:30"),
    *(
        b"null",
        b"yes",
        b"2001-01-01",
        b"|",
        b">",
        b"? a",
        b"%TAG",
        b"---",
        b"...",
        b"\t",
        b"\xff\xfe",
        b"\xc3",
    ),
    *(
        b"x" * 5000,
        b"[" * 300,
        b"[" + b"1," * 900 + b"]",
        b"0.0.0.0/0",
        b"::/0",
        b"$basearch",
        b"../..",
        b"\r",
    ),
)
"""What may stand in any line of a text."""


def spoiled(content: bytes, draw: random.Random) -> bytes:
    """A content that was good, with something odd in it: bytes, lines, words or values."""
    how = draw.choice((_cut, _flipped, _doubled, _shuffled, _with_odd_word, _with_odd_word, _with_odd_value))
    return how(content, draw) if content else draw.randbytes(20)


def _cut(content: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(content))
    return content[:start] + content[start + draw.choice((1, 5, len(content))) :]


def _flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 3, 30))):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _doubled(content: bytes, draw: random.Random) -> bytes:
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * draw.choice((1, 1, 50)) + content[end:]


def _shuffled(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    draw.shuffle(lines)
    return b"".join(lines[: draw.choice((len(lines), len(lines) // 2))])


def _with_odd_word(content: bytes, draw: random.Random) -> bytes:
    """One of the words, after a separator: in most formats a value begins there."""
    places = [number + 1 for number, byte in enumerate(content) if byte in b' :,[\n"/-']
    start = draw.choice(places or [0])
    rest = content[start:]
    if draw.random() < 0.7:  # in place of what stands there
        rest = rest[len(rest.split(b"\n")[0].split(b",")[0].split(b" ")[0]) :]
    return content[:start] + draw.choice(ODD_WORDS) + rest


def _with_odd_value(content: bytes, draw: random.Random) -> bytes:
    """A JSON document with another value in one place; of other contents, an odd word."""
    try:
        value = json.loads(content)
    except ValueError:
        return _with_odd_word(content, draw)
    holder = {"": value}
    place: tuple[Any, Any] = (holder, "")
    while draw.random() < 0.85:
        inner = place[0][place[1]]
        if not inner or not isinstance(inner, dict | list):
            break
        place = (inner, draw.choice(list(inner) if isinstance(inner, dict) else range(len(inner))))
    place[0][place[1]] = draw.choice(ODD_JSON)
    return json.dumps(holder[""]).encode()


ODD_NAMES: tuple[bytes, ...] = (
    *(
        b"m\xe9xico",
        b"\xff",
        b"a\nb",
        b"\x1b[31m",
        b"a b",
        b"%s%d{}",
        b"-rf",
        b"'\"<script>",
        b"\\",
        b"a.b.",
        b"x" * 240,
    ),
    *("méxico".encode(), "😀".encode(), "\u202egnp".encode(), b"CON"),
)
"""Names of files, without their endings."""

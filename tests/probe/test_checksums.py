"""Files of checksums in every form, and indexes of directories."""

from __future__ import annotations

import pytest

from app.model import Image
from app.model.images import MAX_NAMES
from app.probe.checksums import images_in, names_in

A, B, LONG = "a" * 64, "b" * 64, "c" * 128

FORMS = {
    "BSD": (f"SHA256 (x.iso) = {A}\n", {"x.iso": Image(sha256=A)}),
    "OpenSSL": (f"SHA2-256(x.iso)= {A}\n", {"x.iso": Image(sha256=A)}),
    "GNU": (f"{A}  x.iso\n", {"x.iso": Image(sha256=A)}),
    "GNU, read as binary": (f"{A} *x.iso\n", {"x.iso": Image(sha256=A)}),
    "GNU, from the directory itself": (f"{A}  ./x.iso\n", {"x.iso": Image(sha256=A)}),
    "capital digits": (f"{A.upper()}  x.iso\n", {"x.iso": Image(sha256=A)}),
    "a size before": (
        f"# x.iso: 1017118720 bytes\nSHA256 (x.iso) = {A}\n",
        {"x.iso": Image(size=1_017_118_720, sha256=A)},
    ),
    "the size of another file": (f"# y.iso: 5 bytes\nSHA256 (x.iso) = {A}\n", {"x.iso": Image(sha256=A)}),
    "two checksums of one file": (
        f"SHA256 (x.iso) = {A}\nSHA512 (x.iso) = {LONG}\n",
        {"x.iso": Image(sha256=A, sha512=LONG)},
    ),
    "two files": (
        f"{A}  x.iso\n{B}  y-10-kitten+1~2.iso\n",
        {"x.iso": Image(sha256=A), "y-10-kitten+1~2.iso": Image(sha256=B)},
    ),
    "CRLF, a mark at the beginning, no end of line": (
        f"\ufeff{A}  x.iso\r\n{B}  y.iso",
        {"x.iso": Image(sha256=A), "y.iso": Image(sha256=B)},
    ),
    "inside a signature": (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
        f"SHA256 (x.iso) = {A}\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAd\n-----END PGP SIGNATURE-----\n",
        {"x.iso": Image(sha256=A)},
    ),
    "weak checksums": (f"MD5 (x.iso) = {'a' * 32}\n{'b' * 40}  y.iso\n", {}),
    "a checksum too short": (f"SHA256 (x.iso) = {A[1:]}\n", {}),
    "files elsewhere": (f"{A}  ../x.iso\n{A}  a/x.iso\n{A}  /x.iso\nSHA256 (a/x.iso) = {A}\n", {}),
    "names that are none": (f"{A}  .hidden\n{A}  <b>.iso\n{A}  a b.iso\n{A}  \u202ex.iso\n", {}),
    "a very long name": (f"{A}  {'x' * 201}\n", {}),
    "a line without end": (" " * 1000 + f"{A}  x.iso\n", {}),
    "a web page": ("<!doctype html><title>Welcome</title>\n", {}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize(("text", "images"), FORMS.values(), ids=FORMS)
def test_forms(text: str, images: dict[str, Image]) -> None:
    """Strong checksums and sizes of files in this very directory are understood, and nothing else is."""
    assert images_in(text.encode()) == images


def test_bytes_that_are_no_text() -> None:
    """What is not UTF-8 costs its own line."""
    assert images_in(b"\xff\xfe\n" + f"{A}  x.iso\n".encode()) == {"x.iso": Image(sha256=A)}


def test_no_more_than_a_directory_may_have() -> None:
    """However many files there are, so many count."""
    numbers = range(MAX_NAMES + 5)
    assert len(images_in("".join(f"{A}  {number}.iso\n" for number in numbers).encode())) == MAX_NAMES
    assert len(names_in("".join(f'<a href="{number}.iso">' for number in numbers).encode())) == MAX_NAMES


LINKS = {
    "a file": ('<a href="x.iso">x.iso</a>', ("x.iso",)),
    "another case": ("<A HREF='x.iso'>", ("x.iso",)),
    "with the directory in front": ('<a href="./x.iso">', ("x.iso",)),
    "encoded": ('<a href="x%2B1.iso">', ("x+1.iso",)),
    "a directory": ('<a href="live/">', ("live",)),
    "the columns to sort by, and the way up": ('<a href="?C=N;O=D"><a href="../"><a href="/9.8/isos/">', ()),
    "other places": ('<a href="https://example.com/x.iso"><a href="javascript:x.iso"><a href="a/x.iso">', ()),
    "no link": ('<a name="x.iso"><img src="y.iso">', ()),
    "cut short": ('<a href="x.iso"><a href="y.i', ("x.iso",)),
}


@pytest.mark.parametrize(("page", "names"), LINKS.values(), ids=LINKS)
def test_indexes(page: str, names: tuple[str, ...]) -> None:
    """What a page links to directly below itself is in the directory."""
    assert names_in(page.encode()) == names

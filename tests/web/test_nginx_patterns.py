"""The patterns in nginx's files take linear time, whatever a client sends, with and without `pcre_jit`."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import ROOT, free_port
from tests.servers import NginxOptions, NginxServer
from tests.web.deployed import Wire

CASELESS, JIT_COMPLETE = 0x8, 0x1
NO_MATCH = -1

SHORT, LONG = 1_000, 8_000
"""Bytes; nginx takes 8,192 in one line."""
QUICK_S = 120e-6
"""What a match of LONG bytes may take without a closer look: 15 ns a byte."""
GROWTH = 3 * LONG / SHORT
"""Linear is a third of this, from SHORT to LONG; quadratic is 64."""

HEADS = (b"", b"/", b"/?", b"arch=a&", b"avoid=", b"http,1,", b"1|", b"0.", b"/mirrorlist?")
PUMPS = (
    *(bytes([byte]) for byte in b"?&=%/.,- :|#0aZ\xff"),
    *(
        b"a=&",
        b"arch=a&",
        b"&&",
        b"?x",
        b"&%",
        b"1.",
        b"1.1.1",
        b", ",
        b",https",
        b"%2B",
        b"%25",
        b"/a",
        b"a#",
        b"a.",
        b"avoid=a.a&",
    ),
    *(b"explain", b"release=&"),
)
TAILS = (b"", b"=%\0")


def patterns() -> Iterator[tuple[str, bool]]:
    """Every pattern in the site's files, and whether the case of letters matters to it."""
    for path in sorted((ROOT / "nginx").glob("*.conf")):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        for quoted, plain in re.findall(r'"(~[^"]*)"|(?:(?<=\s)|(?<={))(~\S+)', "\n".join(lines)):
            text = quoted or plain
            if text != "~":
                yield text.removeprefix("~").removeprefix("*"), not text.startswith("~*")
        for modifier, text in re.findall(r"location (~\*?) (\S+)", "\n".join(lines)):
            yield text, modifier == "~"


class Pattern:
    """A pattern as nginx compiles it: for PCRE2, interpreted or made into machine code."""

    def __init__(self, library: ctypes.CDLL, text: str, case: bool, jit: bool) -> None:
        self.library = library
        raw, number, offset = text.encode(), ctypes.c_int(), ctypes.c_size_t()
        options = 0 if case else CASELESS
        self.code = library.pcre2_compile_8(
            raw, len(raw), options, ctypes.byref(number), ctypes.byref(offset), None
        )
        assert self.code, f"{text}: error {number.value} at {offset.value}"
        if jit:
            library.pcre2_jit_compile_8(self.code, JIT_COMPLETE)
        self.data = library.pcre2_match_data_create_from_pattern_8(self.code, None)
        #: What PCRE2 said last: NO_MATCH, more for a match, less if it gave up.
        self.found = 0

    def took_s(self, subject: bytes, tries: int = 3) -> float:
        """The least time that a match takes."""
        least_s = float("inf")
        match = self.library.pcre2_match_8
        for _ in range(tries):
            started = time.thread_time()
            self.found = match(self.code, subject, len(subject), 0, 0, self.data, None)
            least_s = min(least_s, time.thread_time() - started)
        return least_s

    def close(self) -> None:
        self.library.pcre2_match_data_free_8(self.data)
        self.library.pcre2_code_free_8(self.code)


@pytest.fixture(scope="module")
def pcre2() -> ctypes.CDLL:
    name = ctypes.util.find_library("pcre2-8")
    if name is None:
        pytest.skip("the library PCRE2, which nginx brings, is not installed")
    library = ctypes.CDLL(name)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.pcre2_compile_8.restype = pointer
    library.pcre2_compile_8.argtypes = [ctypes.c_char_p, size, ctypes.c_uint32, pointer, pointer, pointer]
    library.pcre2_jit_compile_8.argtypes = [pointer, ctypes.c_uint32]
    library.pcre2_match_data_create_from_pattern_8.restype = pointer
    library.pcre2_match_data_create_from_pattern_8.argtypes = [pointer, pointer]
    library.pcre2_match_8.argtypes = [
        *(pointer, ctypes.c_char_p, size, size, ctypes.c_uint32, pointer, pointer),
    ]
    library.pcre2_match_data_free_8.argtypes = [pointer]
    library.pcre2_code_free_8.argtypes = [pointer]
    return library


def test_patterns_are_found() -> None:
    """All kinds of them, in all files that have any."""
    found = dict(patterns())
    assert {r"^/\?(?:.*&)?(?:release|repo)=", r"^arch=[a-z0-9_]{1,20}$", r"/.+/"} <= found.keys()
    assert [text for text, case in found.items() if not case]


def unbounded() -> set[tuple[str, bool]]:
    """Those that repeat something without end; what others look at from one place has an end."""
    return {(text, case) for text, case in patterns() if re.search(r"[*+]|,\}", text)}


def superlinear(library: ctypes.CDLL, text: str, case: bool, jit: bool) -> tuple[object, ...]:
    """The first input for which a pattern's time grows faster than its length, or on which PCRE2 gives up;
    empty if there is none."""
    with closing(Pattern(library, text, case, jit)) as pattern:
        for head, pump in product(HEADS, PUMPS):
            long, short = (head + pump * (length // len(pump)) for length in (LONG, SHORT))
            for tail in TAILS:
                took_s = pattern.took_s(long + tail, tries=1)
                if pattern.found < NO_MATCH:
                    return "gives up", head, pump, tail
                if took_s > QUICK_S:
                    allowed_s = GROWTH * max(pattern.took_s(short + tail), QUICK_S / 8)
                    if pattern.took_s(long + tail) > allowed_s:
                        return allowed_s, head, pump, tail
    return ()


@pytest.mark.parametrize("jit", [False, True], ids=["interpreted", "compiled"])
def test_patterns_take_linear_time(pcre2: ctypes.CDLL, jit: bool) -> None:
    """Eight times the length takes at most three times eight times as long, for every pattern and many
    hostile inputs."""
    slow = {text: superlinear(pcre2, text, case, jit) for text, case in unbounded()}
    assert {text: found for text, found in slow.items() if found} == {}


@pytest.mark.slow
@pytest.mark.parametrize("text", [r"[?&](?:ip=|[^=&]*%)", r"(?:.*&)?.*=x$", r"\s+$"])
def test_quadratic_time_is_seen(pcre2: ctypes.CDLL, text: str) -> None:
    """Of patterns that one would write without a thought."""
    assert superlinear(pcre2, text, True, jit=False)


HOSTILE = {
    "question marks": "/?" + "?" * 7_800 + "=%",
    "ampersands": "/?" + "&" * 7_800 + "=%",
    "ampersands in a list's query": "/mirrorlist?" + "&" * 7_800 + "\u00ff",
    "parameters": "/mirrorlist?" + "a=&" * 2_600 + "%",
    "numbers": "/?" + "1." * 3_900,
    "slashes": "/" * 7_800 + "%25",
}


@pytest.mark.slow
@pytest.mark.parametrize("jit", ["on", "off"])
def test_hostile_targets_cost_nginx_no_more_than_others(tmp_path: Path, jit: str) -> None:
    """Each takes a worker milliseconds at most, with and without `pcre_jit`."""
    nginx = NginxServer(tmp_path, f"127.0.0.1:{free_port()}", NginxOptions(pcre_jit=jit))
    try:
        used_s = {}
        for name, target in HOSTILE.items():
            started = _processor_s(nginx)
            for _ in range(20):
                with closing(Wire(("127.0.0.1", nginx.port))) as wire:
                    wire.ask(target, "192.0.2.1")
            used_s[name] = (_processor_s(nginx) - started) / 20
        assert {name: seconds for name, seconds in used_s.items() if seconds > 0.01} == {}
    finally:
        nginx.stop()


def _processor_s(nginx: NginxServer) -> float:
    """What nginx's processes have used. Those beside its worker have nothing to do."""
    used = (Path(f"/proc/{process}/schedstat").read_text().split()[0] for process in nginx.workers())
    return sum(map(int, used)) / 1e9

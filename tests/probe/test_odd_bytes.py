"""Whatever bytes a mirror answers with, what is said of it is short and printable, and its state file can be
read again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.model import MirrorState
from tests.probe.conftest import Probing
from tests.probe.fleet import Asked, Behaviour, Fleet

LONG = 1000
"""No reason is longer, whatever it is put together from."""


def raw(answer: bytes) -> Behaviour:
    """Answers everything with these bytes, and hangs up."""

    async def behave(fleet: Fleet, asked: Asked) -> None:
        asked.raw(answer)
        await asked.writer.drain()
        asked.writer.close()

    return behave


def with_header(name: bytes, value: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: 1\r\n%s: %s\r\n\r\n1" % (status, name, value)


BAD = b"\xff\xfe\x80\xed\xb0\x80\xe2\x80\xae\x9b2J"
ODD = {
    "a location that is not UTF-8": with_header(b"Location", b"http://" + BAD + b"/", 302),
    "a path that is not UTF-8": with_header(b"Location", b"http://b.example.org/" + BAD, 301),
    "a long location": with_header(b"Location", b"http://b.example.org/" + b"a" * 7900, 302),
    "a location that is no URL": with_header(b"Location", b"http://[::1" + BAD, 302),
    "a location with a huge port": with_header(b"Location", b"http://a.example.org:99999999/", 302),
    "an odd scheme": with_header(b"Location", b"x-\xe2\x80\xae:" + b"a" * 5000, 302),
    "an encoding that is not UTF-8": with_header(b"Content-Encoding", BAD),
    "a long encoding": with_header(b"Content-Encoding", b"gzip, " * 1000),
    "an encoding with colours": with_header(b"Content-Encoding", b"\xc2\x9b31m"),
    "a validator that is not UTF-8": with_header(b"ETag", b'"' + BAD + b'"'),
    "a reason that is not UTF-8": b"HTTP/1.1 500 " + BAD + b"\r\n\r\n",
    "an unknown status": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "a status that is none": b"HTTP/1.1 \xff\xff\xff X\r\n\r\n",
    "a length that is none": b"HTTP/1.1 200 X\r\nContent-Length: -\xff\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
    "a chunk that is none": b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + BAD + b"\r\n",
    "another protocol": b"HTTP/1.1 101 X\r\nUpgrade: " + BAD + b"\r\nConnection: upgrade\r\n\r\n" + BAD,
    "colours for a time": b"HTTP/1.1 200 X\r\nContent-Length: 12\r\n\r\n\x1b[31m\x1b]0;x\x07y",
    "zeros": bytes(5000),
    "only bad bytes": BAD * 100,
    "nothing": b"",
}


def check(state: MirrorState) -> None:
    texts = [state.reason or "", *(e.detail or "" for of in state.endpoints.values() for e in of.values())]
    for text in texts:
        assert text.isprintable() and len(text) <= LONG, text


def test_states_are_readable_whatever_comes(
    fleet: Fleet, probing: Probing, caplog: pytest.LogCaptureFixture
) -> None:
    """Each mirror is judged, its file can be read, and nothing went wrong in the prober."""
    fleet.limits = replace(fleet.limits, first_byte_s=0.4, total_s=0.8)
    names = [
        fleet.add(f"odd-{number}.example.org", raw(answer)) for number, answer in enumerate(ODD.values())
    ]
    fleet.rsync_greeting = BAD
    rsync = {"rsync": f"rsync://rsync.example.org:{fleet.rsync_port}/x/"}
    names.append(fleet.add("rsync.example.org", address=rsync))
    assert probing() == 0
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    for name in names:
        check(probing.state(name))


PIECES = [
    b"HTTP/1.1 200 X\r\n",
    b"HTTP/1.1 404 X\r\n",
    b"HTTP/1.1 302 X\r\n",
    b"HTTP/1.1 100 X\r\n\r\n",
    b"HTTP/1.0 206 \r\n",
    b"Content-Length: 40\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Encoding: ",
    b"Location: ",
    b"http://",
    b"a.example.org/",
    b"ETag: ",
    b"Connection: keep-alive\r\n",
    b"Set-Cookie: ",
    b"5;x=y\r\nabcde\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffffff\r\n",
    b"<repomd><data/><revision>1</revision></repomd>",
    b"1795000000\n",
    b"\r\n",
    b"\r\n\r\n",
]
ANSWERS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=12).map(b"".join)


def probe_each(fleet: Fleet, probing: Probing, answers: list[bytes]) -> None:
    for number, answer in enumerate(answers):
        fleet.add(f"odd-{number}.example.org", raw(answer))
    assert probing() == 0
    for number in range(len(answers)):
        check(probing.state(f"odd-{number}.example.org"))


SOME = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.lists(ANSWERS, min_size=20, max_size=20))
@SOME
def test_no_answer_is_too_odd(fleet: Fleet, probing: Probing, answers: list[bytes]) -> None:
    """Forty answers that are put together at random."""
    probe_each(fleet, probing, answers)


@pytest.mark.slow
@given(st.lists(ANSWERS, min_size=40, max_size=40))
@settings(SOME, max_examples=50)
def test_two_thousand_odd_answers(fleet: Fleet, probing: Probing, answers: list[bytes]) -> None:
    """The same, for as many as a mirror's malice may think of."""
    probe_each(fleet, probing, answers)

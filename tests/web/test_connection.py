"""How an answer goes out to one connection."""

from __future__ import annotations

import socket
from typing import cast

import pytest

from app.web.server.connection import SENT_AT_ONCE_BYTES, Connection


class Greedy:
    """A socket whose client takes everything at once."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def fileno(self) -> int:
        return -1

    def send(self, data: bytes) -> int:
        self.taken.append(bytes(data))
        return len(data)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"a list"], id="small"),
        pytest.param([b"header", b"x" * 3 * SENT_AT_ONCE_BYTES], id="header and large body"),
        pytest.param([b"x" * SENT_AT_ONCE_BYTES], id="just as much as may go at once"),
        pytest.param([b"x" * (SENT_AT_ONCE_BYTES + 1), b"y"], id="a byte more"),
    ],
)
def test_a_large_answer_leaves_the_others_their_turn(parts: list[bytes]) -> None:
    """However fast the client takes its answer, a bounded part of it is sent before others get their turn;
    the client has it whole in the end."""
    greedy = Greedy()
    connection = Connection(cast("socket.socket", greedy), "client", "server")
    connection.unsent = [*parts]
    for turn in range(1, 100):
        is_sent = connection.send()
        assert sum(map(len, greedy.taken)) <= turn * SENT_AT_ONCE_BYTES
        if is_sent:
            break
    assert b"".join(greedy.taken) == b"".join(parts)

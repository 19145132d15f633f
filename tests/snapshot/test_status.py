"""The status document: what web processes know of mirrors beside the lists."""

from __future__ import annotations

import msgspec
import pytest

from app.model import Arrival, Content, MirrorVerdict, SnapshotError, Status
from app.snapshot.status import StatusDocument, decode, encode
from tests.builders import a_state, endpoints

STATES = {
    state.mirror: state
    for state in (
        a_state("a", content={"9.8/baseos/x86_64": Content.CURRENT}, isos={"9.8/x86_64": True}),
        a_state("b", Status.UNREACHABLE, failures=3, endpoints=endpoints(ipv4=False)),
    )
}


def test_states_come_back() -> None:
    """Each state is read when it is looked at, whole or without its repos."""
    status = decode(encode(StatusDocument(states=STATES, faults={"x": "y"})))
    assert (dict(status.states), status.faults, len(status.states)) == (STATES, {"x": "y"}, 2)
    assert "c.example.org" not in status.states and status.states.get("c.example.org") is None
    for name, verdict in status.verdicts.items():
        state = msgspec.structs.asdict(STATES[name])
        for more in ("content", "isos", "vault", "asked_again", "arrivals"):
            del state[more]
        assert verdict == MirrorVerdict(**state)


def test_a_state_that_cannot_be_read() -> None:
    """It is as good as none, and the others are read."""
    raw = msgspec.msgpack.decode(encode(StatusDocument(states=STATES)))
    raw["states"]["b.example.org"]["status"] = "strange"
    status = decode(msgspec.msgpack.encode(raw))
    assert status.states.get("b.example.org") is None
    assert status.states["a.example.org"] == STATES["a.example.org"]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode({"schema": 99})])
def test_no_status_document(data: bytes) -> None:
    """What is none, or of another version, is named as such."""
    with pytest.raises(SnapshotError):
        decode(data)


def test_arrivals_are_left_out() -> None:
    """No page needs them, and there may be one for each repo of each mirror."""
    arrival = Arrival(version="1" * 16, at_s=1, is_exact=True)
    states = {
        name: msgspec.structs.replace(state, arrivals={"9/a/x": arrival}) for name, state in STATES.items()
    }
    assert encode(StatusDocument(states=states)) == encode(StatusDocument(states=STATES))

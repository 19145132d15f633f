"""The wire format of Protocol Buffers, as Google's own library writes it."""

from __future__ import annotations

import pytest
from google.protobuf import wrappers_pb2

from app.sources.foreign.wire import Message, WireError


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_integers(number: int) -> None:
    """Of any length, and below zero."""
    data = wrappers_pb2.Int64Value(value=number).SerializeToString()
    assert Message(data).integers(1) == ([number] if number else [])


def test_packed_integers() -> None:
    """Several integers in one field are the same as several fields."""
    assert (
        Message(b"\x0a\x03\x01\xac\x02").integers(1)
        == Message(b"\x08\x01\x08\xac\x02").integers(1)
        == [1, 300]
    )


@pytest.mark.parametrize("text", ["", "a", "Köln", "x" * 1000])
def test_texts(text: str) -> None:
    """In UTF-8, and of any length; one that is missing is empty."""
    assert Message(wrappers_pb2.StringValue(value=text).SerializeToString()).text(1) == text


def test_numbers_of_other_kinds_are_passed_over() -> None:
    """Floats of both sizes stand between fields that are read."""
    double = wrappers_pb2.DoubleValue(value=1.5).SerializeToString()
    single = wrappers_pb2.FloatValue(value=1.5).SerializeToString()
    text = wrappers_pb2.StringValue(value="a").SerializeToString()
    assert Message(double + single + text).text(1) == "a"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x08", id="no value"),
        pytest.param(b"\x0a\x05ab", id="cut short"),
        pytest.param(b"\x0b", id="a group, which nothing uses any more"),
        pytest.param(b"\x08" + b"\xff" * 11, id="an integer without an end"),
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    """It raises an error of its own."""
    with pytest.raises(WireError):
        Message(data)


def test_a_text_that_is_not_utf_8() -> None:
    """It is an error, not a text with other letters."""
    with pytest.raises(WireError):
        Message(b"\x0a\x01\xff").text(1)

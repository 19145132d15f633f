"""YAML as people write it becomes a tree with lines, or a fault with the line where it goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model import Severity
from app.sources.report import Report
from app.sources.yaml_file import MAX_BYTES, Mapping, Scalar, Sequence, line_of, parse_yaml, read_yaml


def parsed(content: str | bytes) -> tuple[Mapping | None, Report]:
    report = Report("some.yml")
    raw = content if isinstance(content, bytes) else content.encode()
    return parse_yaml(raw, report), report


def test_every_entry_knows_the_line_of_its_key() -> None:
    """Findings point at the line that a person has to change, counted from 1."""
    root, report = parsed("---\na: 1\n\nb:\n  c:\n    - x\n    - y\n")
    assert report.findings == []
    c = Sequence(5, [Scalar(6, "x"), Scalar(7, "y")])
    assert root == Mapping(2, {"a": Scalar(2, "1"), "b": Mapping(4, {"c": c})})


@pytest.mark.parametrize(
    "text",
    ["NO", "8.10", "off", "012", "2001-01-01", "1:30", "1e3", "null"],
)
def test_scalars_stay_the_text_that_was_written(text: str) -> None:
    """Norway is not false and 8.10 is not 8.1, as YAML would have it."""
    root, _ = parsed(f"a: {text}\n{text}: b\n")
    assert root is not None
    assert root.entries["a"] == Scalar(1, text)
    assert list(root.entries) == ["a", text]


@pytest.mark.parametrize(
    ("text", "is_null"),
    [("a:", True), ("a: ~", True), ("a: null", True), ('a: ""', False), ('a: "null"', False)],
)
def test_null_is_told_from_text(text: str, is_null: bool) -> None:
    """A key without a value counts as not given; a quoted word is a word."""
    root, _ = parsed(text)
    assert root is not None
    assert isinstance(root.entries["a"], Scalar)
    assert root.entries["a"].is_null is is_null


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a: 1\r\nb: 2\r\n", id="CRLF"),
        pytest.param(b"\xef\xbb\xbfa: 1\nb: 2\n", id="byte order mark"),
        pytest.param(b"a: 1\nb: 2", id="no newline at the end"),
        pytest.param(b"---\na: 1\nb: 2\n...\n", id="document markers"),
        pytest.param(b"# text\n\na: 1   # more\nb: 2\n\n", id="comments and blank lines"),
    ],
)
def test_harmless_variants_read_the_same(content: bytes) -> None:
    """What editors do to files is no finding."""
    root, report = parsed(content)
    assert report.findings == []
    assert root is not None
    assert [node.text for node in root.entries.values() if isinstance(node, Scalar)] == ["1", "2"]


def test_of_a_repeated_key_the_last_counts_with_a_warning() -> None:
    """As in other YAML readers, but said aloud, with both lines."""
    root, report = parsed("a: 1\nb: 2\na: 3\n")
    assert root is not None
    assert root.entries["a"] == Scalar(3, "3")
    [finding] = report.findings
    assert (finding.severity, finding.line) == (Severity.WARNING, 3)
    assert "line 1" in finding.message


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        pytest.param(b"", 1, "empty", id="empty"),
        pytest.param(b"---\n", 1, "empty", id="only a marker"),
        pytest.param(b"# nothing\n", 1, "empty", id="only a comment"),
        pytest.param(b"- a\n", 1, "key: value", id="a list"),
        pytest.param(b"hello\n", 1, "key: value", id="a word"),
        pytest.param(b"a: 1\nb: [1\n", 3, "not valid YAML", id="cut short"),
        pytest.param(b"a:\n\tb: 1\n", 2, "not valid YAML", id="tab"),
        pytest.param(b"a: b: c\n", 1, "not valid YAML", id="two colons"),
        pytest.param(b"a: 1\nb: caf\xe9\n", 2, "UTF-8", id="Latin-1"),
        pytest.param("a: 1\n".encode("utf-16"), 1, "UTF-8", id="UTF-16"),
        pytest.param("a: ü\nb: 1\nc: \x07\n".encode(), 3, "U+0007", id="control character"),
        pytest.param(b"a: &x 1\nb: *x\n", 2, "alias", id="alias"),
        pytest.param(b"a: &x [*x]\n", 1, "alias", id="alias to itself"),
        pytest.param(b"b: !!python/name:os.system x\n", 1, "tag", id="tag"),
        pytest.param(b"[a]: 1\n", 1, "key", id="list as key"),
        pytest.param(b"a: 1\n---\nb: 1\n", 2, "second document", id="two documents"),
        pytest.param(b"a: " + b"[" * 500 + b"]" * 500, 1, "deep", id="nested too deep"),
        pytest.param(b"a: " + b"[" * 100_000, None, "", id="nested without end"),
    ],
)
def test_what_cannot_be_read_is_one_fault_with_its_line(content: bytes, line: int | None, words: str) -> None:
    """A broken file is named with its line, in words, and yields nothing."""
    root, report = parsed(content)
    assert root is None
    [finding] = report.findings
    assert finding.severity is Severity.FAULT
    assert words in finding.message
    assert line is None or finding.line == line


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(lambda path: None, "cannot be read", id="not there"),
        pytest.param(lambda path: path.mkdir(), "not a regular file", id="folder"),
        pytest.param(lambda path: path.write_bytes(b"#" * (MAX_BYTES + 1)), "larger", id="too large"),
    ],
)
def test_a_file_that_is_none_is_a_fault(tmp_path: Path, prepare: object, words: str) -> None:
    """Whatever stands in a file's place is refused without reading it to its end."""
    path = tmp_path / "some.yml"
    assert callable(prepare)
    prepare(path)
    report = Report(path.name)
    assert read_yaml(path, report) is None
    assert words in report.findings[0].message
    assert report.findings[0].file == "some.yml"


def test_line_of_finds_a_key_again(tmp_path: Path) -> None:
    """Findings made after the reading get their line, too; of a key that is not there, none."""
    path = tmp_path / "some.yml"
    path.write_text("a: 1\nb:\n  c: 2\n")
    assert line_of(path, "b", "c") == 3
    assert line_of(path, "b", "d") is None
    assert line_of(path, "a", "c") is None


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.text("ab:-[]{}&*!|>'\"#?,%@` \n\t~", max_size=60).map(str.encode))
)
def test_no_bytes_whatever_raise(content: bytes) -> None:
    """Either a mapping or exactly one fault."""
    root, report = parsed(content)
    assert report.faulty == (root is None)

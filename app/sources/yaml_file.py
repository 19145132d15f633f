"""Reads YAML files that people write, as trees in which each value has its line.

Scalars stay as they are in the file, and the reader of a key decides what its text means. So the country
`NO` does not become false, and the version `8.10` does not become 8.1.

The tree is built from the parser's events. Nesting is bounded, and aliases and tags are refused, so that
neither deep nesting nor multiplying aliases can do harm. More values and longer texts than a person could
have written are refused too, because reading a file must not take minutes. A key that appears twice is a
warning, and the last one counts, as in other YAML readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml

from app.files import read_bytes
from app.model import SourceError
from app.model.words import quoted
from app.sources.report import Report

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_VALUES = 20_000
"""The largest number of values and keys in a file. A large network's config.yml has some hundreds."""
MAX_KEY_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 2000

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TAG_DIRECTIVE = re.compile(r"^%TAG[ \t]", re.MULTILINE)
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""Matches characters that YAML can write as escapes but that are no text: NUL, which no path may contain, and
surrogates, which no encoding has."""

_NOTHING = frozenset({"", "~", "-", "--", "null", "none", "nil", "n/a"})


class Scalar(msgspec.Struct, frozen=True):
    """A single value of a YAML file, as a text that is not interpreted."""

    line: int
    text: str
    #: Whether it is written without quotes.
    plain: bool = True

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULLS

    @property
    def is_empty(self) -> bool:
        """Whether it is null, blank, or a word that people and programs write for nothing: "None", "n/a"."""
        return self.text.strip().lower() in _NOTHING


class Sequence(msgspec.Struct, frozen=True):
    line: int
    items: list[Node]


class Mapping(msgspec.Struct, frozen=True):
    """A mapping of keys to values. The line of an entry is that of its key."""

    line: int
    entries: dict[str, Node]


Node = Scalar | Sequence | Mapping


def is_empty(node: Node) -> bool:
    """Returns whether a value is an empty scalar, or a list of only such scalars."""
    if isinstance(node, Sequence):
        return all(isinstance(item, Scalar) and item.is_empty for item in node.items)
    return isinstance(node, Scalar) and node.is_empty


class _RefusedError(Exception):
    """Something in a file is not allowed, so that the rest of the file cannot be read."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def read_yaml(path: Path, report: Report) -> Mapping | None:
    """Reads a file that consists of a YAML mapping. Returns None, with a fault in the report, if the file
    cannot be read or holds anything else."""
    try:
        content = read_bytes(path, MAX_BYTES)
    except SourceError as error:
        for finding in error.findings:
            report.fault(finding.line, finding.message)
        return None
    return parse_yaml(content, report)


def line_of(path: Path, *keys: str) -> int | None:
    """Returns the line of a key, for a finding that is made after the file was read; None if there is no such
    key. `keys` lead to it from the top of the file."""
    node: Node | None = read_yaml(path, Report(path.name))
    for key in keys:
        node = node.entries.get(key) if isinstance(node, Mapping) else None
    return node.line if node else None


def parse_yaml(content: bytes, report: Report) -> Mapping | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        report.fault(line, "the file is not UTF-8 text here; save it as UTF-8")
        return None
    if match := _TAG_DIRECTIVE.search(text):  # libyaml compares each with all others
        line = text.count("\n", 0, match.start()) + 1
        report.fault(line, "this is a YAML directive (%TAG); leave it out")
        return None
    try:
        return _Builder(yaml.parse(text, Loader=_Loader), report).document()
    except _RefusedError as error:
        report.fault(error.line, str(error))
    except yaml.reader.ReaderError as error:
        # The C parser counts bytes, the Python one characters: they agree in all but non-ASCII files.
        line = text.encode().count(b"\n", 0, error.position) + 1
        character = f"U+{_code_point(error.character):04X}"
        report.fault(line, f"the file holds the character {character}, which YAML does not allow")
    except (ValueError, OverflowError) as error:  # "\U00110000", for which the Python parser has no message
        report.fault(None, f"the file is not valid YAML: {error}")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "it cannot be parsed"
        report.fault(mark.line + 1 if mark else None, f"the file is not valid YAML: {problem}")
    return None


def _code_point(character: int | str) -> int:
    """Returns the code point of a character, which PyYAML gives as a number or as text, depending on the
    parser."""
    return character if isinstance(character, int) else ord(character)


class _Builder:
    def __init__(self, events: Iterator[yaml.Event], report: Report) -> None:
        self.events = events
        self.report = report
        self.values = 0

    def document(self) -> Mapping | None:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _RefusedError(_line(event), "a second document begins here; a file holds one")
                first = next(self.events)
                root = self.node(first, _line(first), 0)
        if root is None or (isinstance(root, Scalar) and root.is_null):
            raise _RefusedError(1, "the file is empty")
        if not isinstance(root, Mapping):
            raise _RefusedError(root.line, "the file must consist of lines of the form `key: value`")
        return root

    def node(self, event: yaml.Event, line: int, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(line, f"this uses a YAML alias (*{event.anchor}); write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _RefusedError(line, f"this uses a YAML tag ({quoted(tag)}); leave it out")
        if depth > MAX_DEPTH:
            raise _RefusedError(line, f"this is nested more than {MAX_DEPTH} levels deep")
        self.values += 1
        if self.values > MAX_VALUES:
            raise _RefusedError(line, f"here the file has more than the {MAX_VALUES:,} values allowed")
        if isinstance(event, yaml.ScalarEvent):
            _check_text(event.value, line, MAX_TEXT_CHARACTERS)
            return Scalar(line, event.value, event.implicit[0])
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
                items.append(self.node(item, _line(item), depth + 1))
            return Sequence(line, items)
        return Mapping(line, self.entries(depth + 1))

    def entries(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = _line(event)
            key = self.node(event, line, depth)
            if not isinstance(key, Scalar):
                raise _RefusedError(line, "there is a list or a mapping where a key should be")
            _check_text(key.text, line, MAX_KEY_CHARACTERS)
            if key.text in entries:
                first = entries[key.text].line
                self.report.warning(
                    line, f"{quoted(key.text)} was given already in line {first}; this later one counts"
                )
            entries[key.text] = self.node(next(self.events), line, depth)
        return entries


def _check_text(text: str, line: int, most: int) -> None:
    if len(text) > most:
        allowed = f"has {len(text):,} characters; the most allowed is {most:,}"
        raise _RefusedError(line, f"{quoted(text)} {allowed}")
    if match := _NO_TEXT.search(text):
        raise _RefusedError(line, f"this holds the character U+{ord(match[0]):04X}, which is not allowed")


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1

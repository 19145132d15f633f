"""Reads the keys of a YAML mapping, each as a value of the type that it should have.

A value that does not fit is reported with its line, and counts as not given. It is a fault, because most keys
decide which clients are sent where; where a key only describes a mirror, it is a warning. An empty value
("None", an empty entry of a list) is a warning, but a fault if the key restricts what is served. A list that
is longer than a person would write is a fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

import msgspec

from app.model.words import quoted
from app.sources.report import Report
from app.sources.restricting import NO_RESTRICTIONS, Restrictions
from app.sources.yaml_file import Mapping, Node, Scalar, Sequence, is_empty

MAX_ENTRIES = 500
"""The largest number of entries that a list may have."""

MAX_STRANGE_KEYS = 200
"""The largest number of unknown keys in a file that are judged. Each of them is compared with all keys that
it may be a misspelling of."""

MAX_DURATION_S = 366 * 86400

_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(
    r"(\d{1,9})\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:(?:ou)?rs?)?|(d)(?:ays?)?|(w)(?:eeks?)?)",
    re.IGNORECASE,
)
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#\"<>\\^`{|}]+([/?#][^\s\"<>\\^`{|}]*)?", re.IGNORECASE)
_TURNS_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""The control characters that embed, override and isolate directions of writing (Unicode annex 9)."""
_LOSES_A_ZERO = re.compile(r"\d+\.\d*0")


class Bounds(msgspec.Struct, frozen=True):
    """The bounds of a number, both ends allowed."""

    low: float
    high: float

    def hold(self, number: float) -> bool:
        """Returns whether a number is within the bounds."""
        return self.low <= number <= self.high

    def __str__(self) -> str:
        return f"at least {self.low:g} and at most {self.high:g}"


def duration_s(text: str) -> int | None:
    """Returns the seconds of "90s", "30m", "12h", "1d" or "2 weeks". Returns None if the text is no duration,
    or the duration is zero or longer than a year."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    unit = next(letter for letter in match.groups()[1:] if letter)
    seconds = int(match[1]) * _UNITS_S[unit.lower()]
    return seconds if 0 < seconds <= MAX_DURATION_S else None


def _said(node: Node) -> str:
    """Returns a description of a value for a message: its text in quotes, or that it is a list or a
    mapping."""
    return quoted(node.text) if isinstance(node, Scalar) else "a list or a mapping"


class Fields:
    """Reads the values of a mapping by their keys, and reports what is wrong with them. Messages put
    `prefix`, such as "geolocation.", before the name of a key. `restricting` are the keys that restrict what
    is served, and so must not be overlooked."""

    def __init__(
        self,
        mapping: Mapping,
        report: Report,
        prefix: str = "",
        restricting: Restrictions = NO_RESTRICTIONS,
    ) -> None:
        self.mapping = mapping
        self.report = report
        self.prefix = prefix
        self.restricting = restricting
        self._read: set[str] = set()

    def _node(self, key: str) -> Node | None:
        """Returns the value of a key, or None if the mapping lacks the key. From now on the key counts as
        known."""
        self._read.add(key)
        return self.mapping.entries.get(key)

    def _given(self, key: str) -> Node | None:
        """Returns the value of a key, or None if it is empty or the mapping lacks the key."""
        node = self._node(key)
        return None if isinstance(node, Scalar) and node.is_empty else node

    def __contains__(self, key: str) -> bool:
        return self._given(key) is not None

    def line(self, key: str) -> int:
        """Returns the line of the key, or of the mapping if there is no such key."""
        node = self.mapping.entries.get(key)
        return self.mapping.line if node is None else node.line

    def fault(self, key: str, message: str) -> None:
        self.report.fault(self.line(key), f"{self.prefix}{key}: {message}")

    def warning(self, key: str, message: str) -> None:
        self.report.warning(self.line(key), f"{self.prefix}{key}: {message}")

    def check_keys(self, known: Collection[str] | None = None) -> None:
        """Reports unknown keys, restricting keys that are empty, and words such as "None" as values. Without
        `known`, the keys that have been read are known."""
        known = self._read if known is None else known
        for key, node in self.mapping.entries.items():
            if key not in known:
                if not self._may_restrict(key, f"{self.prefix}{key}", node):
                    close = self.report.did_you_mean(key, known)
                    self.warning(key, f"this key is not known here, and is ignored{close}")
            elif key in self.restricting.keys and is_empty(node):
                self.fault(key, "is empty, and so would restrict nothing; give it a value, or take it out")
            elif isinstance(node, Scalar) and node.is_empty and not node.is_null and node.text.strip():
                self.warning(key, f"{quoted(node.text)} is taken as no value; leave the key out")

    def _may_restrict(self, key: str, path: str, node: Node) -> bool:
        """Returns whether an unknown key, or a key below it, may be a misspelling of one that restricts, and
        reports that as a fault. `path` is the key's full name for messages. If a file has more unknown keys
        than are judged, that is a fault too, and each further key counts as such a misspelling."""
        self.report.strange_keys += 1
        if self.report.strange_keys > MAX_STRANGE_KEYS:
            if self.report.strange_keys == MAX_STRANGE_KEYS + 1:
                problem = f"from here on, more than {MAX_STRANGE_KEYS} keys are not known"
                self.report.fault(node.line, f"{path}: {problem}; take them out")
            return True
        meant = self.restricting.meant(key)
        if meant is None:
            return self._may_restrict_below(path, node)
        self._fault_restriction(node.line, path, meant)
        return True

    def _may_restrict_below(self, path: str, node: Node) -> bool:
        if isinstance(node, Mapping):
            below = [self._may_restrict(key, f"{path}.{key}", value) for key, value in node.entries.items()]
            return True in below
        if isinstance(node, Sequence):
            return True in [self._may_restrict_below(path, item) for item in node.items]
        meant = self.restricting.meant_by_value(node.text)
        if meant is not None:
            self._fault_restriction(node.line, f"{path}: {quoted(node.text)}", meant)
        return meant is not None

    def _fault_restriction(self, line: int, found: str, meant: str) -> None:
        remedy = f"write `{meant}` {self.restricting.place}, or take this out"
        self.report.fault(line, f"{found}: this has no effect here, and may be meant to restrict; {remedy}")

    def text(self, key: str, describes: bool = False) -> str | None:
        """Returns the text of a key, without blanks around it; None if it is not given or empty. Anything
        else than a text is a fault, or a warning if the key only `describes` the mirror. Such a text is shown
        beside others, so what would turn their direction of writing is left out of it."""
        node = self._given(key)
        if node is None:
            return None
        if not isinstance(node, Scalar):
            if not describes:
                self.fault(key, f"must be a single value, and is {_said(node)}")
            elif not self._may_restrict_below(f"{self.prefix}{key}", node):
                self.warning(key, "should be a text, not a list or a mapping; ignored")
            return None
        text = node.text
        if describes and _TURNS_DIRECTION.search(text):
            self.warning(key, "holds characters that turn the direction of writing; they are left out")
            text = _TURNS_DIRECTION.sub("", text)
        return text.strip() or None

    def flag(self, key: str, default: bool) -> bool:
        node = self._given(key)
        if node is None:
            return default
        word = node.text.strip().lower() if isinstance(node, Scalar) else ""
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        self.fault(key, f"must be true or false, and is {_said(node)}")
        return default

    def number(self, key: str, bounds: Bounds) -> float | None:
        node = self._given(key)
        if node is None:
            return None
        try:
            number = float(node.text) if isinstance(node, Scalar) else math.nan
        except ValueError:
            number = math.nan
        if bounds.hold(number):
            return number
        self.fault(key, f"must be a number of {bounds}, and is {_said(node)}")
        return None

    def whole(self, key: str, bounds: Bounds) -> int | None:
        number = self.number(key, bounds)
        if number is not None and number != int(number):
            self.fault(key, f"must be a whole number, and is {number:g}")
        return None if number is None else int(number)

    def seconds(self, key: str) -> int | None:
        text = self.text(key)
        if text is None:
            return None
        duration = duration_s(text)
        if duration is None:
            allowed = "must be a duration of at most a year, such as 90s, 30m, 12h or 1d"
            self.fault(key, f"{allowed}, and is {quoted(text)}")
        return duration

    def web_address(self, key: str) -> str | None:
        """Returns an http or https URL, which may be shown in a page; None if there is none. Any other value
        is a warning."""
        text = self.text(key, describes=True)
        if text is None or _WEB_ADDRESS.fullmatch(text):
            return text
        self.warning(key, f"{quoted(text)} is not an http:// or https:// URL; ignored")
        return None

    def scalars(self, key: str, most: int = MAX_ENTRIES, what: str = "entries") -> list[Scalar]:
        """Returns the entries of a list, without empty ones. A single value counts as a list of one. More
        than `most` entries are a fault, and none is returned. Messages call the entries `what`."""
        node = self._given(key)
        if node is None or self._is_too_long(key, node, most, what):
            return []
        nodes = node.items if isinstance(node, Sequence) else [node]
        scalars = []
        for item in nodes:
            if not isinstance(item, Scalar):
                self.report.fault(item.line, f"{self.prefix}{key}: must be a list of plain values")
            elif item.is_empty:
                self.report.warning(item.line, f"{self.prefix}{key}: this entry is empty, and is ignored")
            else:
                self.warn_of_lost_zero(item)
                scalars.append(Scalar(item.line, item.text.strip(), item.plain))
        return scalars

    def _is_too_long(self, key: str, node: Node, most: int, what: str = "entries") -> bool:
        length = len(node.items) if isinstance(node, Sequence) else 1
        if length > most:
            self.fault(key, f"there are {length:,} {what}; the most allowed is {most}")
        return length > most

    def warn_of_lost_zero(self, scalar: Scalar) -> None:
        if scalar.plain and _LOSES_A_ZERO.fullmatch(scalar.text):
            misread = f"{float(scalar.text):g}"
            self.report.warning(
                scalar.line,
                f'write "{scalar.text}" with its quotes; without, other programs read the number {misread}',
            )

    def mapping_of(
        self, key: str, restricting: Restrictions | None = None, describes: bool = False
    ) -> Fields:
        """Returns a reader of the mapping that is the value of a key. If the key is not given, the reader
        finds no keys. The same holds for a value that is no mapping; unless empty, that value is a fault, or
        a warning if the key only `describes` the mirror. `restricting` are the keys of the inner mapping that
        restrict what is served, by default the same as in this mapping."""
        node = self._node(key)
        below = node if isinstance(node, Mapping) else Mapping(self.line(key), {})
        restricting = self.restricting if restricting is None else restricting
        fields = Fields(below, self.report, f"{self.prefix}{key}.", restricting)
        if node is not None and node is not below and key in self:
            problem = "must be a mapping: lines of the form `key: value`, indented below it"
            if not describes:
                self.fault(key, problem)
            elif not fields._may_restrict_below(f"{self.prefix}{key}", node):
                self.warning(key, f"{problem}; ignored")
        return fields

    def mappings(self, key: str, restricting: Restrictions = NO_RESTRICTIONS) -> Iterator[Fields]:
        """Yields a reader for each mapping in the list that is the value of a key. A value that is not a
        list, a list that is too long, and an entry that is not a mapping are faults. An empty entry is a
        warning."""
        node = self._node(key)
        if node is None:
            return
        if not isinstance(node, Sequence):
            self.fault(key, "must be a list")
            return
        if self._is_too_long(key, node, MAX_ENTRIES):
            return
        for item in node.items:
            if isinstance(item, Mapping):
                yield Fields(item, self.report, f"{self.prefix}{key}: ", restricting)
            elif isinstance(item, Scalar) and item.is_empty:
                self.report.warning(item.line, f"{self.prefix}{key}: this entry is empty, and is ignored")
            else:
                self.report.fault(item.line, f"{self.prefix}{key}: every entry must be a mapping")

"""Reads the keys of a YAML mapping, each as a value of the type that it should have.

A value that does not fit is a finding with the key's line, and counts as not given. Where a text is
expected, this is a warning, because texts only describe. Anything else is a fault, because it decides
which clients are sent where. An empty value ("None", an empty entry of a list) is a warning too, unless
the key is there to restrict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

import msgspec

from app.model.words import quoted
from app.sources.report import Report, did_you_mean
from app.sources.restricting import NO_RESTRICTIONS, Restrictions
from app.sources.yaml_file import Mapping, Node, Scalar, Sequence, is_empty

_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(
    r"(\d{1,9})\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:(?:ou)?rs?)?|(d)(?:ays?)?|(w)(?:eeks?)?)",
    re.IGNORECASE,
)
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#\"<>\\^`{|}]+([/?#][^\s\"<>\\^`{|}]*)?", re.IGNORECASE)
_LOSES_A_ZERO = re.compile(r"\d+\.\d*0")


class Bounds(msgspec.Struct, frozen=True):
    """The bounds of a number, both ends allowed."""

    low: float
    high: float
    #: Whether the lower end itself is not allowed.
    above: bool = False

    def hold(self, number: float) -> bool:
        """Returns whether a number is within the bounds."""
        return self.low <= number <= self.high and not (self.above and number == self.low)

    def __str__(self) -> str:
        start = f"more than {self.low:g} and" if self.above else f"at least {self.low:g} and"
        return f"{start} at most {self.high:g}"


def duration_s(text: str) -> int | None:
    """The seconds of "90s", "30m", "12h", "1d" or "2 weeks". None if it is not a duration above zero."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    unit = next(letter for letter in match.groups()[1:] if letter)
    return int(match[1]) * _UNITS_S[unit.lower()] or None


def _said(node: Node) -> str:
    """The value in the file, for a message."""
    return quoted(node.text) if isinstance(node, Scalar) else "a list or a mapping"


class Fields:
    """The keys of a mapping. Messages put `prefix`, such as "geolocation.", before the name of a key.
    `restricting` are the keys that must not be overlooked."""

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
        """The value of a key, which is known from now on; None if it is not there."""
        self._read.add(key)
        return self.mapping.entries.get(key)

    def _given(self, key: str) -> Node | None:
        """The value of a key; None if it is not there or empty."""
        node = self._node(key)
        return None if isinstance(node, Scalar) and node.is_empty else node

    def __contains__(self, key: str) -> bool:
        return self._given(key) is not None

    def line(self, key: str) -> int:
        """The line of the key, or of the mapping if there is no such key."""
        node = self.mapping.entries.get(key)
        return self.mapping.line if node is None else node.line

    def fault(self, key: str, message: str) -> None:
        self.report.fault(self.line(key), f"{self.prefix}{key}: {message}")

    def warning(self, key: str, message: str) -> None:
        self.report.warning(self.line(key), f"{self.prefix}{key}: {message}")

    def check_keys(self, known: Collection[str] | None = None) -> None:
        """Finds keys that are not known here, and keys without a value. The keys that have been read are
        known, unless others are given."""
        known = self._read if known is None else known
        for key, node in self.mapping.entries.items():
            if key not in known:
                if not self._may_restrict(key, f"{self.prefix}{key}", node):
                    self.warning(key, f"this key is not known here, and is ignored{did_you_mean(key, known)}")
            elif key in self.restricting.keys and is_empty(node):
                self.fault(key, "is empty, and so would restrict nothing; give it a value, or take it out")
            elif isinstance(node, Scalar) and node.is_empty and not node.is_null and node.text.strip():
                self.warning(key, f"{quoted(node.text)} is taken as no value; leave the key out")

    def _may_restrict(self, key: str, path: str, node: Node) -> bool:
        """Returns whether an unknown key, or one below it, may be meant as one that restricts. If so, that is
        noted as a fault."""
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

    def text(self, key: str) -> str | None:
        """The text of a key, without blanks around it; None if it is not given or empty."""
        node = self._given(key)
        if node is None:
            return None
        if not isinstance(node, Scalar):
            if not self._may_restrict_below(f"{self.prefix}{key}", node):
                self.warning(key, "should be a text, not a list or a mapping; ignored")
            return None
        return node.text.strip() or None

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
            self.fault(key, f"must be a duration such as 90s, 30m, 12h or 1d, and is {quoted(text)}")
        return duration

    def web_address(self, key: str) -> str | None:
        """An http or https URL, which may be shown in a page. Anything else is a warning."""
        text = self.text(key)
        if text is None or _WEB_ADDRESS.fullmatch(text):
            return text
        self.warning(key, f"{quoted(text)} is not an http:// or https:// URL; ignored")
        return None

    def scalars(self, key: str) -> list[Scalar]:
        """The entries of a list, without empty ones. A single value counts as a list of one."""
        node = self._given(key)
        if node is None:
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
        """The keys below this one; there are none if it is not given or no mapping. The latter is a fault,
        unless the key only `describes`. The same keys are `restricting` there, unless others are given."""
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
        """Yields the entries of a list of mappings."""
        node = self._node(key)
        if node is None:
            return
        if not isinstance(node, Sequence):
            self.fault(key, "must be a list")
            return
        for item in node.items:
            if isinstance(item, Mapping):
                yield Fields(item, self.report, f"{self.prefix}{key}: ", restricting)
            elif isinstance(item, Scalar) and item.is_empty:
                self.report.warning(item.line, f"{self.prefix}{key}: this entry is empty, and is ignored")
            else:
                self.report.fault(item.line, f"{self.prefix}{key}: every entry must be a mapping")

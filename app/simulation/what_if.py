"""The changes with which `mirrorwise simulate` compares the live network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from app.model import Mirror, MirrorwiseError, SelectionPolicy, ServiceConfig, Severity, SourceError
from app.model.words import quoted
from app.snapshot.compile import Inputs
from app.sources.fields import Fields
from app.sources.mirror_files import read_mirror
from app.sources.report import Report, did_you_mean
from app.sources.service_policy import selection_policy
from app.sources.yaml_file import Mapping as YamlMapping
from app.sources.yaml_file import Scalar
from app.sources.yaml_file import Sequence as YamlSequence
from app.worker.reader import InputReader

Rule = Literal["country-500km"]
SECTION = "selection"


class WhatIfError(MirrorwiseError):
    """A change cannot be made to the network as it is."""


@dataclass(frozen=True)
class WhatIf:
    """Changes of a network of mirrors, or of the rule by which its clients are sent to mirrors. There may be
    none."""

    #: The names of mirrors to take away.
    without: Sequence[str] = ()
    #: The files of mirrors to add.
    added: Sequence[Path] = ()
    #: New values by key of `selection`.
    policy: Mapping[str, object] = field(default_factory=dict)
    #: Another rule by which clients are sent.
    rule: Rule | None = None
    #: Whether load prices are solved anew, rather than used as they stand.
    settled: bool = False

    @property
    def changes_network(self) -> bool:
        return bool(self.without or self.added or self.policy)

    @property
    def changes_anything(self) -> bool:
        return self.changes_network or self.settled or self.rule is not None

    def apply(self, inputs: Inputs, reader: InputReader) -> Change:
        """Returns the network that these changes make of `inputs`. Raises MirrorwiseError if a mirror to take
        away does not exist, a file has a fault, or two files name the same mirror."""
        mirrors = {mirror.name: mirror for mirror in inputs.mirrors}
        for name in self.without:
            if name not in mirrors:
                close = did_you_mean(name, mirrors)
                raise WhatIfError(f"--without: there is no mirror {quoted(name)}{close}")
        mirrors = {name: mirror for name, mirror in mirrors.items() if name not in self.without}
        locations, notes = dict(inputs.locations), []
        files: dict[str, Path] = {}
        for path in self.added:
            mirror = _read(path, inputs.config)
            key = mirror.name.lower()  # names that differ in case alone are the same
            if key in files:
                raise WhatIfError(
                    f"--with: {files[key]} and {path} both name the mirror {quoted(mirror.name)}"
                )
            files[key] = path
            for present in [name for name in mirrors if name.lower() == key]:
                del mirrors[present]
                notes.append(
                    f"--with: {quoted(path.name)} takes the place of the mirror {present} that there is"
                )
            mirrors[mirror.name] = mirror
            locations[mirror.name] = reader.locator().locate(mirror, inputs.states.get(mirror.name))
        policy = msgspec.structs.replace(inputs.config.selection, **self.policy)
        changed = replace(
            inputs,
            config=msgspec.structs.replace(inputs.config, selection=policy),
            mirrors=[mirrors[name] for name in sorted(mirrors)],
            locations=locations,
        )
        return Change(changed, [name for name in mirrors if name.lower() in files], notes)


class Change(NamedTuple):
    """A changed network, with what there is to say about the change."""

    inputs: Inputs
    #: The names of the mirrors that were added.
    added: Sequence[str]
    #: Sentences about mirrors that were replaced.
    notes: Sequence[str]


def _read(path: Path, config: ServiceConfig) -> Mirror:
    """Reads a mirror from a file. The mirror counts as if the prober had found it well."""
    mirror, findings = read_mirror(path, config)
    if mirror is None:
        faults = [finding for finding in findings if finding.severity is Severity.FAULT]
        raise SourceError([msgspec.structs.replace(finding, file=str(path)) for finding in faults])
    return msgspec.structs.replace(mirror, probe=False)


def policy_changes(assignments: Sequence[str]) -> dict[str, object]:
    """Reads new values, by key of `selection`, from texts such as "selection.border_km=800". Raises
    ValueError, which says what is allowed, if config.yml would not accept one of them."""
    entries: dict[str, Scalar | YamlSequence | YamlMapping] = {}
    known = SelectionPolicy.__struct_fields__
    for text in assignments:
        path, given, value = text.partition("=")
        section, _, key = path.strip().partition(".")
        if not given or section != SECTION or key not in known:
            close = did_you_mean(path, [f"{SECTION}.{name}" for name in known])
            raise ValueError(
                f"{quoted(text)} is not understood; write {SECTION}.KEY=VALUE, KEY being one of "
                f"{', '.join(known)}{close}"
            )
        words = [Scalar(1, word.strip()) for word in value.split(",")]
        entries[key] = YamlSequence(1, list(words)) if len(words) > 1 else words[0]
        if not value.strip():
            raise ValueError(f"{quoted(text)} has no value")
    report = Report("--set")
    policy = selection_policy(Fields(YamlMapping(1, {SECTION: YamlMapping(1, entries)}), report))
    if report.findings:
        raise ValueError("; ".join(finding.message for finding in report.findings))
    return {key: getattr(policy, key) for key in entries}

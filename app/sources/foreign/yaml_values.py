"""Values as YAML files have them, and how such a file is written."""

from __future__ import annotations

from typing import TypeAlias, Union

import yaml

Yaml: TypeAlias = Union[str, int, float, bool, list["Yaml"], dict[str, "Yaml"]]  # noqa: UP007  # it names itself


class _Dumper(yaml.SafeDumper):
    """Writes out a value that occurs twice, because our reader refuses aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def as_yaml(content: dict[str, Yaml], comment: str) -> bytes:
    """Writes the content of a file, below a comment of one line."""
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return f"# {comment}\n{text}".encode()

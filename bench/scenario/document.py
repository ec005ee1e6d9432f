"""Text to plain data, with the place every value came from, so that each mistake can be shown where it was written.

YAML is read by its core rules (YAML 1.2): `on`, `yes`, `1:30` and dates are text, `1e3` is a number. Tags and duplicate
keys are mistakes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import JsonValue

from bench.model.errors import ConfigurationError

Key = tuple[str | int, ...]
"""Path of a value: keys of mappings and indices of lists, from the top."""

_MOST_BYTES = 4_000_000
_MOST_VALUES = 200_000  # ten thousand trace rows several times over; stops an alias bomb
_HELP = "see docs/scenario.md for what a scenario looks like"
_PREFIX = "tag:yaml.org,2002:"
NUMBERS = {
    "int": re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
}
"""Unquoted text that is a number, by YAML tag."""


@dataclass(slots=True)
class Document:
    """A parsed scenario that may still be wrong.

    `data` are plain values. `origins` says where a key was written ("file.yaml:7"), `spelled` by which path the reader
    knows a value that came from shorthand. `mistakes` are finished lines; of the keys in `reported` no more is said.
    """

    name: str
    data: dict[str, JsonValue]
    origins: dict[Key, str]
    spelled: dict[Key, Key] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    reported: set[Key] = field(default_factory=set)

    def origin(self, key: Key) -> str:
        """Where the value, or the nearest mapping that holds it, was written."""
        for length in range(len(key), -1, -1):
            if (found := self.origins.get(key[:length])) is not None:
                return found
        return self.name

    def shown(self, key: Key) -> str:
        """The dotted path as the reader wrote it."""
        for length in range(len(key), 0, -1):
            if (prefix := self.spelled.get(key[:length])) is not None:
                return ".".join(map(str, prefix + key[length:]))
        return ".".join(map(str, key))

    def value(self, key: Key) -> JsonValue:
        """The value at a key; None if there is none."""
        value: Any = self.data
        for part in key:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return cast(JsonValue, value)

    def move(self, old: Key, new: Key) -> None:
        """The value at `old` now stands at `new`; the reader still knows it as `old`."""
        for key in [key for key in self.origins if key[: len(old)] == old]:
            self.origins[new + key[len(old) :]] = self.origins[key]
        self.spelled[new] = self.spelled.get(old, old)

    def forget(self, key: Key) -> None:
        """The value at `key` is about to be replaced."""
        for known in [known for known in self.origins if known[: len(key)] == key]:
            del self.origins[known]
        for known in [known for known in self.spelled if known[: len(key)] == key]:
            del self.spelled[known]

    def add(self, key: Key, what: str, remedy: str, got: object = None) -> None:
        """Note one mistake: `place: key: what (got value); remedy`."""
        shown = "" if got is None else f" (got {shorten(got)})"
        path = f"{self.shown(key)}: " if key else ""
        self.mistakes.append(f"{self.origin(key)}: {path}{what}{shown}; {remedy}")


def shorten(value: object) -> str:
    """A value for a message: its repr, cut at 60 characters, without what looks like credentials in an address."""
    text = without_credentials(repr(value))
    return text if len(text) <= 60 else f"{text[:59]}…"


def without_credentials(text: str) -> str:
    """The text with what stands before the host of an address blotted out."""
    return re.sub(r"(?i)(password=)[^&\s'\"]*", r"\1…", re.sub(r"//[^/\s]*@", "//…@", text))


def read_text(path: Path) -> str:
    """The text of a scenario file; ConfigurationError for whatever is not a text file of sensible size."""
    if path.is_dir():
        raise ConfigurationError(f"{path}: is a directory", remedy="name a scenario file inside it")
    if not path.is_file():
        raise ConfigurationError(
            f"{path}: no such file", remedy="check the path; examples/ holds scenarios to start from"
        )
    try:
        content = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}", remedy="check its permissions") from error
    if content is None:
        raise ConfigurationError(f"{path}: is larger than 4 MB", remedy="put a long trace into a file of its own")
    if b"\0" in content:
        raise ConfigurationError(f"{path}: is a binary file, not YAML", remedy=_HELP)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}:{line}: is not UTF-8 text", remedy="save the file as UTF-8") from error


def parse_document(text: str, name: str) -> Document:
    """Parse a scenario's text; ConfigurationError where no mapping of keys can be made of it at all."""
    node = _compose(text, name)
    document = Document(name, {}, {(): f"{name}:1"})
    if node is None:
        raise ConfigurationError(f"{name}: is empty", remedy=_HELP)
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        place = f"{name}:{node.start_mark.line + 1}"
        raise ConfigurationError(f"{place}: holds {kind}, not keys and values", remedy=_HELP)
    value = _Reader(document).read(node, ())
    document.data = value if isinstance(value, dict) else {}
    return document


def parse_value(text: str) -> JsonValue:
    """One value as `--set` takes it; ConfigurationError if it is not YAML."""
    document = Document("value", {}, {})
    node = _compose(text, "value")
    value = None if node is None else _Reader(document).read(node, ())
    if document.mistakes:
        what, _, remedy = document.mistakes[0].removeprefix("value:1: ").rpartition("; ")
        raise ConfigurationError(what, remedy=remedy)
    return value


def document_of(mapping: Mapping[str, JsonValue], name: str) -> Document:
    """A document of values that were never text; the mapping is copied."""
    return Document(name, {str(key): _copy(value) for key, value in mapping.items()}, {(): name})


def _copy(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {str(key): _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list | tuple) else value


class _Loader(yaml.SafeLoader):
    """Resolves plain text by the core rules of YAML 1.2 only."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver(f"{_PREFIX}null", re.compile(r"~|null|Null|NULL|^$"), None)
_Loader.add_implicit_resolver(f"{_PREFIX}bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), None)
for _tag, _pattern in NUMBERS.items():
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(f"({_pattern.pattern})$"), None)


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            node: yaml.Node | None = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        tab = "'\\t'" in (error.problem or "")
        remedy = (
            "indent with spaces, not tabs" if tab else "check indentation, colons, quotes and brackets near this line"
        )
        raise ConfigurationError(f"{place}: is not YAML: {error.problem}", remedy=remedy) from error
    except yaml.reader.ReaderError as error:
        raise ConfigurationError(f"{name}: is not YAML text: {error.reason}", remedy=_HELP) from error
    except RecursionError as error:
        raise ConfigurationError(f"{name}: is nested too deeply", remedy=_HELP) from error
    return node


@dataclass(slots=True)
class _Reader:
    document: Document
    values: int = 0

    def read(self, node: yaml.Node, key: Key) -> JsonValue:
        self.values += 1
        self.document.origins.setdefault(key, f"{self.document.name}:{node.start_mark.line + 1}")
        if self.values > _MOST_VALUES or len(key) > 50:
            raise ConfigurationError(f"{self.document.origin(key)}: holds too many or too deep values", remedy=_HELP)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*key, at)) for at, item in enumerate(node.value)]
        return self._scalar(node, key)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> JsonValue:
        found: dict[str, JsonValue] = {}
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else "?"
            place = f"{self.document.name}:{name_node.start_mark.line + 1}"
            if name in found:
                first = self.document.origins[(*key, name)]
                path = self.document.shown((*key, name))
                self.document.mistakes.append(
                    f"{place}: {path}: is given twice, first at {first}; remove one of the two"
                )
                continue
            self.document.origins[(*key, name)] = place
            found[name] = self.read(value_node, (*key, name))
        return found

    def _scalar(self, node: yaml.Node, key: Key) -> JsonValue:
        text = str(node.value)
        tag = str(node.tag).removeprefix(_PREFIX)
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        if tag == "int":
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        if tag == "float":
            return float(text) if math.isfinite(float(text)) else text
        if tag != "str":
            self.document.add(key, f"has the tag {node.tag}", "remove the tag")
        return text

"""Validation errors in the words of the product: where, which key, what is wrong, which value, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bench.scenario.arrival_schema import ARRIVALS
from bench.scenario.document import Document, Key
from bench.scenario.fields import MISTAKES, Mistake
from bench.scenario.schema import Scenario

_PROCESSES: dict[str, type[BaseModel]] = {get_args(a.model_fields["process"].annotation)[0]: a for a in ARRIVALS}
_NUMBER = ("is not a number", "write a number such as 0.5")
_WHOLE = ("is not a whole number", "write a whole number such as 5")
_TEXT = ("is not text", "put it in quotes if it should be text")
_LIST = ("is not a list", "write [a, b], or one line with '- ' per item")
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "greater_than": ("is too small", "use more than {gt}"),
    "greater_than_equal": ("is too small", "use {ge} or more"),
    "less_than": ("is too large", "use less than {lt}"),
    "less_than_equal": ("is too large", "use at most {le}"),
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "finite_number": ("is not finite", "write a number such as 0.5"),
    "string_type": _TEXT,
    "tuple_type": _LIST,
    "too_short": ("has too few items", "give at least {min_length}"),
    "too_long": ("has too many items", "give at most {max_length}"),
    "dict_type": ("is not a mapping", "write keys and values below it"),
}


def note_mistakes(document: Document, error: ValidationError, model: type[BaseModel] = Scenario) -> None:
    """Add every error of a failed validation of `model` to the document's mistakes."""
    for details in error.errors(include_url=False):
        key = _written_key(details["loc"])
        if key in document.reported or details["type"] == "default_factory_not_called":
            continue  # it is, or it follows from, a mistake that is told already
        for at, what, remedy, show in _sentences(details, key, model):
            document.add(at, what, remedy, document.value(at) if show else None)


def nearest(word: str, known: list[str]) -> str:
    """A remedy that names the known word nearest to `word`, or all of them if none is near."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"use one of: {', '.join(known)}"


def known_keys(key: Key, top: type[BaseModel] = Scenario) -> list[str]:
    """The keys a mapping at `key` may have; empty where it is free. A process name stands in the path of `arrival`."""
    model: type[BaseModel] | None = top
    for part in key:
        if model is None:
            return []
        if isinstance(part, int):
            continue
        info = _fields(model).get(part)
        model = _model_of(info) if info else _PROCESSES.get(part)
    return [] if model is None else [*_fields(model), *getattr(model, "shorthand", {})]


def _sentences(details: ErrorDetails, key: Key, model: type[BaseModel]) -> Iterator[tuple[Key, str, str, bool]]:
    """(key, what, remedy, whether to show the value) of one pydantic error."""
    kind, location = details["type"], details["loc"]
    context: Mapping[str, Any] = details.get("ctx", {})
    if kind == MISTAKES:
        mistakes: tuple[Mistake, ...] = context[MISTAKES]
        yield from ((key + found.key, found.what, found.remedy, found.show_value) for found in mistakes)
    elif kind == "missing":
        yield key, "is missing", "add it", False
    elif kind == "extra_forbidden":
        yield key, "is not a known key", nearest(str(key[-1]), known_keys(location[:-1], model)), False
    elif kind == "union_tag_not_found":
        yield (*key, "process"), "is missing", f"add one of: {', '.join(_PROCESSES)}", False
    elif kind == "union_tag_invalid":
        yield (*key, "process"), "is not a known process", nearest(context["tag"], list(_PROCESSES)), True
    elif kind in ("model_type", "model_attributes_type"):
        yield key, "is not a mapping", f"write keys below it: {', '.join(known_keys(location, model))}", True
    elif kind in _SENTENCES:
        what, remedy = _SENTENCES[kind]
        yield key, what, remedy.format(**context), True
    else:
        yield key, f"is not accepted: {details['msg']}", "see docs/scenario.md", True


def _written_key(location: tuple[str | int, ...]) -> Key:
    """Pydantic names the chosen process inside the path of `arrival`; files do not."""
    if len(location) > 1 and location[0] == "arrival" and location[1] in _PROCESSES:
        return (location[0], *location[2:])
    return location


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _model_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model inside `X`, `X | None` or `tuple[X, ...]`."""
    candidates = (info.annotation, *get_args(info.annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)

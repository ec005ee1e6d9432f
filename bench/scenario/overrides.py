"""`--set a.b=c`: values given on the command line in place of the file's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import JsonValue

from bench.model.errors import ConfigurationError
from bench.scenario.document import Document, Key, parse_value, without_credentials

TARGETS = ("ledger", "ledgers", "endpoint")
"""Keys of which a scenario has one; setting one drops the others."""


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Write each `key.path=value` into the document, in order; what cannot be placed becomes a mistake of the document.

    A number in the path is an index of an existing list item. Whether a key is known is checked with the rest later.
    """
    for override in overrides:
        path, separator, text = override.partition("=")
        key = _key(path.strip())
        label = f"--set {without_credentials(override)}" if len(override) <= 60 else f"--set {path.strip()}=…"
        if not separator or "" in key:
            document.mistakes.append(f"{label}: is not key=value; write e.g. --set load.workers=2")
            continue
        try:
            _place(document, key, parse_value(text), label)
        except ConfigurationError as error:
            document.mistakes.append(f"{label}: {error.what.removeprefix('value:1: ')}; {error.remedy}")


def expand_shorthand(document: Document) -> None:
    """`ledger: X` becomes `ledgers: [X]`, and the name of a ledger or workload becomes a mapping with that name."""
    data = document.data
    if "ledger" in data:
        if "ledgers" in data:
            document.add(("ledger",), "is given beside ledgers", "keep one of the two")
            data.pop("ledger")
        else:
            data["ledgers"] = [data.pop("ledger")]
            document.origins[("ledgers",)] = document.origin(("ledger",))
            document.move(("ledger",), ("ledgers", 0))
    ledgers = data.get("ledgers")
    if isinstance(ledgers, list):
        data["ledgers"] = [_named(document, ("ledgers", at), ledger) for at, ledger in enumerate(ledgers)]
    if "workload" in data:
        data["workload"] = _named(document, ("workload",), data["workload"])


def _named(document: Document, key: Key, value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    document.move(key, (*key, "name"))
    return {"name": value}


def _key(path: str) -> Key:
    return tuple(int(part) if re.fullmatch("[0-9]{1,6}", part) else part for part in path.split("."))


def _place(document: Document, key: Key, value: JsonValue, label: str) -> None:
    key = _target(document, key)
    holder: JsonValue = document.data
    for at, part in enumerate(key[:-1]):
        if isinstance(holder, dict) and holder.get(str(part)) is None:
            holder[str(part)] = {}
            document.origins[key[: at + 1]] = label
        holder = _inside(document, holder, key[: at + 1])
    if isinstance(holder, list):
        holder[_index(document, holder, key)] = value
    elif isinstance(holder, dict):
        holder[str(key[-1])] = value
        key = (*key[:-1], str(key[-1]))
    else:
        raise ConfigurationError(f"{document.shown(key[:-1])} holds no keys", remedy="set it as a whole")
    document.forget(key)
    document.origins[key] = label
    expand_shorthand(document)


def _target(document: Document, key: Key) -> Key:
    """Make room for another target; `ledger.x` names the only ledger there is."""
    ledgers = document.data.get("ledgers")
    if key[0] == "ledger" and len(key) > 1 and isinstance(ledgers, list):
        if len(ledgers) != 1:
            raise ConfigurationError("several ledgers are listed", remedy="write ledgers.0, ledgers.1 …")
        return ("ledgers", 0, *key[1:])
    if key[0] in TARGETS:
        for other in TARGETS:
            if other in document.data and other != key[0]:
                del document.data[other]
                document.forget((other,))
    return key


def _inside(document: Document, holder: JsonValue, key: Key) -> JsonValue:
    if isinstance(holder, list):
        return holder[_index(document, holder, key)]
    if isinstance(holder, dict):
        return holder[str(key[-1])]
    raise ConfigurationError(f"{document.shown(key[:-1])} holds no keys", remedy="set it as a whole")


def _index(document: Document, holder: list[JsonValue], key: Key) -> int:
    at = key[-1]
    if isinstance(at, int) and at < len(holder):
        return at
    remedy = f"use an index from 0 to {len(holder) - 1}" if holder else "set the list as a whole"
    raise ConfigurationError(f"{document.shown(key[:-1])} has no item {at}", remedy=remedy)

"""Keeps keys that stand in an address's path or query out of everything that is shown or stored.

Vendors of nodes hand out addresses such as https://host/v3/KEY, and there the key cannot move to a file of headers. The
real address stays in the scenario's endpoint in memory, and reaches nobody but the node; all else has `MASK`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MASK = "***"
_ADDRESS = re.compile(r"\b(?:https?|wss?)://[^\s\"'<>\\]+", re.IGNORECASE)
_SEGMENT = re.compile(r"(?<=/)[^/?#\s]+")
_NAMED = re.compile(r"((?:key|token|secret|password|auth)[^=&?#]*=)[^&#]+", re.IGNORECASE)
"""A value in a query whose name says that it is secret, whatever it looks like."""
_SECRET = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_-]{16,}")
"""Like a key: 16 characters and more, letters and digits. A longer word of a path that is none is masked as well."""


def masked(text: str) -> str:
    """`text` with `MASK` in place of all in the paths and queries of its web addresses that looks like a key."""
    return _ADDRESS.sub(_without_keys, text) if "://" in text else text


def masked_values(value: Any) -> Any:
    """The same for every text in a value as JSON has them."""
    match value:
        case str():
            return masked(value)
        case list():
            return [masked_values(part) for part in value]
        case dict():
            return {key: masked_values(part) for key, part in value.items()}
        case _:
            return value


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value as JSON has them, keys of mappings left out."""
    match value:
        case str():
            yield value
        case list() | tuple():
            for part in value:
                yield from texts_in(part)
        case dict():
            yield from texts_in(list(value.values()))


def _without_keys(found: re.Match[str]) -> str:
    scheme, _, rest = found[0].partition("://")
    where, mark, query = rest.partition("?")
    host, slash, path = where.partition("/")
    query = _SECRET.sub(MASK, _NAMED.sub(rf"\1{MASK}", query))
    return f"{scheme}://{host}{_SEGMENT.sub(_without_key, slash + path)}{mark}{query}"


def _without_key(found: re.Match[str]) -> str:
    return _SECRET.sub(MASK, found[0])

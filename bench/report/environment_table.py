"""In what the machines behind a comparison differ: one row per key, one text per candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.bundle.environment_difference import difference, flat, shown

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """One key that is not the same for all; `matters`: it could show in the figures."""

    key: str
    texts: tuple[str, ...]
    matters: bool


def environment_rows(environments: Sequence[Mapping[str, Any]]) -> tuple[EnvironmentRow, ...]:
    """What differs between any of them, what matters first; empty when nothing does."""
    found: dict[str, bool] = {}
    for at, environment in enumerate(environments):
        for earlier in environments[:at]:
            found |= {one.key: one.matters for one in difference(earlier, environment)}
    values = [flat(environment) for environment in environments]
    rows = [EnvironmentRow(key, tuple(_text(key, one) for one in values), matters) for key, matters in found.items()]
    return tuple(sorted(rows, key=lambda row: not row.matters))


def _text(key: str, values: Mapping[str, Any]) -> str:
    return shown(key, values[key]) if key in values else NOT_RECORDED

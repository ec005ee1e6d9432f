"""Arrival traces: the published ones shipped in `traces.json`, and files of the user's own.

A trace is a table of (second, rate): each rate holds from its second until the next row's, and the last row, of rate 0,
says when the trace ends. What a scenario is resolved to is this table itself, so a bundle never depends on a file.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from bench.model.errors import ConfigurationError

Points = list[list[float]]
MOST_POINTS = 10_000
"""Rows of one trace; a day in steps of ten seconds fits."""
_MOST_BYTES = 4_000_000
_SHAPE = "write rows of second and rate: CSV lines such as 0,120 or a JSON list such as [[0, 120], [60, 0]]"


@dataclass(frozen=True, slots=True)
class Trace:
    """A published trace. `total` is how many arrivals its source counts at scale 1."""

    name: str
    summary: str
    total: int
    points: tuple[tuple[float, float], ...]


@cache
def published_traces() -> dict[str, Trace]:
    """The shipped traces by name, in alphabetical order."""
    document = json.loads(files("bench.scenario").joinpath("traces.json").read_text(encoding="utf-8"))
    return {
        name: Trace(name, entry["summary"], entry["total"], tuple((second, rate) for second, rate in entry["points"]))
        for name, entry in sorted(document["traces"].items())
    }


def read_trace(path: Path) -> Points:
    """The rows of a user's `.csv` (an optional header line) or `.json` file, as numbers and not yet checked further.

    ConfigurationError says what it is instead: unreadable, not text, not rows of two numbers.
    """
    text = _read(path)
    rows = _json_rows(text, path) if path.suffix.lower() == ".json" else _csv_rows(text, path)
    points = [[_number(cell, path, at) for cell in row] for at, row in rows]
    if not points or any(len(row) != 2 for row in points):
        raise ConfigurationError("is not rows of two numbers", value=str(path), remedy=_SHAPE)
    if len(points) > MOST_POINTS:
        raise ConfigurationError(f"has {len(points)} rows", value=str(path), remedy=f"use at most {MOST_POINTS} rows")
    return points


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise ConfigurationError("is not a file", value=str(path), remedy="paths start at the scenario's folder")
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError("is larger than 4 MB", value=str(path), remedy="use fewer, longer steps")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigurationError("cannot be read as UTF-8 text", value=str(path), remedy=_SHAPE) from error


def _json_rows(text: str, path: Path) -> list[tuple[int, list[object]]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError("is not JSON", value=str(path), remedy=_SHAPE) from error
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ConfigurationError("is not a list of rows", value=str(path), remedy=_SHAPE)
    return list(enumerate(rows, start=1))


def _csv_rows(text: str, path: Path) -> list[tuple[int, list[object]]]:
    try:
        rows = [(at, [cell.strip() for cell in row]) for at, row in enumerate(csv.reader(text.splitlines()), start=1)]
    except csv.Error as error:
        raise ConfigurationError("is not CSV", value=str(path), remedy=_SHAPE) from error
    filled: list[tuple[int, list[object]]] = [(at, list(row)) for at, row in rows if any(row)]
    header = bool(filled) and not any(_is_number(cell) for cell in filled[0][1])
    return filled[1:] if header else filled


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def _number(cell: object, path: Path, row: int) -> float:
    if isinstance(cell, bool) or not _is_number(cell):
        raise ConfigurationError(f"row {row} is not a number", value=cell, remedy=f"correct {path.name}; {_SHAPE}")
    return float(str(cell))

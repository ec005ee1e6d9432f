"""A sweep: one scenario, some of its keys varied, every combination an experiment of its own.

All combinations are checked when the file is read, and all their mistakes told at once: nothing is run for hours before
the last of them turns out to be wrong.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationError, ValidationInfo, field_validator

from bench.model.errors import ConfigurationError
from bench.scenario.document import Document, parse_document, read_text
from bench.scenario.fields import Mistake, Part, Whole, refuse
from bench.scenario.loader import refusal, scenario_of, scenario_sha256
from bench.scenario.mistakes import nearest, note_mistakes
from bench.scenario.schema import Scenario, plain_name

MOST_CELLS = 1_000
_ORDER_STREAM = 0x5EE9  # keeps the order of cells apart from what else is drawn from a seed
_PAGE = "docs/sweeps.md"
_TOLD = 20  # mistakes that are printed; the rest is counted


def _base(value: object) -> object:
    if not isinstance(value, str | dict) or not value:
        refuse([Mistake("is no scenario", "name a scenario file, or write the scenario's keys below it")])
    return value


class Sweep(Part):
    """One scenario and what of it is varied."""

    name: Annotated[str, AfterValidator(plain_name)] = Field(
        description="Name of the sweep, and of the folder its runs go to."
    )
    scenario: Annotated[str | dict[str, JsonValue], BeforeValidator(_base)] = Field(
        description="The scenario that is varied: a file, looked up beside this one, or its keys."
    )
    vary: dict[str, tuple[JsonValue, ...]] = Field(
        min_length=1,
        description="Keys of the scenario, dotted as with --set, each with its values. Every combination is run.",
    )
    exclude: tuple[dict[str, JsonValue], ...] = Field(
        default=(), description="Combinations that are left out: those that have all of an item's values."
    )
    seed: Whole = Field(default=1, ge=0, lt=2**53, description="The order of the runs is drawn from it.")

    @field_validator("vary")
    @classmethod
    def _each_has_values(cls, vary: dict[str, tuple[JsonValue, ...]]) -> dict[str, tuple[JsonValue, ...]]:
        found = [Mistake("has no values", "give a list of values", (key,), False) for key, of in vary.items() if not of]
        found += [
            Mistake("has a value twice", "remove one of the two", (key, at))
            for key, values in vary.items()
            for at, value in enumerate(values)
            if value in values[:at]
        ]
        cells = prod(len(values) for values in vary.values())
        if cells > MOST_CELLS:
            found.append(Mistake(f"gives {cells} combinations", f"stay within {MOST_CELLS}", (), False))
        if found:
            refuse(found)
        return vary

    @field_validator("exclude")
    @classmethod
    def _excludes_something(
        cls, exclude: tuple[dict[str, JsonValue], ...], info: ValidationInfo
    ) -> tuple[dict[str, JsonValue], ...]:
        vary: dict[str, tuple[JsonValue, ...]] | None = info.data.get("vary")
        if vary is None:
            return exclude
        found = []
        for at, item in enumerate(exclude):
            if not item:
                found.append(Mistake("is empty", "remove it", (at,), False))
            for key, value in item.items():
                if key not in vary:
                    found.append(Mistake("is not varied", nearest(key, list(vary)), (at, key), False))
                elif value not in vary[key]:
                    found.append(Mistake("is not among the values of this key", "use one of them", (at, key)))
        if not found and not any(True for _ in settings_of(vary, exclude)):
            found.append(Mistake("leaves nothing to run", "remove an item", (), False))
        if found:
            refuse(found)
        return exclude


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. `number` counts from 1 in the order of the file, whatever the order of running."""

    number: int
    settings: dict[str, JsonValue]
    scenario: Scenario

    @property
    def label(self) -> str:
        """`arrival.rate=200, load.batch=1`."""
        return ", ".join(f"{key}={_text(value)}" for key, value in self.settings.items())


@dataclass(frozen=True, slots=True)
class LoadedSweep:
    """A sweep whose every cell is a valid scenario. `sha256` changes with anything that a run depends on."""

    sweep: Sweep
    cells: tuple[Cell, ...]
    sha256: str

    def order(self) -> list[Cell]:
        """The cells as they are run: drawn from the seed, so that what drifts on a machine meets all values alike."""
        draw = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.sweep.seed, _ORDER_STREAM])))
        return [self.cells[at] for at in draw.permutation(len(self.cells))]


def load_sweep(path: str | Path) -> LoadedSweep:
    """Read a sweep file, and make and check every cell. One ConfigurationError lists all mistakes."""
    path = Path(path)
    document = parse_document(read_text(path), str(path))
    try:
        sweep = Sweep.model_validate(document.data)
    except ValidationError as error:
        note_mistakes(document, error, Sweep)
        raise refusal(document, _PAGE) from error
    if document.mistakes:
        raise refusal(document, _PAGE)
    base, folder = _base_document(document, sweep, path.parent)
    cells, mistakes = [], dict[str, None]()
    for number, settings in enumerate(settings_of(sweep.vary, sweep.exclude), start=1):
        overrides = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
        try:
            cells.append(Cell(number, settings, scenario_of(copy.deepcopy(base), overrides, folder)))
        except ConfigurationError as error:
            mistakes |= dict.fromkeys(_lines(error))
    if mistakes:
        raise _all_mistakes(path, list(mistakes))
    return LoadedSweep(sweep, tuple(cells), _digest(sweep, cells))


def settings_of(
    vary: dict[str, tuple[JsonValue, ...]], exclude: Sequence[dict[str, JsonValue]]
) -> list[dict[str, JsonValue]]:
    """Every combination that is not excluded, the last key varying fastest."""
    combinations = (dict(zip(vary, values, strict=True)) for values in product(*vary.values()))
    return [
        settings
        for settings in combinations
        if not any(all(settings[key] == value for key, value in item.items()) for item in exclude)
    ]


def _base_document(document: Document, sweep: Sweep, folder: Path) -> tuple[Document, Path]:
    """The scenario's own document, with the places where its keys were written, and the folder of its trace files."""
    if isinstance(sweep.scenario, str):
        path = folder / sweep.scenario
        return parse_document(read_text(path), str(path)), path.parent
    inner = document.data["scenario"]
    assert isinstance(inner, dict)
    origins = {key[1:]: origin for key, origin in document.origins.items() if key[:1] == ("scenario",)}
    return Document(document.name, inner, origins), folder


def _lines(error: ConfigurationError) -> list[str]:
    """Single mistakes of an error about a scenario; a value from `vary` is told as such."""
    lines = error.what.split("\n  ")
    lines = lines[1:] if len(lines) > 1 else lines
    return [f"vary {line.removeprefix('--set ')}" if line.startswith("--set ") else line for line in lines]


def _all_mistakes(path: Path, mistakes: list[str]) -> ConfigurationError:
    told = "".join(f"\n  {mistake}" for mistake in mistakes[:_TOLD])
    more = f"\n  and {len(mistakes) - _TOLD} more" if len(mistakes) > _TOLD else ""
    counted = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "1 mistake"
    return ConfigurationError(
        f"{path}: {counted} in the scenarios it stands for{told}{more}", remedy=f"{_PAGE} explains every key"
    )


def _digest(sweep: Sweep, cells: Sequence[Cell]) -> str:
    whole: dict[str, Any] = {
        "name": sweep.name,
        "seed": sweep.seed,
        "cells": [{"settings": cell.settings, "scenario": scenario_sha256(cell.scenario)} for cell in cells],
    }
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""Checks a bundle: that no file changed since it was sealed, and that its figures follow from its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.bundle import manifest, naming
from bench.bundle.reader import Bundle, read_bundle
from bench.bundle.recount import Figures, flat, recount
from bench.bundle.tables import BLOCKS_SCHEMA, RESOURCES_SCHEMA, TRANSACTIONS_SCHEMA
from bench.model.errors import BenchError
from bench.model.result import Result, Trial
from bench.stats.interval import median_interval

_TABLES = {
    naming.TRANSACTIONS: TRANSACTIONS_SCHEMA,
    naming.BLOCKS: BLOCKS_SCHEMA,
    naming.RESOURCES: RESOURCES_SCHEMA,
}

TOLERANCE = 1e-6
"""Relative, and absolute below 1: what rounding may change in a figure that is no count."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was sealed. `file` is relative to the bundle."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def verify(directory: Path) -> list[Problem]:
    """All that is wrong, in the order of file names, figures last; empty when the bundle is whole.

    ConfigurationError when `directory` is no bundle at all.
    """
    if not (directory / naming.MANIFEST).is_file():
        read_bundle(directory)
        return [Problem(naming.MANIFEST, "missing: the bundle was never closed")]
    problems = [*_sealed(directory), *_tables(directory)]
    try:
        bundle = read_bundle(directory)
        problems += [problem for trial in bundle.result.trials for problem in _figures(bundle, trial)]
        if bundle.result.capacity is None:
            problems += _summary(bundle.result)
    except BenchError as error:
        problems.append(Problem(naming.RESULT, f"figures cannot be checked: {error.what}"))
    return problems


def _sealed(directory: Path) -> Iterator[Problem]:
    try:
        sealed = manifest.read(directory)
    except BenchError as error:
        yield Problem(naming.MANIFEST, error.what)
        return
    present = set(manifest.files(directory))
    for name in sorted(present | sealed.keys() | set(naming.REQUIRED) - {naming.MANIFEST}):
        if name not in present:
            yield Problem(name, "missing")
        elif name not in sealed:
            yield Problem(name, "not in the manifest: added after the bundle was closed")
        elif manifest.digest(directory / name) != sealed[name]:
            yield Problem(name, "changed since the bundle was closed: its SHA-256 is not the manifest's")


def _tables(directory: Path) -> Iterator[Problem]:
    for name, schema in _TABLES.items():
        if not (directory / name).is_file():
            continue
        try:
            found = pq.read_schema(directory / name)
        except (OSError, pa.ArrowException) as error:
            yield Problem(name, f"not readable as Parquet: {error}")
            continue
        if found.names != schema.names:
            yield Problem(name, f"has columns {found.names}, expected {schema.names}")


def _figures(bundle: Bundle, trial: Trial) -> Iterator[Problem]:
    """What `result.json` states of a trial against its rows. What was planned can exceed them only in a trial that says
    so.
    """
    recounted = recount(bundle, trial)
    stated = _stated(trial)
    if trial.verdict.status == "invalid":
        recounted.pop("planned")
    for name, value in recounted.items():
        if not _same(stated.pop(name, None), value):
            what = f"trial {trial.trial} states {name} = {_stated(trial).get(name)}, but its rows give {value}"
            yield Problem(naming.RESULT, what)


def _stated(trial: Trial) -> Figures:
    """The figures that `recount` makes again, under its names."""
    reads = {name: getattr(trial.reads, name) for name in ("issued", "answered", "failed", "dropped")}
    return {
        **trial.counts.model_dump(),
        **flat("reads", reads),
        **flat("rates", trial.rates.model_dump()),
        **flat("latency_ms.commit", trial.latency_ms.commit.model_dump()),
        **flat("latency_ms.finality", trial.latency_ms.finality.model_dump()),
    }


def _summary(result: Result) -> Iterator[Problem]:
    """The two rates that stand over the trials, where the trials are repeats of one load."""
    for name in ("goodput_per_s", "offered_per_s"):
        made = median_interval([getattr(trial.rates, name) for trial in result.trials])
        for part, value in made.model_dump().items():
            found = getattr(getattr(result.summary, name), part)
            if not _same(found, value):
                what = f"the summary states {name}.{part} = {found}, but the trials give {value}"
                yield Problem(naming.RESULT, what)


def _same(stated: object, made: object) -> bool:
    if isinstance(stated, float) and isinstance(made, int | float):
        return math.isclose(stated, made, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return stated == made

"""Checks a bundle: that no file changed since it was sealed, and that its figures follow from its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.bundle import manifest, naming, verify_search
from bench.bundle.reader import Bundle, read_bundle
from bench.bundle.recount import Figures, flat, recount, resources
from bench.bundle.tables import BLOCKS_SCHEMA, RESOURCES_SCHEMA, TRANSACTIONS_SCHEMA
from bench.model.errors import BenchError
from bench.model.result import Interval, Result, Trial
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
        problems += [Problem(naming.RESULT, what) for what in _summary(bundle.result)]
        problems += [Problem(naming.RESULT, what) for what in verify_search.problems(bundle.result)]
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
        found = stated.pop(name, None)
        if not _same(found, value):
            what = f"trial {trial.trial} states {name} = {found}, but its rows give {value}"
            yield Problem(naming.RESULT, what)
    for name, value in stated.items():
        if name.startswith("resources.") or (name.startswith("operations.") and name.endswith(".planned") and value):
            yield Problem(naming.RESULT, f"trial {trial.trial} states {name} = {value}, but has no rows of it")


def _stated(trial: Trial) -> Figures:
    """The figures that `recount` makes again, under its names."""
    sent = trial.latency_from_send_ms
    return {
        **trial.counts.model_dump(),
        **flat("reads", trial.reads.model_dump()),
        **flat("rates", trial.rates.model_dump()),
        **flat("latency_ms", trial.latency_ms.model_dump()),
        **flat("operations", {name: part.model_dump() for name, part in trial.operations.items()}),
        **({} if sent is None else flat("latency_from_send_ms", sent.model_dump())),
        **flat("blocks", trial.blocks.model_dump(exclude={"receipts_settled"})),
        **resources(trial.resources),
    }


def _summary(result: Result) -> Iterator[str]:
    """What stands over the trials: the verdict, and the median of each rate and latency with its interval."""
    trials, stated = verify_search.summarised(result), result.summary
    for name in ("goodput_per_s", "offered_per_s"):
        made = _interval([getattr(trial.rates, name) for trial in trials])
        yield from _interval_differs(name, getattr(stated, name), made)
    for latency, quantities in stated.latency_ms.items():
        for quantity, interval in quantities.items():
            made = _interval([getattr(getattr(trial.latency_ms, latency), quantity) for trial in trials])
            yield from _interval_differs(f"latency_ms.{latency}.{quantity}", interval, made)
    statuses = {trial.verdict.status for trial in trials} or {"invalid"}
    status = next(one for one in ("invalid", "undecided", "valid") if one in statuses)
    if stated.verdict.status != status:
        yield f"the summary states verdict.status = {stated.verdict.status}, but the trials give {status}"
    reasons = [f"trial {trial.trial}: {reason}" for trial in trials for reason in trial.verdict.reasons]
    if trials and stated.verdict.reasons != reasons:
        yield "the summary states verdict.reasons that are not those of the trials"


def _interval(values: Sequence[float | None]) -> Interval:
    """Over trials; without a value where one of them has none."""
    known = [value for value in values if value is not None]
    return median_interval(known) if len(known) == len(values) else Interval(median=None, trials=len(values))


def _interval_differs(name: str, stated: Interval, made: Interval) -> Iterator[str]:
    for part, value in made.model_dump().items():
        found = getattr(stated, part)
        if not _same(found, value):
            yield f"the summary states {name}.{part} = {found}, but the trials give {value}"


def _same(stated: object, made: object) -> bool:
    if isinstance(stated, float) and isinstance(made, int | float):
        return math.isclose(stated, made, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return stated == made

"""Checks a bundle: that no file changed since it was sealed, and that its figures follow from its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.bundle import manifest, naming
from bench.bundle.reader import Bundle, read_bundle
from bench.bundle.tables import BLOCKS_SCHEMA, RESOURCES_SCHEMA, TRANSACTIONS_SCHEMA
from bench.model.errors import BenchError
from bench.model.result import Trial

_TABLES = {
    naming.TRANSACTIONS: TRANSACTIONS_SCHEMA,
    naming.BLOCKS: BLOCKS_SCHEMA,
    naming.RESOURCES: RESOURCES_SCHEMA,
}


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
    """Counts of `result.json` against the rows. What was planned can exceed them only in a trial that says so."""
    recounted = _recount(bundle, trial.trial)
    stated = {
        "dropped": trial.counts.dropped,
        "dropped_by": trial.counts.dropped_by,
        "submitted": trial.counts.submitted,
        "rejected": trial.counts.rejected,
        "accepted": trial.counts.accepted,
        "committed": trial.counts.committed,
        "finalized": trial.counts.finalized,
        "failed": trial.counts.failed,
        "failed_expected": trial.counts.failed_expected,
        "unresolved": trial.counts.unresolved,
        "reads.issued": trial.reads.issued,
        "reads.answered": trial.reads.answered,
        "reads.failed": trial.reads.failed,
        "reads.dropped": trial.reads.dropped,
    }
    if trial.verdict.status != "invalid":
        stated["planned"] = trial.counts.planned
    for name, value in stated.items():
        if value != recounted[name]:
            what = f"trial {trial.trial} states {name} = {value}, but its rows give {recounted[name]}"
            yield Problem(naming.RESULT, what)


def _recount(bundle: Bundle, trial: int) -> dict[str, int | dict[str, int]]:
    rows = bundle.transactions(trial, ["kind", "outcome", "error_class", "submitted_at_ns"])
    read = pc.equal(rows["kind"], "read")
    reads, writes = rows.filter(read), rows.filter(pc.invert(read))
    of_writes, of_reads = _frequencies(writes["outcome"]), _frequencies(reads["outcome"])
    submitted = len(writes) - writes["submitted_at_ns"].null_count
    rejected = of_writes.get("rejected", 0)
    finalized = of_writes.get("finalized", 0)
    expected = of_writes.get("failed_expected", 0)
    answered, failed = of_reads.get("answered", 0), of_reads.get("read_failed", 0)
    dropped = writes.filter(pc.equal(writes["outcome"], "dropped"))
    return {
        "planned": len(writes),
        "dropped": len(dropped),
        "dropped_by": _frequencies(dropped["error_class"]),
        "submitted": submitted,
        "rejected": rejected,
        "accepted": submitted - rejected,
        "committed": of_writes.get("committed", 0) + finalized,
        "finalized": finalized,
        "failed": of_writes.get("failed", 0) + expected,
        "failed_expected": expected,
        "unresolved": of_writes.get("unresolved", 0),
        "reads.issued": len(reads) - of_reads.get("dropped", 0),
        "reads.answered": answered,
        "reads.failed": failed,
        "reads.dropped": of_reads.get("dropped", 0),
    }


def _frequencies(labels: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(labels.cast(pa.string()))
    return {item["values"]: item["counts"] for item in counted.to_pylist() if item["values"] is not None}

"""Writes the directory of one run, trial by trial, so that a run that stops half-way leaves whole trials behind.

Rows of a trial go into a Parquet file of its own as soon as the trial is over; closing the bundle joins these files
into the published ones, chunk by chunk, and seals everything with the manifest. A file has its name once it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.bundle import naming
from bench.bundle.events import Event
from bench.bundle.files import replacing, saying_why, write_whole
from bench.bundle.manifest import seal
from bench.bundle.tables import (
    BLOCKS_SCHEMA,
    CHUNK_ROWS,
    RESOURCES_SCHEMA,
    TRANSACTIONS_SCHEMA,
    block_batch,
    resource_batch,
    transaction_batches,
)
from bench.model.masking import masked, masked_values
from bench.model.resources import ResourceSample
from bench.model.result import Result

COMPRESSION = "zstd"


class BundleWriter:
    """One per run, one thread. `directory` exists and is empty (`naming.create_directory` makes one).

    Text is written with the keys in paths of addresses masked (`bench.model.masking`), wherever it comes from.

    All methods raise HarnessError when the disk is full or gone; what was added before stays readable.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._transactions = _TrialTable(directory / naming.TRANSACTIONS, TRANSACTIONS_SCHEMA)
        self._blocks = _TrialTable(directory / naming.BLOCKS, BLOCKS_SCHEMA)
        self._resources = _TrialTable(directory / naming.RESOURCES, RESOURCES_SCHEMA)
        self._events: list[bytes] = []
        self._write_events()

    def add_trial(
        self,
        trial: int,
        rows: NDArray[np.void],
        operations: Sequence[str],
        blocks: NDArray[np.void],
        samples: Sequence[ResourceSample],
    ) -> None:
        """Everything of trial `trial` (1-based, each once, ascending). `rows` have their statuses joined."""
        self._transactions.add(trial, transaction_batches(rows, operations, trial))
        self._blocks.add(trial, [block_batch(blocks, trial)])
        self._resources.add(trial, [resource_batch(samples, trial)])

    def add_event(self, event: Event) -> None:
        """Append one line. The file is written anew each time, so it never holds half a line; events are few."""
        line = json.dumps(masked_values(asdict(event)), ensure_ascii=False, allow_nan=False)
        self._events.append(line.encode() + b"\n")
        self._write_events()

    def write_scenario(self, text: str) -> None:
        """The resolved scenario, as YAML."""
        write_whole(self.directory / naming.SCENARIO, masked(text).encode())

    def write_environment(self, environment: Mapping[str, object]) -> None:
        """What the run ran on; see `bench.bundle.environment`."""
        text = json.dumps(environment, indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(self.directory / naming.ENVIRONMENT, text.encode() + b"\n")

    def write_result(self, result: Result) -> None:
        """May be called after every trial; the last one stays."""
        write_whole(self.directory / naming.RESULT, masked(result.model_dump_json(indent=2)).encode() + b"\n")

    def join(self) -> None:
        """Publish the tables of the trials so far, so that a report can be made before the bundle is sealed."""
        for table in (self._transactions, self._blocks, self._resources):
            table.join()

    def close(self) -> Path:
        """Join the trials and write the manifest over every file in the directory, reports included."""
        self.join()
        seal(self.directory)
        return self.directory

    def _write_events(self) -> None:
        write_whole(self.directory / naming.EVENTS, b"".join(self._events))


class _TrialTable:
    """A Parquet file that grows by whole trials."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._parts: list[Path] = []

    def add(self, trial: int, batches: Iterable[pa.RecordBatch]) -> None:
        part = self._path.with_name(f"{self._path.stem}-{trial:04d}.parquet")
        self._write(part, batches)
        self._parts.append(part)

    def join(self) -> None:
        """One file of what was joined before and the parts since; a first single part costs a rename."""
        if len(self._parts) == 1 and not self._path.exists():
            with saying_why(self._path):
                self._parts[0].rename(self._path)
        elif self._parts or not self._path.exists():
            sources = [self._path, *self._parts] if self._path.exists() else self._parts
            self._write(self._path, (batch for source in sources for batch in _batches(source)))
            for part in self._parts:
                part.unlink()
        self._parts.clear()

    def _write(self, path: Path, batches: Iterable[pa.RecordBatch]) -> None:
        with replacing(path) as partial, pq.ParquetWriter(partial, self._schema, compression=COMPRESSION) as writer:
            for batch in batches:
                writer.write_batch(batch, row_group_size=CHUNK_ROWS)


def _batches(path: Path) -> Iterable[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(CHUNK_ROWS)

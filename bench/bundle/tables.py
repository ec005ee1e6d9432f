"""Columns of the Parquet files, and how rows become them: chunk by chunk, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.model.operation import Kind
from bench.model.phase import Outcome
from bench.model.resources import ResourceSample
from bench.model.transaction import ID_BYTES, ErrorClass

CHUNK_ROWS = 1 << 17
"""Rows of one row group: 12 MB of rows become 8 MB of hexadecimal ids and a few of columns."""

KINDS = tuple(kind.value for kind in (Kind.WRITE, Kind.READ))
"""By the code in a row."""
OUTCOMES = {int(outcome): outcome.label for outcome in Outcome}
ERROR_CLASSES = {int(error_class): error_class.label for error_class in ErrorClass}

_LABEL = pa.dictionary(pa.int32(), pa.string())
_STAMPS = ("intended", "submitted", "accepted", "committed", "finalized")

TRANSACTIONS_SCHEMA = pa.schema(
    [
        pa.field("trial", pa.int32(), nullable=False),
        pa.field("kind", _LABEL, nullable=False),
        pa.field("operation", _LABEL, nullable=False),
        *(pa.field(f"{stamp}_at_ns", pa.int64(), nullable=stamp != "intended") for stamp in _STAMPS),
        pa.field("outcome", _LABEL, nullable=False),
        pa.field("error_class", _LABEL),
        pa.field("worker", pa.int32(), nullable=False),
        pa.field("tx_id", pa.string()),
    ]
)
BLOCKS_SCHEMA = pa.schema(
    [
        pa.field("trial", pa.int32(), nullable=False),
        pa.field("ordinal", pa.int32(), nullable=False),
        pa.field("height", pa.int64(), nullable=False),
        pa.field("observed_at_ns", pa.int64(), nullable=False),
        pa.field("transactions", pa.int32(), nullable=False),
        pa.field("own", pa.int32(), nullable=False),
        pa.field("gas_used", pa.int64()),
        pa.field("size_bytes", pa.int64()),
        pa.field("orphaned", pa.bool_(), nullable=False),
    ]
)
RESOURCES_SCHEMA = pa.schema(
    [
        pa.field("trial", pa.int32(), nullable=False),
        pa.field("process", _LABEL, nullable=False),
        pa.field("role", _LABEL, nullable=False),
        pa.field("pid", pa.int64()),
        pa.field("at_ns", pa.int64(), nullable=False),
        pa.field("phase", _LABEL, nullable=False),
        pa.field("cpu_percent", pa.float64(), nullable=False),
        pa.field("cpu_s", pa.float64()),
        *(pa.field(name, pa.int64()) for name in ("rss_bytes", "read_bytes", "write_bytes", "threads", "fds")),
    ]
)

_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
"""The two hexadecimal digits of a byte, as they lie in memory."""


def transaction_batches(rows: NDArray[np.void], operations: Sequence[str], trial: int) -> Iterator[pa.RecordBatch]:
    """`rows` (dtype `ROW`, statuses joined) in the order of the plan, `CHUNK_ROWS` at a time."""
    order = np.argsort(rows["index"], kind="stable")
    for start in range(0, len(rows), CHUNK_ROWS):
        yield _transactions(rows[order[start : start + CHUNK_ROWS]], operations, trial)


def block_batch(blocks: NDArray[np.void], trial: int) -> pa.RecordBatch:
    """`blocks` (dtype `bench.model.record.BLOCK`) in the order they were seen."""
    columns = [
        _constant(trial, len(blocks)),
        *(pa.array(np.ascontiguousarray(blocks[name])) for name in ("ordinal", "height", "observed_ns")),
        *(pa.array(np.ascontiguousarray(blocks[name])) for name in ("transactions", "own")),
        *(_optional(blocks[name]) for name in ("gas_used", "size_bytes")),
        pa.array(blocks["orphaned"] != 0),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=BLOCKS_SCHEMA)


def resource_batch(samples: Sequence[ResourceSample], trial: int) -> pa.RecordBatch:
    """One row per sample; unknown numbers (-1) become null."""
    columns: dict[str, list[object]] = {name: [] for name in RESOURCES_SCHEMA.names}
    for sample in samples:
        for field in RESOURCES_SCHEMA:
            value = trial if field.name == "trial" else getattr(sample, field.name)
            columns[field.name].append(None if field.nullable and value < 0 else value)
    return pa.RecordBatch.from_pydict(columns, schema=RESOURCES_SCHEMA)


def _transactions(rows: NDArray[np.void], operations: Sequence[str], trial: int) -> pa.RecordBatch:
    columns = [
        _constant(trial, len(rows)),
        _labels(rows["kind"], KINDS),
        _labels(rows["operation"], operations),
        *(_optional(rows[f"{stamp}_ns"]) for stamp in _STAMPS),
        _enum_labels(rows["outcome"], OUTCOMES),
        _enum_labels(rows["error_class"], ERROR_CLASSES, absent=ErrorClass.NONE),
        pa.array(rows["worker"].astype(np.int32)),
        _ids(rows["tx_id"]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=TRANSACTIONS_SCHEMA)


def _constant(value: int, length: int) -> pa.Array:
    return pa.array(np.full(length, value, np.int32))


def _optional(values: NDArray[np.int64]) -> pa.Array:
    values = np.ascontiguousarray(values)
    return pa.array(values, mask=values < 0)


def _labels(codes: NDArray[np.integer], labels: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(labels, pa.string()))


def _enum_labels(codes: NDArray[np.uint8], labels: Mapping[int, str], absent: int = -1) -> pa.Array:
    """Codes are sparse, so they are first numbered by their position among `labels`."""
    places = np.zeros(256, np.int32)
    places[list(labels)] = np.arange(len(labels), dtype=np.int32)
    indices = pa.array(places[codes], mask=codes == absent)
    return pa.DictionaryArray.from_arrays(indices, pa.array(labels.values(), pa.string()))


def _ids(ids: NDArray[np.void]) -> pa.Array:
    """64 lower-case hexadecimal digits each; null where every byte is zero (never encoded, or a read)."""
    raw = np.ascontiguousarray(ids).view(np.uint8).reshape(-1, ID_BYTES)
    present = raw.any(axis=1)
    digits = np.ascontiguousarray(_HEX[raw[present]])
    ends = np.concatenate(([0], np.cumsum(present, dtype=np.int32) * 2 * ID_BYTES)).astype(np.int32)
    validity = pa.py_buffer(np.packbits(present, bitorder="little"))
    nulls = len(raw) - int(np.count_nonzero(present))
    return pa.StringArray.from_buffers(len(raw), pa.py_buffer(ends), pa.py_buffer(digits), validity, nulls)

"""Reads spooled rows back as one array and joins the execution status of their blocks to them.

Workers write a row when a transaction is included; whether it was *valid* is known only from its block's status, which
the observer keeps. Nothing counts as committed before that join.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.model.errors import HarnessError
from bench.model.phase import Outcome
from bench.model.record import BLOCK, ROW
from bench.model.transaction import ErrorClass

Rows = NDArray[np.void]
"""One-dimensional, of dtype `ROW`."""
Blocks = NDArray[np.void]
"""One-dimensional, of dtype `BLOCK`."""

EXPECTED_REFUSALS = (ErrorClass.REVERTED, ErrorClass.BUSINESS_REFUSAL)
_CLASSES = np.zeros(256, bool)
_CLASSES[[int(error_class) for error_class in ErrorClass]] = True


@dataclass(frozen=True, slots=True)
class Spool:
    """Rows in file order, and how many bytes of half-written records were left out (a worker died while writing)."""

    rows: Rows
    truncated_bytes: int


def read_rows(paths: Iterable[Path]) -> Spool:
    """All whole records of spool files of `ROW`s. HarnessError when a file cannot be read."""
    spool = _read(paths, ROW)
    outcomes = np.unique(spool.rows["outcome"])
    unknown = set(outcomes.tolist()) - {int(outcome) for outcome in Outcome}
    if unknown:
        raise HarnessError(
            "spool file holds outcomes this version does not know",
            value=sorted(unknown),
            remedy="run workers and coordinator of the same version, and do not mix their files",
        )
    return spool


def read_blocks(path: Path) -> Blocks:
    """All whole records of a spool file of `BLOCK`s."""
    return _read([path], BLOCK).rows


def _read(paths: Iterable[Path], layout: np.dtype[np.void]) -> Spool:
    files = sorted(paths)
    try:
        sizes = [path.stat().st_size for path in files]
        rows = np.empty(sum(size // layout.itemsize for size in sizes), layout)
        target = rows.view(np.uint8).data
        offset = 0
        for path, size in zip(files, sizes, strict=True):
            whole = size - size % layout.itemsize
            with path.open("rb") as file:
                if file.readinto(target[offset : offset + whole]) != whole:
                    raise HarnessError("spool file shrank while it was read", value=path.name)
            offset += whole
    except OSError as error:
        raise HarnessError(f"spool file cannot be read: {error.strerror}", value=error.filename) from error
    return Spool(rows, sum(size % layout.itemsize for size in sizes))


def join_statuses(rows: Rows, blocks: Blocks, statuses: Mapping[int, bytes]) -> None:
    """Give every included row its final outcome, in place (a copy of a million rows would be another 96 MB).

    `statuses` maps a block's ordinal to one `ErrorClass` byte per transaction. A nonzero byte makes the row FAILED, or
    FAILED_EXPECTED where the workload asked for a refusal and got one. A row whose block was orphaned, or whose status
    is not known, becomes UNRESOLVED: it is never goodput.
    """
    included = np.flatnonzero(
        ((rows["outcome"] == Outcome.COMMITTED) | (rows["outcome"] == Outcome.FINALIZED)) & (rows["kind"] == 0)
    )
    block = rows["block"][included]
    known, status = _statuses_of(block, rows["position"][included], statuses)
    known &= status != ErrorClass.STATUS_UNKNOWN  # the node was asked and could not tell
    orphaned = np.isin(block, blocks["ordinal"][blocks["orphaned"] != 0])
    _set(rows, included[~known], Outcome.UNRESOLVED, ErrorClass.STATUS_UNKNOWN)
    bad = known & (status != 0)
    refused = rows["expects_refusal"][included].astype(bool) & np.isin(status, EXPECTED_REFUSALS)
    rows["error_class"][included[bad]] = np.where(_CLASSES[status], status, ErrorClass.INVALID_IN_BLOCK)[bad]
    rows["outcome"][included[bad & ~refused]] = Outcome.FAILED
    rows["outcome"][included[bad & refused]] = Outcome.FAILED_EXPECTED
    _set(rows, included[orphaned], Outcome.UNRESOLVED, ErrorClass.ORPHANED)


def _statuses_of(
    block: NDArray[np.int32], position: NDArray[np.int32], statuses: Mapping[int, bytes]
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Per included row: whether its status is known, and the byte (0 where it is not)."""
    ordinals = np.array(sorted(statuses), np.int64)
    status = np.zeros(len(block), np.uint8)
    if not len(ordinals):
        return np.zeros(len(block), bool), status
    flat = np.frombuffer(b"".join(statuses[ordinal] for ordinal in ordinals.tolist()), np.uint8)
    sizes = np.array([len(statuses[ordinal]) for ordinal in ordinals.tolist()], np.int64)
    offsets = np.cumsum(sizes) - sizes
    place = np.minimum(np.searchsorted(ordinals, block), len(ordinals) - 1)
    known = (ordinals[place] == block) & (block >= 0) & (position >= 0) & (position < sizes[place])
    status[known] = flat[(offsets[place] + position)[known]]
    return known, status


def _set(rows: Rows, which: NDArray[np.int64], outcome: Outcome, error_class: ErrorClass) -> None:
    rows["outcome"][which] = outcome
    rows["error_class"][which] = error_class

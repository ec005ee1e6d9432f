"""Errors of a trial by class and stage, with the first messages seen of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from bench.measure.record import Rows
from bench.model.phase import Outcome
from bench.model.result import ErrorPart
from bench.model.transaction import ErrorClass

Stage = Literal["dropped", "rejected", "failed", "unresolved", "read"]

_STAGES: dict[Outcome, Stage] = {
    Outcome.DROPPED: "dropped",
    Outcome.REJECTED: "rejected",
    Outcome.UNRESOLVED: "unresolved",
    Outcome.FAILED: "failed",
    Outcome.FAILED_EXPECTED: "failed",
    Outcome.READ_FAILED: "read",
}
_HOMES: tuple[tuple[int, Stage], ...] = ((10, "dropped"), (30, "rejected"), (40, "failed"), (50, "unresolved"))
"""Error classes are numbered by the stage they usually end in; these are the upper bounds of the ranges."""


def errors(rows: Rows, examples: Mapping[ErrorClass, Sequence[str]]) -> dict[str, ErrorPart]:
    """Most frequent first. Counts add up to dropped + rejected + failed + unresolved + failed reads.

    The key is the class's label; where a class also occurs in another stage than its own, that part is keyed
    `label/stage` (a node that refuses for lack of funds, and a block that holds a transfer without them).
    """
    parts: dict[str, ErrorPart] = {}
    table = np.bincount(rows["outcome"].astype(np.int64) * 256 + rows["error_class"], minlength=256 * 256)
    for cell in np.flatnonzero(table).tolist():
        outcome, code = divmod(cell, 256)
        stage = _STAGES.get(Outcome(outcome))
        if stage is None:
            continue
        error_class = ErrorClass(code)
        key = error_class.label if stage == _home(error_class) else f"{error_class.label}/{stage}"
        before = parts.get(key)
        count = int(table[cell])
        parts[key] = ErrorPart(
            count=count + (before.count if before else 0),
            stage=stage,
            examples=list(examples.get(error_class, ())),
            expected=(before.expected if before else 0) + (count if outcome == Outcome.FAILED_EXPECTED else 0),
        )
    return dict(sorted(parts.items(), key=lambda item: (-item[1].count, item[0])))


def _home(error_class: ErrorClass) -> Stage:
    return next((stage for bound, stage in _HOMES if error_class < bound), "read")

"""What two runs of one scenario must have in common exactly: what was planned, of which kind and operation, and when.

Everything planned follows from the seed, so a difference here is no noise: another version drew other operations, or a
file was changed. The results of a trial that was cut short are left out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from bench.bundle.reader import Bundle
from bench.model.result import Trial

_PLANNED = ("kind", "operation", "intended_at_ns")


@dataclass(frozen=True, slots=True)
class Exact:
    """One thing that must be equal, and whether it is; `detail` says what was found."""

    name: str
    equal: bool
    detail: str


def exact(earlier: Bundle, later: Bundle) -> list[Exact]:
    """Planned counts, and a digest of the plan's columns, of every trial that both runs completed."""
    found = []
    others = {trial.trial: trial for trial in later.result.trials if not trial.partial}
    for trial in earlier.result.trials:
        other = others.get(trial.trial)
        if other is None or trial.partial:
            continue
        name = f"trial {trial.trial}"
        found.append(_one(f"{name}: seed", str(trial.seed), str(other.seed)))
        found.append(_one(f"{name}: planned", _planned(trial), _planned(other)))
        digests = [_digest(bundle, trial.trial) for bundle in (earlier, later)]
        found.append(_one(f"{name}: plan (kind, operation and due time of each)", digests[0], digests[1]))
    return found


def plan_digest(bundle: Bundle, trial: int) -> str:
    """SHA-256 over the plan's columns of one trial, in the order of the plan; the same wherever it was run."""
    table = bundle.transactions(trial, list(_PLANNED))
    digest = hashlib.sha256()
    for name in _PLANNED:
        column = table[name]
        if name == "intended_at_ns":
            digest.update(np.ascontiguousarray(column.to_numpy(), "<i8").tobytes())
            continue
        labels = pc.cast(column, "string").to_pylist()
        digest.update("\n".join(str(label) for label in labels).encode())
    return digest.hexdigest()


def _digest(bundle: Bundle, trial: int) -> str:
    return plan_digest(bundle, trial)[:16]


def _planned(trial: Trial) -> str:
    return f"{trial.counts.planned} writes, {trial.reads.issued + trial.reads.dropped} reads"


def _one(name: str, left: str, right: str) -> Exact:
    return Exact(name, left == right, left if left == right else f"{left} before, {right} now")

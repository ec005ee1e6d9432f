"""What a watcher is told of a trial before it starts: names for labels, limits to hold live figures against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.measure.inputs import Limits
from bench.model.operation import Kind
from bench.model.workload import OperationInfo
from bench.scenario.arrival import ArrivalProcess


@dataclass(frozen=True, slots=True)
class TrialOutline:
    """`operations` in the order of their codes. `ledger_version` is what was declared; the running ledger may say more.
    `objective_ns` is the finality latency the scenario asks for, if it does. `results`: where bundles are made.
    """

    run_id: str
    ledger: str
    family: str
    ledger_version: str
    workload: str
    scenario: str
    seed: int
    version: str
    trial: int
    trials: int
    operations: tuple[OperationInfo, ...]
    process: ArrivalProcess
    warm_up_ns: int
    duration_ns: int
    drain_ns: int
    workers: int
    in_flight: int
    objective_ns: int | None
    limits: Limits
    results: Path | None

    def names(self, kind: Kind) -> list[str]:
        """The operations of one kind."""
        return [operation.name for operation in self.operations if operation.kind is kind]

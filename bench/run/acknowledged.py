"""Every write that the ledger committed, with its arguments: rows matched with operations drawn again from the seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.load.drawing import DrawingPlan
from bench.load.redraw import redrawn
from bench.measure.record import Rows
from bench.model.errors import HarnessError
from bench.model.phase import Outcome
from bench.model.workload import Acknowledged, Workload
from bench.run.trial import TrialRequest


def drawing_plan(request: TrialRequest, accounts: int) -> DrawingPlan:
    """What the encoders of this trial drew from."""
    arrival, workers = request.arrival, request.workers
    return DrawingPlan(request.parameters, accounts, request.seed, arrival, request.duration_ns, workers)


@dataclass(frozen=True, slots=True)
class AcknowledgedWrites:
    """Iterable as often as wanted, worker by worker in the order of the plan; each pass draws again, in one process per
    worker, and holds ids but no operations. `rows` have their statuses joined.
    """

    plan: DrawingPlan
    workload: Workload
    rows: Rows

    def __iter__(self) -> Iterator[Acknowledged]:
        outcome = self.rows["outcome"]
        committed = (outcome == Outcome.COMMITTED) | (outcome == Outcome.FINALIZED)
        committed &= self.rows["kind"] == 0
        for worker in range(self.plan.workers):
            yield from self._of(worker, np.flatnonzero(committed & (self.rows["worker"] == worker)))

    def _of(self, worker: int, places: NDArray[np.int64]) -> Iterator[Acknowledged]:
        if not len(places):
            return
        places = places[np.argsort(self.rows["drawn"][places], kind="stable")]
        wanted = iter(places.tolist())
        place = next(wanted, None)
        with closing(redrawn(self.workload, self.plan, worker)) as drawn:
            for index, operation in drawn:
                while place is not None and self.rows["drawn"][place] == index:
                    self._check(place, operation.name)
                    yield Acknowledged(operation, self.rows["tx_id"][place].tobytes())
                    place = next(wanted, None)
                if place is None:
                    return
        raise HarnessError("a committed write is not among the operations drawn again", value=f"worker {worker}")

    def _check(self, place: int, drawn: str) -> None:
        recorded = self.workload.operations[self.rows["operation"][place]].name
        if recorded != drawn:
            raise HarnessError(
                "an operation drawn again is not the one that was sent",
                value=f"{drawn} instead of {recorded}",
                remedy="tasks of a workload may draw from self.rng only",
            )

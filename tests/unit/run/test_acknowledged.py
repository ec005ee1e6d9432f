"""Committed rows matched with operations drawn again. Each pass starts the drawing process, so there are few."""

import random
from itertools import islice

import numpy as np
import pytest

from bench import registry
from bench.load.drawing import DrawingPlan, draw
from bench.load.redraw import redrawn
from bench.model.errors import HarnessError
from bench.model.operation import Kind, Operation
from bench.model.phase import Outcome
from bench.model.record import ROW
from bench.run.acknowledged import AcknowledgedWrites

S = 1_000_000_000
NOTARY = registry.workload("notary")
PLAN = DrawingPlan({}, 8, 5, {"process": "constant", "rate": 400.0}, 2 * S, 2)


def drawn_here(worker: int) -> dict[int, Operation]:
    return {index: one for index, _, one in draw(NOTARY, PLAN, worker) if one.kind is Kind.WRITE}


def table(drawn: list[int], worker: int, outcome: Outcome = Outcome.FINALIZED) -> np.ndarray:
    rows = np.zeros(len(drawn), ROW)
    rows["drawn"], rows["worker"], rows["outcome"] = drawn, worker, outcome
    rows["index"] = rows["drawn"][::-1]  # another turn than the one it was drawn for
    for row, place in zip(rows, drawn, strict=True):
        row["tx_id"] = place.to_bytes(32, "big")
    return rows


@pytest.mark.parametrize("worker", [0, 1])
def test_the_other_process_draws_what_the_encoder_drew(worker: int) -> None:
    here = drawn_here(worker)
    assert 400 * 2 / 2 * 0.6 < len(here) < 400 * 2 / 2 * 0.8
    assert dict(redrawn(NOTARY, PLAN, worker)) == here


def test_each_committed_row_gets_the_operation_it_was_drawn_with() -> None:
    here = [drawn_here(worker) for worker in (0, 1)]
    chosen = [sorted(random.Random(worker).sample(list(here[worker]), 40)) for worker in (0, 1)]
    lost = table([next(index for index in here[0] if index not in chosen[0])], 0, Outcome.UNRESOLVED)
    committed = table(chosen[1], 1, Outcome.COMMITTED)
    rows = np.concatenate([lost, committed[::-1], table(chosen[0], 0)])
    found = list(AcknowledgedWrites(PLAN, NOTARY, rows))
    expected = [(index.to_bytes(32, "big"), here[worker][index]) for worker in (0, 1) for index in chosen[worker]]
    assert [(one.tx_id, one.operation) for one in found] == expected


def test_a_pass_that_is_given_up_ends_its_process() -> None:
    rows = table(list(islice(drawn_here(0), 5)), 0)
    first = next(iter(AcknowledgedWrites(PLAN, NOTARY, rows)))
    assert first.tx_id == int(rows["drawn"][0]).to_bytes(32, "big")


def test_a_row_that_nobody_drew_is_a_fault_of_ours() -> None:
    with pytest.raises(HarnessError, match="not among the operations"):
        list(AcknowledgedWrites(PLAN, NOTARY, table([10**9], 0)))


def test_another_operation_than_the_recorded_one_is_a_fault_of_ours() -> None:
    rows = table(list(islice(drawn_here(0), 1)), 0)
    rows["operation"] = 1
    with pytest.raises(HarnessError, match="not the one that was sent"):
        list(AcknowledgedWrites(PLAN, NOTARY, rows))


def test_nothing_committed_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.run.acknowledged.redrawn", None)
    assert list(AcknowledgedWrites(PLAN, NOTARY, np.zeros(0, ROW))) == []

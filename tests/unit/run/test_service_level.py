import numpy as np
import pytest

from bench.measure.summary import summarise
from bench.model.phase import Outcome
from bench.model.record import NEVER
from bench.model.transaction import ErrorClass
from bench.run.bundling import _misses
from tests.support.queues import queued_trial


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome.DROPPED, ErrorClass.IN_FLIGHT_BOUND),
        (Outcome.REJECTED, ErrorClass.POOL_FULL),
        (Outcome.UNRESOLVED, ErrorClass.NOT_INCLUDED),
    ],
)
@pytest.mark.parametrize(("every", "missed"), [(50, True), (200, False)])
def test_a_level_for_99_of_100_is_missed_when_more_never_become_final(outcome, error, every, missed):
    trial = queued_trial(rate=1_000, blocks=20)
    lost = np.arange(len(trial.rows)) % every == 0
    for column in ("accepted_ns", "committed_ns", "finalized_ns", "block"):
        trial.rows[column][lost] = NEVER
    trial.rows["outcome"][lost] = outcome
    trial.rows["error_class"][lost] = error
    assert _misses(summarise(trial), 1e9) is missed

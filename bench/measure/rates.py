"""Rates of the measure phase, writes only: what was offered, sent, taken, and finalised as valid.

Goodput counts finalisations by their own time, in a window of whole blocks (`bench.stats.window`). A cohort's late
commits in the drain are not goodput: counting them would hide overload.
"""

from __future__ import annotations

from bench.measure.inputs import TrialInput
from bench.model.phase import Outcome
from bench.model.result import Rates
from bench.stats.window import Window, block_window, plain_window


def goodput_window(trial: TrialInput) -> Window:
    """The blocks of the measure phase, as the trial's first host saw them."""
    chain = trial.blocks["observed_ns"][trial.blocks["orphaned"] == 0]
    return block_window(chain, trial.measure.start_ns, trial.measure.end_ns)


def rates(trial: TrialInput) -> tuple[Rates, str]:
    """Per second over the measure phase, and a note where goodput could not be aligned to blocks (else empty)."""
    measure = trial.measure
    if measure.end_ns <= measure.start_ns:
        return Rates(
            offered_per_s=0, submitted_per_s=0, accepted_per_s=0, goodput_per_s=0
        ), "the measure phase is empty"
    rows = trial.rows
    write = rows["kind"] == 0
    outcome = rows["outcome"]
    window = goodput_window(trial)
    plain = plain_window(measure.start_ns, measure.end_ns)
    finalized = rows["finalized_ns"]
    return (
        Rates(
            offered_per_s=plain.count(rows["intended_ns"][write]) / plain.seconds,
            submitted_per_s=plain.count(rows["submitted_ns"][write]) / plain.seconds,
            accepted_per_s=plain.count(rows["accepted_ns"][write & (outcome != Outcome.REJECTED)]) / plain.seconds,
            goodput_per_s=window.count(finalized[outcome == Outcome.FINALIZED]) / window.seconds,
            expected_refusals_per_s=window.count(finalized[outcome == Outcome.FAILED_EXPECTED]) / window.seconds,
            blocks=window.blocks,
            window_s=window.seconds,
        ),
        window.note,
    )

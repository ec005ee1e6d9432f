"""What a run does with a scenario on one target: how many transactions, in which spans, from which seeds.

All of it derives from the scenario, so a plan can be made again from a bundle. Trials are numbered from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.model.errors import ConfigurationError
from bench.model.phase import Phase, PhaseSpan
from bench.scenario.arrival import ArrivalProcess, planned_count
from bench.scenario.schema import EndpointChoice, LedgerChoice, Scenario

_ORDER_STREAM = 0x0DE  # keeps the order of trials apart from what else is drawn from the seed
_SEED_BITS = 53  # readers of JSON know whole numbers up to 2⁵³


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """One repeat. `planned` is exact; it differs between trials only where arrivals are drawn at random."""

    trial: int
    seed: int
    planned: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials of one scenario on one target, all that may be run: a stopping rule may end a run before the last.

    Times are ns since a trial's start signal.
    """

    target: LedgerChoice | EndpointChoice
    process: ArrivalProcess
    duration_ns: int
    spans: tuple[PhaseSpan, ...]
    in_flight: int
    trials: tuple[TrialPlan, ...]

    @property
    def planned(self) -> int:
        """The most transactions that any trial plans; what a trial is funded for."""
        return max(trial.planned for trial in self.trials)

    @property
    def fresh(self) -> bool:
        """Whether every trial gets a ledger without a past."""
        return isinstance(self.target, LedgerChoice)

    def span(self, phase: Phase) -> PhaseSpan:
        """The span of warm_up, measure or drain. An absent warm-up is a span of length 0."""
        return next(span for span in self.spans if span.phase is phase)


def make_plan(scenario: Scenario, ledger_index: int = 0) -> Plan:
    """The plan for `scenario.ledgers[ledger_index]`, or for the endpoint (index 0).

    A trial has the same seed, and so the same arrivals and operations, on every ledger: comparisons are paired.
    """
    duration = scenario.phases.duration_ns
    process = scenario.process
    seeds = [trial_seed(scenario.seed, trial) for trial in range(1, scenario.most_trials + 1)]
    return Plan(
        target=_target(scenario, ledger_index),
        process=process,
        duration_ns=duration,
        spans=(
            PhaseSpan(Phase.WARM_UP, 0, scenario.phases.warm_up_ns),
            PhaseSpan(Phase.MEASURE, scenario.phases.warm_up_ns, duration),
            PhaseSpan(Phase.DRAIN, duration, duration + scenario.phases.drain_ns),
        ),
        in_flight=scenario.load.in_flight,
        trials=tuple(
            TrialPlan(trial, seed, planned_count(process, duration, seed)) for trial, seed in enumerate(seeds, start=1)
        ),
    )


def trial_seed(seed: int, trial: int) -> int:
    """Seed of a trial, below 2⁵³: the same however many trials there are (numpy's SeedSequence, child trial − 1)."""
    words = np.random.SeedSequence(seed, spawn_key=(trial - 1,)).generate_state(1, np.uint64)
    return int(words[0]) >> (64 - _SEED_BITS)


def trial_order(scenario: Scenario) -> list[tuple[int, int]]:
    """All (ledger index, trial) pairs that may be run, in the order to run them; the order of the first rounds does not
    depend on how many may follow.

    Randomised blocks: in each round every ledger runs once, in an order drawn from the seed. What drifts on the machine
    then meets all ledgers alike, and a run cut short has used each ledger equally often.
    """
    draw = np.random.Generator(np.random.PCG64(np.random.SeedSequence([scenario.seed, _ORDER_STREAM])))
    ledgers = max(1, len(scenario.ledgers))
    keys = draw.random((scenario.most_trials, ledgers))
    return [(int(ledger), trial) for trial, row in enumerate(keys, start=1) for ledger in np.argsort(row)]


def _target(scenario: Scenario, ledger_index: int) -> LedgerChoice | EndpointChoice:
    targets = [scenario.endpoint] if scenario.endpoint is not None else scenario.ledgers
    if not 0 <= ledger_index < len(targets):
        remedy = f"use an index from 0 to {len(targets) - 1}"
        raise ConfigurationError("the scenario has no ledger of this index", value=ledger_index, remedy=remedy)
    return targets[ledger_index]

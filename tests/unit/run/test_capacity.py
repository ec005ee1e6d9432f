"""The runner of a search with trials in virtual time: budget, bundles, resuming, what ends it, and in which code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.reader import Bundle, read_bundle
from bench.bundle.verify import verify
from bench.ledgers.simulated_options import SimulatedOptions
from bench.measure.inputs import Limits, TrialInput
from bench.measure.summary import summarise
from bench.model.clock import NS_PER_S
from bench.model.errors import BenchError, ConfigurationError, ExitCode, HarnessError, LedgerError
from bench.model.phase import Outcome
from bench.model.result import CalibrationPart, InvariantPart
from bench.run import capacity
from bench.run.assemble import Assembled
from bench.run.bundling import RunBundle
from bench.run.capacity import attempt_scenario, find_capacity, rules_of
from bench.run.coordinator import RunOutcome
from bench.run.events import LiveView, RunListener
from bench.run.execution import Ceilings, Done, RunOptions
from bench.run.interrupts import Interrupts
from bench.run.search import Ask
from bench.run.trial import TrialFacts, TrialRequest
from bench.scenario.arrival import Constant
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.schema import Scenario
from benchmarks.capacity.virtual import virtual_trial

S = NS_PER_S
OVERHEAD_NS = 4 * S


@dataclass
class Heard:
    steps: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def live(self, view: LiveView) -> None:
        del view

    def warn(self, text: str) -> None:
        self.steps.append(text)


@dataclass
class Laboratory:
    """Stands in for real trials: each takes its virtual time. `before` may fail, break or interrupt one by number."""

    options: SimulatedOptions
    now_ns: int = 0
    ran: list[TrialRequest] = field(default_factory=list)
    ended_at: list[int] = field(default_factory=list)
    before: Callable[[int, Interrupts], BenchError | None] = lambda number, interrupted: None
    invariant: str = "held"
    slept_s: float = 0.0
    final_after_ns: int = 0

    def clock(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.now_ns += round(seconds * S)

    def run_trial(
        self,
        request: TrialRequest,
        limits: Limits,
        bundle: RunBundle,
        listener: RunListener,
        interrupted: Interrupts,
        watchers: object,
    ) -> Done:
        del listener, watchers
        self.ran.append(request)
        failure = self.before(len(self.ran), interrupted)
        asked = Ask("probe", request.arrival["rate"], request.warm_up_ns, request.duration_ns - request.warm_up_ns)
        trial = virtual_trial(self.options, Constant(asked.offered_per_s), asked, request.trial, request.seed)
        finalised_later(trial, self.final_after_ns)
        fields = {
            "limits": limits,
            "operations": request.workload.operations,
            "fresh_ledger": request.ledger is not None,
        }
        trial = replace(trial, **fields)  # type: ignore[arg-type]
        if isinstance(failure, LedgerError):
            trial = replace(trial, incidents=replace(trial.incidents, ledger_failure="the node ended"))
        measured = summarise(trial).model_copy(update={"resources": []})  # there are no samples to keep beside them
        made = Assembled(measured, trial, tuple(trial.phases))
        facts = TrialFacts(Path("spool"), started=True, end_ns=trial.end_ns, failure=failure)
        self.now_ns += OVERHEAD_NS + trial.end_ns
        self.ended_at.append(self.now_ns)
        bundle.audit([InvariantPart.model_validate({"name": "i", "status": self.invariant, "detail": ""})])
        bundle.add(request, facts, made)
        return Done(facts, made, failure)


def finalised_later(trial: TrialInput, later_ns: int) -> None:
    """Every block of `trial` final so much later; what that leaves beyond its end was only committed."""
    rows = trial.rows
    final = rows["finalized_ns"] >= 0
    rows["finalized_ns"][final] += later_ns
    missed = rows["finalized_ns"] > trial.end_ns
    rows["finalized_ns"][missed] = -1
    rows["outcome"][missed] = Outcome.COMMITTED


@pytest.fixture
def laboratory(monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    made = Laboratory(SimulatedOptions(service_rate_per_s=40, block_interval_ms=500))
    monkeypatch.setattr(capacity, "run_trial", made.run_trial)
    monkeypatch.setattr(capacity.time, "sleep", made.sleep)
    monkeypatch.setattr("bench.run.bundling.WATCH_S", 0.0)
    return made


def scenario(**changes: Any) -> Scenario:
    base: dict[str, Any] = {
        "name": "t",
        "ledgers": ["simulated"],
        "workload": "transfer",
        "arrival": {"process": "constant", "rate": 20},
        "phases": {"duration": "60s", "warm_up": "3s"},
    }
    return scenario_from_mapping({**base, **changes})


def hunt(
    laboratory: Laboratory,
    tmp_path: Path,
    wanted: Scenario | None = None,
    *,
    resume: Path | None = None,
    ceilings: Ceilings | None = None,
    heard: Heard | None = None,
) -> tuple[RunOutcome, list[Bundle]]:
    options = RunOptions(tmp_path, ["test"], lambda bundle: None, ceilings=ceilings)
    outcome = find_capacity(wanted or scenario(), options, heard or Heard(), resume, laboratory.clock)
    return outcome, [read_bundle(path) for path in outcome.bundles]


def test_a_whole_search_is_one_sealed_bundle(laboratory: Laboratory, tmp_path: Path) -> None:
    heard = Heard()
    outcome, (bundle,) = hunt(laboratory, tmp_path, heard=heard)
    found = bundle.result.capacity
    assert outcome.exit_code is ExitCode.DONE
    assert found is not None
    assert found.low_per_s is not None
    assert found.high_per_s is not None
    assert found.ended == "converged"
    assert found.low_per_s <= 40 <= found.high_per_s
    assert not found.estimate
    assert found.confirmed_passes == 5
    assert [one.trial for one in found.attempts] == [trial.trial for trial in bundle.result.trials]
    assert bundle.result.summary.goodput_per_s.trials == 5
    assert bundle.result.summary.verdict.status == "valid"
    assert not bundle.result.partial
    assert verify(bundle.directory) == []
    assert any("confirm at" in step and "of the budget left" in step for step in heard.steps)
    assert len(bundle.transactions(1)) == laboratory.ran[0].planned
    assert len({request.seed for request in laboratory.ran}) == len(laboratory.ran)


def test_no_trial_is_begun_that_would_not_end_in_the_budget(laboratory: Laboratory, tmp_path: Path) -> None:
    outcome, (bundle,) = hunt(laboratory, tmp_path, scenario(capacity={"budget": "6m"}))
    found = bundle.result.capacity
    assert found is not None
    assert found.ended == "budget"
    assert max(laboratory.ended_at) <= 360 * S
    assert max(laboratory.ended_at) > 280 * S
    assert 0 < found.confirmed_trials < 5
    assert "full-length trials it was to pass" in found.notes[0]
    assert outcome.exit_code is ExitCode.DONE
    assert not bundle.result.partial


def test_a_budget_in_which_nothing_was_confirmed_decides_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    outcome, (bundle,) = hunt(laboratory, tmp_path, scenario(capacity={"budget": "40s"}))
    assert outcome.exit_code is ExitCode.UNDECIDED
    assert bundle.result.capacity is not None
    assert bundle.result.capacity.estimate


def test_a_budget_for_no_trial_at_all_leaves_no_bundle(laboratory: Laboratory, tmp_path: Path) -> None:
    outcome, bundles = hunt(laboratory, tmp_path, scenario(capacity={"budget": "5s"}))
    assert bundles == []
    assert list(tmp_path.iterdir()) == []
    assert laboratory.ran == []
    assert outcome.exit_code is ExitCode.USAGE
    assert "budget" in outcome.problems[0]


def test_resumed_it_goes_on_where_it_ended(laboratory: Laboratory, tmp_path: Path) -> None:
    _, (whole,) = hunt(laboratory, tmp_path / "whole")
    _, (first,) = hunt(laboratory, tmp_path / "first", scenario(capacity={"budget": "5m"}))
    _, (rest,) = hunt(laboratory, tmp_path / "rest", resume=first.directory)
    assert whole.result.capacity is not None
    assert first.result.capacity is not None
    assert rest.result.capacity is not None
    taken = len(first.result.capacity.attempts)
    attempts = rest.result.capacity.attempts
    assert [one.trial for one in attempts[:taken]] == [None] * taken
    assert [one.trial for one in attempts[taken:]] == [trial.trial for trial in rest.result.trials]
    assert rest.result.trials[0].trial == taken + 1
    assert [one.offered_per_s for one in attempts] == [one.offered_per_s for one in whole.result.capacity.attempts]
    assert (rest.result.capacity.low_per_s, rest.result.capacity.high_per_s) == (
        whole.result.capacity.low_per_s,
        whole.result.capacity.high_per_s,
    )
    assert f"{taken} attempts were taken over from {first.result.run_id}" in rest.result.capacity.notes[-1]


def test_what_cannot_be_resumed_is_refused(laboratory: Laboratory, tmp_path: Path) -> None:
    _, (first,) = hunt(laboratory, tmp_path / "first", scenario(capacity={"budget": "2m"}))
    _, (whole,) = hunt(laboratory, tmp_path / "whole")
    begun = len(laboratory.ran)
    for other, bundle, reason in (
        (scenario(load={"accounts": 7}), first, "another load"),
        (scenario(ledgers=["sqlite"]), first, "another ledger"),
        (scenario(capacity={"start": 30}), first, "another trial was asked for"),
        (scenario(capacity={"estimate": True}), first, "another trial was asked for"),
        (scenario(), whole, "nothing left to try"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            hunt(laboratory, tmp_path / "none", other, resume=bundle.directory)
    assert len(laboratory.ran) == begun
    assert not (tmp_path / "none").exists() or list((tmp_path / "none").iterdir()) == []


def test_an_interrupt_closes_the_bundle_as_partial(laboratory: Laboratory, tmp_path: Path) -> None:
    def interrupt(number: int, interrupted: Interrupts) -> None:
        if number == 3:
            interrupted.note(2, None)

    laboratory.before = interrupt
    outcome, (bundle,) = hunt(laboratory, tmp_path)
    assert outcome.exit_code is ExitCode.INTERRUPTED
    assert bundle.result.partial
    assert bundle.result.capacity is not None
    assert bundle.result.capacity.ended == "interrupted"
    assert len(bundle.result.capacity.attempts) == 2
    assert len(laboratory.ran) == 3
    assert verify(bundle.directory) == []


def test_a_ledger_of_ours_that_dies_under_load_failed_that_load(laboratory: Laboratory, tmp_path: Path) -> None:
    def die(number: int, interrupted: Interrupts) -> BenchError | None:
        del interrupted
        return LedgerError("node ended") if laboratory.ran[number - 1].arrival["rate"] > 60 else None

    laboratory.before = die
    outcome, (bundle,) = hunt(laboratory, tmp_path)
    assert outcome.exit_code is ExitCode.DONE
    assert bundle.result.capacity is not None
    assert bundle.result.capacity.ended == "converged"
    dead = [one for one in bundle.result.capacity.attempts if one.offered_per_s > 60]
    assert dead
    assert all("the ledger failed" in one.reasons[0] and not one.harness_bound for one in dead)


def test_a_fault_of_the_harness_ends_the_search(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.before = lambda number, _: HarnessError("a worker died") if number == 4 else None
    outcome, (bundle,) = hunt(laboratory, tmp_path)
    assert outcome.exit_code is ExitCode.INTERNAL
    assert outcome.problems == ["simulated: a worker died"]
    assert bundle.result.partial
    assert bundle.result.capacity is not None
    assert bundle.result.capacity.ended == "failed"


def test_a_broken_invariant_ends_in_its_own_code(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.invariant = "broken"
    outcome, _ = hunt(laboratory, tmp_path, scenario(capacity={"budget": "6m"}))
    assert outcome.exit_code is ExitCode.GATE_FAILED


def test_a_ledger_that_sustains_nothing_fails_the_gate(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.options = SimulatedOptions(block_interval_ms=500, lose={"probability": 0.5})  # type: ignore[arg-type]
    outcome, (bundle,) = hunt(laboratory, tmp_path, scenario(capacity={"budget": "2h"}))
    assert bundle.result.capacity is not None
    assert bundle.result.capacity.ended == "nothing-passed"
    assert outcome.exit_code is ExitCode.GATE_FAILED


def test_finality_longer_than_a_probe_is_waited_for_and_not_taken_for_failure(
    laboratory: Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks each 2 s, final 32 blocks on: more than a minute, where the first probe lasts 13 s."""
    monkeypatch.setattr("benchmarks.capacity.virtual.DRAIN_NS", 120 * S)
    laboratory.options = SimulatedOptions(service_rate_per_s=40, block_interval_ms=2_000)
    laboratory.final_after_ns = 64 * S
    outcome, (bundle,) = hunt(laboratory, tmp_path, scenario(capacity={"budget": "9h"}))
    found = bundle.result.capacity
    assert found is not None
    assert (found.ended, outcome.exit_code) == ("converged", ExitCode.DONE)
    assert found.low_per_s is not None
    assert found.high_per_s is not None
    assert found.low_per_s <= 40 <= found.high_per_s
    first, second = found.attempts[:2]
    assert first.undecided
    assert first.warm_up_needed_s is not None
    assert 64 < first.warm_up_needed_s < 70
    assert (second.offered_per_s, second.undecided) == (first.offered_per_s, False)
    assert laboratory.ran[1].warm_up_ns == pytest.approx(first.warm_up_needed_s * S)
    assert verify(bundle.directory) == []


def test_a_search_in_which_nothing_becomes_final_is_undecided_and_says_what_to_check(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    laboratory.options = SimulatedOptions(block_interval_ms=500, lose={"probability": 1.0})  # type: ignore[arg-type]
    outcome, (bundle,) = hunt(laboratory, tmp_path, scenario(capacity={"budget": "2h"}))
    found = bundle.result.capacity
    assert found is not None
    assert (found.ended, outcome.exit_code) == ("undecided", ExitCode.UNDECIDED)
    assert [one.offered_per_s for one in found.attempts] == [20, 10, 5]
    assert found.high_per_s is None
    assert "nothing became final" in found.notes[0]
    assert "phases.drain" in found.notes[0]
    assert verify(bundle.directory) == []


def test_the_harness_ceiling_is_asked_about_ahead_and_again_when_it_does_not_reach(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    asked: list[float] = []

    def ceilings(target: object, wanted: Scenario, listener: object, interrupted: object) -> CalibrationPart:
        del target, listener, interrupted
        asked.append(wanted.process.rate_at(0))
        return CalibrationPart(
            key="k", made_at="", adapter="simulated", workers=1, batch=1, ceiling_per_s=2 * asked[-1], at_least=True
        )

    laboratory.options = SimulatedOptions(service_rate_per_s=100, block_interval_ms=500)
    _, (bundle,) = hunt(laboratory, tmp_path, scenario(capacity={"budget": "3m"}), ceilings=ceilings)
    assert asked == [80.0, 640.0]
    assert bundle.result.calibration is not None
    assert bundle.result.calibration.ceiling_per_s == 1280
    headrooms = [request.headroom for request in laboratory.ran]
    assert all(headroom is not None and headroom.share <= 0.5 for headroom in headrooms)


def test_a_known_ceiling_of_the_harness_is_not_asked_about_again(laboratory: Laboratory, tmp_path: Path) -> None:
    asked: list[float] = []

    def ceilings(target: object, wanted: Scenario, listener: object, interrupted: object) -> CalibrationPart:
        del target, listener, interrupted
        asked.append(wanted.process.rate_at(0))
        return CalibrationPart(
            key="k", made_at="", adapter="simulated", workers=1, batch=1, ceiling_per_s=50.0, at_least=False
        )

    hunt(laboratory, tmp_path, scenario(capacity={"budget": "2m"}), ceilings=ceilings)
    assert asked == [80.0, 20.0], "once ahead, and once about the rate itself, which may be all that is needed"


def test_drains_are_as_long_as_they_show_something(laboratory: Laboratory, tmp_path: Path) -> None:
    hunt(laboratory, tmp_path, scenario(capacity={"budget": "2m"}))
    drains = [request.drain_ns for request in laboratory.ran]
    assert drains[0] == 30 * S
    assert drains[1:] == [5 * S] * (len(drains) - 1)


def test_a_node_that_is_not_ours_may_work_off_what_an_overload_left(laboratory: Laboratory, tmp_path: Path) -> None:
    endpoint = {"adapter": "simulated", "url": "unix:///nowhere.sock"}
    wanted = scenario(endpoint=endpoint, ledgers=[], capacity={"budget": "4m"})
    laboratory.options = SimulatedOptions(service_rate_per_s=10, block_interval_ms=500)
    _, (bundle,) = hunt(laboratory, tmp_path, wanted)
    assert all(request.drain_ns == 30 * S for request in laboratory.ran[:-1]), "the last one as the budget allows"
    left = bundle.result.trials[0].counts.unresolved
    assert left > 50
    assert laboratory.slept_s >= left / 10.2
    assert not bundle.result.trials[0].fresh_ledger


def test_each_ledger_has_a_search_and_a_budget_of_its_own(laboratory: Laboratory, tmp_path: Path) -> None:
    _, bundles = hunt(laboratory, tmp_path, scenario(ledgers=["simulated", "sqlite"], capacity={"budget": "2m"}))
    assert [bundle.result.ledger.name for bundle in bundles] == ["simulated", "sqlite"]
    assert len({len(bundle.result.trials) for bundle in bundles}) == 1


@pytest.mark.parametrize(
    ("arrival", "phases"),
    [
        ({"process": "ramp", "from": 1, "to": 9}, {"duration": "20s"}),
        ({"process": "burst", "base": 1, "peak": 9, "every": "5s", "length": "1s"}, {"duration": "20s"}),
    ],
)
def test_arrivals_without_one_rate_are_refused(
    laboratory: Laboratory, tmp_path: Path, arrival: dict[str, Any], phases: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="arrivals of one rate"):
        hunt(laboratory, tmp_path, scenario(arrival=arrival, phases=phases))
    assert list(tmp_path.iterdir()) == []


def test_rules_follow_the_scenario() -> None:
    from bench import registry

    wanted = scenario(
        workload="smallbank",
        slo={"finality_p99": "2s"},
        capacity={"estimate": True, "start": 7, "confirm": "9s", "resolution": "10%", "confirmations": 14},
    )
    workload = registry.workload("smallbank")
    rules = rules_of(wanted, workload)
    assert (rules.start_per_s, rules.confirm_ns, rules.probe_ns) == (7, 9 * S, 5 * S)
    assert (rules.resolution, rules.confirmations, rules.slo_ms) == (0.1, 14, 2_000)
    assert (rules.probe_blocks, rules.confirm_blocks) == (10, 10)
    writes = sum(one.weight for one in workload.operations if one.kind.value == "write")
    share = writes / sum(one.weight for one in workload.operations)
    assert rules.operations == pytest.approx(1_100 / share, abs=1)
    plain = rules_of(scenario(), registry.workload("transfer"))
    assert (plain.start_per_s, plain.confirm_ns, plain.probe_ns) == (20, 60 * S, 10 * S)
    assert (plain.probe_blocks, plain.confirm_blocks, plain.operations, plain.slo_ms) == (12, 20, 0, None)


def test_the_load_of_a_trial_is_what_was_asked_for() -> None:
    asked = Ask("confirm", 500.0, 3 * S, 60 * S)
    made = attempt_scenario(scenario(), asked, 5 * S, number=4)
    assert made.process.rate_at(0) == 500
    assert (made.phases.duration_ns, made.phases.warm_up_ns, made.phases.drain_ns) == (63 * S, 3 * S, 5 * S)
    assert made.load.in_flight == 10_000, "20 s of the rate"
    assert made.most_trials == 4
    own = attempt_scenario(scenario(load={"in_flight": 77}), asked, 5 * S)
    assert own.load.in_flight == 77, "the scenario's own bound stays"


def test_nothing_is_taken_for_final_that_was_not(laboratory: Laboratory, tmp_path: Path) -> None:
    _, (bundle,) = hunt(laboratory, tmp_path, scenario(capacity={"budget": "1m"}))
    outcomes = bundle.transactions(1, ["outcome"])["outcome"].to_pylist()
    assert outcomes.count(Outcome.FINALIZED.label) == bundle.result.trials[0].counts.finalized

"""`capacity`: runs the trials that the search asks for, within a budget of time, and closes one bundle per target.

What to try is the business of `bench.run.search`, what it adds up to that of `bench.run.attempts`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import registry
from bench.bundle.reader import read_bundle
from bench.model.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns, utc_now
from bench.model.errors import BenchError, ConfigurationError, ExitCode, LedgerError, worst
from bench.model.operation import Kind
from bench.model.result import CalibrationPart, Capacity, CapacityAttempt
from bench.model.workload import Workload
from bench.run.attempts import Ended, attempt_of, conclude
from bench.run.bundling import RunBundle
from bench.run.coordinator import RunOutcome
from bench.run.events import RunListener
from bench.run.execution import Done, RunOptions, close_bundle, interrupts, run_trial
from bench.run.interrupts import Interrupts
from bench.run.search import Ask, Rules, Search
from bench.run.targets import Target, check_targets, limits_of, parameters_of, trial_request
from bench.scenario.arrival import HIGHEST_RATE, planned_count
from bench.scenario.arrival_schema import ConstantArrival, PoissonArrival
from bench.scenario.capacity import CapacitySearch
from bench.scenario.duration import format_duration
from bench.scenario.loader import load_sha256
from bench.scenario.plan import TrialPlan, trial_seed
from bench.scenario.schema import IN_FLIGHT, IN_FLIGHT_S, Scenario
from bench.stats.percentiles import minimal_count

FIRST_OVERHEAD_S = 8.0
"""What starting and ending a trial takes, until one was timed."""
LEAST_DRAIN_NS = 5 * NS_PER_S
DRAIN_LATENCIES = 3
"""Latencies that a drain waits for what is open; longer shows nothing more, because only the measure phase counts."""
ESTIMATE_BLOCKS = 10
AHEAD = 4
"""The harness's ceiling is asked about at this multiple of the rate that needs it: doubling then seldom asks again."""


def find_capacity(
    scenario: Scenario,
    options: RunOptions,
    listener: RunListener,
    resume: Path | None = None,
    clock: Clock = monotonic_ns,
) -> RunOutcome:
    """Search on every target of `scenario`, one after the other, each within the budget. Raises what makes searching
    pointless (configuration); what happens later is in the bundles and in the exit code.

    `resume` is the bundle of an earlier search whose trials are taken over.
    """
    workload = registry.workload(scenario.workload.name)
    parameters_of(scenario, workload)
    rules = rules_of(scenario, workload)
    targets = check_targets(scenario, workload, options.key_file)
    started = utc_now()
    outcome = _Outcome()
    with interrupts() as interrupted:
        for target in targets:
            if interrupted():
                break
            search = Search(rules)
            taken = [] if resume is None else _take_over(search, resume, scenario, target)
            bundle = RunBundle(options.out, started, scenario, workload, target.name, target.info, options.command)
            hunt = _Hunt(scenario, workload, target, options, listener, interrupted, clock, search, bundle)
            hunt.notes.extend(taken)
            hunt.run()
            outcome.add(hunt)
        if interrupted():
            outcome.codes.append(ExitCode.INTERRUPTED)
    return RunOutcome(outcome.bundles, worst(outcome.codes), outcome.problems)


def rules_of(scenario: Scenario, workload: Workload) -> Rules:
    """The scenario's search as the pure search wants it. ConfigurationError when the arrivals have no one rate."""
    if not isinstance(scenario.arrival, ConstantArrival | PoissonArrival):
        raise ConfigurationError(
            "a capacity search needs arrivals of one rate",
            value=scenario.arrival.process,
            remedy="use arrival.process constant or poisson",
        )
    settings = settings_of(scenario)
    slo = scenario.slo
    total = math.fsum(operation.weight for operation in workload.operations)
    writes = math.fsum(operation.weight for operation in workload.operations if operation.kind is Kind.WRITE)
    standard = Rules(start_per_s=settings.start or scenario.arrival.rate)
    blocks = ESTIMATE_BLOCKS if settings.estimate else None
    return Rules(
        start_per_s=standard.start_per_s,
        highest_per_s=HIGHEST_RATE,
        resolution=settings.resolution,
        confirmations=settings.confirmations,
        probe_ns=settings.probe_ns,
        probe_blocks=blocks or standard.probe_blocks,
        confirm_ns=settings.confirm_ns,
        confirm_blocks=blocks or standard.confirm_blocks,
        warm_up_ns=scenario.phases.warm_up_ns,
        operations=0 if slo is None else math.ceil(1.1 * minimal_count("p99") * total / writes),
        slo_ms=None if slo is None else slo.finality_p99_ns / NS_PER_MS,
    )


def settings_of(scenario: Scenario) -> CapacitySearch:
    """The `capacity` section, or its defaults."""
    return scenario.capacity or CapacitySearch()


def attempt_scenario(scenario: Scenario, asked: Ask, drain_ns: int, number: int = 1) -> Scenario:
    """`scenario` with the load asked for, as trial `number` of so many. An in-flight bound that was derived from the
    rate follows it.
    """
    duration_ns = asked.warm_up_ns + asked.measure_ns
    arrival = scenario.arrival.model_copy(update={"rate": asked.offered_per_s})
    phases = scenario.phases.model_copy(
        update={"duration_ns": duration_ns, "warm_up_ns": asked.warm_up_ns, "drain_ns": drain_ns}
    )
    derived = _in_flight(scenario.process.rate_at(0))
    bound = scenario.load.in_flight
    load = scenario.load.model_copy(
        update={"in_flight": _in_flight(asked.offered_per_s) if bound == derived else bound}
    )
    return scenario.model_copy(
        update={"arrival": arrival, "phases": phases, "load": load, "trials": number, "stopping": None}
    )


def _in_flight(rate: float) -> int:
    return max(IN_FLIGHT, math.ceil(IN_FLIGHT_S * rate))


@dataclass(slots=True)
class _Outcome:
    bundles: list[Path] = field(default_factory=list)
    codes: list[ExitCode] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, hunt: _Hunt) -> None:
        name = hunt.target.name
        if hunt.failure is not None:
            self.problems.append(f"{name}: {hunt.failure}")
            self.codes.append(hunt.failure.exit_code)
        try:
            closed = hunt.close()
        except BenchError as error:
            self.problems.append(f"{name}: {error}")
            self.codes.append(error.exit_code)
            return
        if closed is not None:
            self.bundles.append(closed)
            self.codes.extend(hunt.codes())


@dataclass(slots=True)
class _Hunt:
    """The search on one target."""

    scenario: Scenario
    workload: Workload
    target: Target
    options: RunOptions
    listener: RunListener
    interrupted: Interrupts
    clock: Clock
    search: Search
    bundle: RunBundle
    notes: list[str] = field(default_factory=list)
    failure: BenchError | None = None
    ended: Ended = "budget"
    calibration: CalibrationPart | None = None
    overhead_s: float = FIRST_OVERHEAD_S
    deadline_ns: int = 0

    def run(self) -> None:
        """Trial after trial until the search is over, the time is up, or something ends it."""
        self.deadline_ns = self.clock() + settings_of(self.scenario).budget_ns
        while (asked := self.search.ask) is not None:
            if self.interrupted():
                self.ended = "interrupted"
                break
            drain_ns = min(self._drain_ns(), self._left_after_ns(asked))
            if drain_ns < min(LEAST_DRAIN_NS, self.scenario.phases.drain_ns):
                self._out_of_time(asked)
                break
            attempt = self._attempt(asked, attempt_scenario(self.scenario, asked, drain_ns, self.number))
            if attempt is None:
                self.ended = "interrupted" if self.interrupted() else "failed"
                break
            self.search.take(attempt)
            self._tell(attempt)
            self.bundle.search(self.found())
        else:
            self.ended = self.search.ended or "budget"

    def found(self) -> Capacity:
        """What is known now."""
        estimate = settings_of(self.scenario).estimate
        return conclude(self.search, self.ended, estimate=estimate, notes=self.notes)

    def close(self) -> Path | None:
        """Seal the bundle; None, and no directory, when nothing was ever sent."""
        if not self.bundle.has_trials:
            self.bundle.discard()
            return None
        self.bundle.search(self.found())
        self.listener.step(f"{self.target.name}: writing the report")
        return close_bundle(self.bundle, self.options, partial=self.ended in ("interrupted", "failed"))

    def codes(self) -> list[ExitCode]:
        """Overloaded and discarded trials are part of a search, so its own end decides, and broken invariants."""
        codes = [ExitCode.GATE_FAILED] if self.bundle.invariants_broken else []
        if self.ended == "harness-bound":
            codes.append(ExitCode.INVALID)
        elif self.ended == "nothing-passed":
            codes.append(ExitCode.GATE_FAILED)
        elif self.ended == "undecided" or (self.ended == "budget" and not self._seen_in_full()):
            codes.append(ExitCode.UNDECIDED)
        return codes

    def _seen_in_full(self) -> bool:
        return self.search.low is not None and bool(self.search.full(self.search.low))

    # --- one trial

    @property
    def number(self) -> int:
        """Of the next trial; those that were taken over count."""
        return len(self.search.attempts) + 1

    def _attempt(self, asked: Ask, scenario: Scenario) -> CapacityAttempt | None:
        """None when it came to nothing, and the search with it."""
        seed = trial_seed(self.scenario.seed, self.number)
        planned = planned_count(scenario.process, scenario.phases.duration_ns, seed)
        self._calibrate(scenario)
        self.listener.step(
            f"{self.target.name}: {asked.kind} at {asked.offered_per_s:,.4g}/s for "
            f"{(asked.warm_up_ns + asked.measure_ns) / NS_PER_S:.0f} s"
        )
        began_ns = self.clock()
        request = trial_request(
            scenario, self.workload, self.target, TrialPlan(self.number, seed, planned), self.calibration
        )
        limits, watchers = limits_of(scenario), self.options.watchers
        done = run_trial(request, limits, self.bundle, self.listener, self.interrupted, watchers)
        self._time(began_ns, done)
        if done.made is None or self.interrupted() or not self._bearable(done):
            self.failure = done.failure
            return None
        slo_ns = None if scenario.slo is None else scenario.slo.finality_p99_ns
        attempt = attempt_of(asked, done.made.input, done.made.trial, slo_ns)
        self._let_settle(done)
        return attempt

    def _bearable(self, done: Done) -> bool:
        """A ledger of ours that dies under load failed that load, and the next trial has a fresh one."""
        if done.failure is None:
            return True
        return isinstance(done.failure, LedgerError) and self.target.info is not None

    def _calibrate(self, scenario: Scenario) -> None:
        """Ask about the harness's ceiling when what is known of it does not reach."""
        ceilings, known = self.options.ceilings, self.calibration
        rate = scenario.process.rate_at(0)
        if ceilings is None or (known is not None and (not known.at_least or 2 * rate <= known.ceiling_per_s)):
            return
        ahead = scenario.arrival.model_copy(update={"rate": min(AHEAD * rate, HIGHEST_RATE)})
        found = ceilings(self.target, scenario.model_copy(update={"arrival": ahead}), self.listener, self.interrupted)
        if found is not None and not found.at_least and 2 * rate <= found.ceiling_per_s < 2 * AHEAD * rate:
            # all that failed ahead may be rates no trial needs yet; a ceiling that was found is only looked up again
            found = ceilings(self.target, scenario, self.listener, self.interrupted)
        self.calibration = found or known
        self.bundle.hold_against(self.calibration)

    def _let_settle(self, done: Done) -> None:
        """A node that is not ours is not restarted: give it the time to work off what an overload left behind."""
        if self.target.info is not None or done.made is None:
            return
        trial = done.made.trial
        left, rate = trial.counts.unresolved, max(1.0, trial.rates.goodput_per_s)
        if not left:
            return
        self.listener.step(f"{self.target.name}: waiting for {left:,} transactions that are still open")
        until_ns = min(self.deadline_ns, self.clock() + round(left / rate * NS_PER_S))
        while self.clock() < until_ns and not self.interrupted():
            time.sleep(0.2)

    # --- time

    def _left_after_ns(self, asked: Ask) -> int:
        """What the budget leaves for the drain of such a trial."""
        taken_ns = asked.warm_up_ns + asked.measure_ns + round(self.overhead_s * NS_PER_S)
        return self.deadline_ns - self.clock() - taken_ns

    def _out_of_time(self, asked: Ask) -> None:
        self.ended = self.search.ended or "budget"
        if not self.bundle.has_trials:
            self.failure = ConfigurationError(
                "the budget is too short for a single trial",
                value=format_duration(settings_of(self.scenario).budget_ns),
                remedy=f"the next one lasts {(asked.warm_up_ns + asked.measure_ns) / NS_PER_S:.0f} s and takes about "
                f"{self.overhead_s:.0f} s to start and end",
            )

    def _time(self, began_ns: int, done: Done) -> None:
        """What the trial took beside load and drain; the longest counts."""
        if done.facts is None:
            return
        took_s = (self.clock() - began_ns - max(0, done.facts.end_ns)) / NS_PER_S
        first = not self.search.attempts
        self.overhead_s = took_s if first else max(self.overhead_s, took_s)

    def _drain_ns(self) -> int:
        """As long as the scenario allows on a node that is not ours, else as long as shows something."""
        longest_ns = self.scenario.phases.drain_ns
        if self.target.info is None:
            return longest_ns
        passed = [one for one in self.search.attempts if one.passed]
        latency_ms = max((one.finality_p99_ms or one.finality_p50_ms or 0.0 for one in passed), default=math.inf)
        slo_ms = self.search.rules.slo_ms or 0.0
        return int(min(longest_ns, max(LEAST_DRAIN_NS, DRAIN_LATENCIES * max(latency_ms, slo_ms) * NS_PER_MS)))

    def _tell(self, attempt: CapacityAttempt) -> None:
        left_s = max(0, self.deadline_ns - self.clock()) // NS_PER_S
        failed = "could not be told" if attempt.undecided else "failed"
        failed = "measured the harness" if attempt.harness_bound and not attempt.undecided else failed
        verdict = "passed" if attempt.passed else failed
        why = "" if attempt.passed else f" ({'; '.join(attempt.reasons)})"
        self.listener.step(
            f"{self.target.name}: {attempt.kind} at {attempt.offered_per_s:,.4g}/s {verdict}, goodput "
            f"{attempt.goodput_per_s:,.4g}/s{why}; {left_s // 60}:{left_s % 60:02d} of the budget left"
        )


def _take_over(search: Search, path: Path, scenario: Scenario, target: Target) -> Sequence[str]:
    """Give `search` the trials of the bundle at `path`, and say so. ConfigurationError when they are not its own."""
    earlier = read_bundle(path).result
    if earlier.capacity is None:
        raise ConfigurationError("the bundle to resume is not one of a capacity search", value=str(path))
    for what, here, there in (
        ("ledger", target.name, earlier.ledger.name),
        ("load", load_sha256(scenario), earlier.load_sha256),
    ):
        if here != there:
            raise ConfigurationError(
                f"the search to resume had another {what}", value=there, remedy=f"this one has {here}"
            )
    for attempt in earlier.capacity.attempts:
        search.take(attempt.model_copy(update={"trial": None}))
    if search.ask is None:
        raise ConfigurationError("the search to resume has nothing left to try", value=str(path))
    return [f"{len(search.attempts)} attempts were taken over from {earlier.run_id}, which holds their rows"]

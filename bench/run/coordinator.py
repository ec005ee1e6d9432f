"""The coordinator of a run: one scenario, its targets, its trials in random order, one bundle per target.

Everything measured reaches disk trial by trial, so a run cut short at any time leaves bundles that can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from bench import registry
from bench.model.clock import utc_now
from bench.model.errors import BenchError, ExitCode, worst
from bench.model.result import CalibrationPart
from bench.run.assemble import Assembled
from bench.run.bundling import RunBundle
from bench.run.events import RunListener
from bench.run.execution import Done, RunOptions, close_bundle, interrupts, run_trial
from bench.run.interrupts import Interrupts
from bench.run.stopping import go_on, remark
from bench.run.targets import Target, check_targets, limits_of, parameters_of, trial_request
from bench.scenario.plan import Plan, make_plan, trial_order
from bench.scenario.schema import Scenario

__all__ = ["RunOptions", "RunOutcome", "run"]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The bundles in the order of the scenario's targets, without those on which nothing was ever sent; the exit code
    the command should end with; one message per target that failed.
    """

    bundles: list[Path]
    exit_code: ExitCode
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Course:
    """One target on its way through the trials."""

    target: Target
    plan: Plan
    bundle: RunBundle
    calibration: CalibrationPart | None = None
    failed: BenchError | None = None


def run(scenario: Scenario, options: RunOptions, listener: RunListener) -> RunOutcome:
    """Run every trial of `scenario` and close one bundle per target. Raises only what makes running pointless
    (configuration); what happens later is in the bundles and in the exit code.
    """
    workload = registry.workload(scenario.workload.name)
    parameters_of(scenario, workload)
    started = utc_now()
    courses = [
        _Course(
            target,
            make_plan(scenario, index),
            RunBundle(options.out, started, scenario, workload, target.name, target.info, options.command),
        )
        for index, target in enumerate(check_targets(scenario, workload, options.key_file))
    ]
    problems: list[str] = []
    codes: list[ExitCode] = []
    with interrupts() as interrupted:
        if options.ceilings is not None:
            for course in courses:
                course.calibration = options.ceilings(course.target, scenario, listener, interrupted)
                course.bundle.hold_against(course.calibration)
        for index, trial in _rounds(scenario, courses):
            course = courses[index]
            if interrupted() or course.failed is not None:
                continue
            planned = course.plan.trials[trial - 1]
            request = trial_request(scenario, workload, course.target, planned, course.calibration)
            limits = limits_of(scenario)
            done = run_trial(request, limits, course.bundle, listener, interrupted, options.watchers)
            _tell(course, trial, done, scenario, listener)
            if done.failure is not None:
                course.failed = done.failure
                problems.append(f"{course.target.name}, trial {trial}: {done.failure}")
                codes.append(done.failure.exit_code)
        if interrupted():
            codes.append(ExitCode.INTERRUPTED)
        elif scenario.stopping is not None:
            for course in (one for one in courses if one.failed is None):
                course.bundle.remark(remark(course.bundle.trials, scenario.stopping))
        bundles = _close(courses, options, listener, interrupted, problems, codes)
    codes.extend(code for course in courses for code in course.bundle.codes())
    return RunOutcome(bundles, worst(codes), problems)


def _rounds(scenario: Scenario, courses: list[_Course]) -> Iterator[tuple[int, int]]:
    """(target, trial) pairs in their order, for as many rounds as the scenario's rule wants: asked after each round."""
    for trial, pairs in groupby(trial_order(scenario), key=lambda pair: pair[1]):
        running = [course.bundle.trials for course in courses if course.failed is None]
        if not go_on(trial - 1, scenario.trials, scenario.stopping, running):
            return
        yield from pairs


def _tell(course: _Course, trial: int, done: Done, scenario: Scenario, listener: RunListener) -> None:
    made: Assembled | None = done.made
    if made is None:
        return
    reasons = "; ".join(made.trial.verdict.reasons)
    listener.step(
        f"{course.target.name}: trial {trial} of {_how_many(scenario)} {made.trial.verdict.status}, "
        f"goodput {made.trial.rates.goodput_per_s:,.0f}/s" + (f" ({reasons})" if reasons else "")
    )


def _how_many(scenario: Scenario) -> str:
    return str(scenario.trials) if scenario.stopping is None else f"at most {scenario.most_trials}"


def _close(
    courses: list[_Course],
    options: RunOptions,
    listener: RunListener,
    interrupted: Interrupts,
    problems: list[str],
    codes: list[ExitCode],
) -> list[Path]:
    bundles = []
    for course in courses:
        if not course.bundle.has_trials:
            course.bundle.discard()
            continue
        listener.step(f"{course.target.name}: writing the report")
        partial = interrupted() or course.failed is not None
        try:
            bundles.append(close_bundle(course.bundle, options, partial=partial))
        except BenchError as error:
            if course.failed is None:
                problems.append(f"{course.target.name}: {error}")
            codes.append(error.exit_code)
    return bundles

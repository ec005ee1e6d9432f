"""The coordinator: one scenario, its targets, its trials in random order, one bundle per target.

Everything measured reaches disk trial by trial, so a run cut short at any time leaves bundles that can be read.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import registry
from bench.adapters.protocol import Adapter, Auditable
from bench.ledgers.protocol import LedgerInfo
from bench.measure.inputs import Limits
from bench.model.clock import utc_now
from bench.model.errors import BenchError, ConfigurationError, ExitCode, worst
from bench.model.result import InvariantPart
from bench.model.workload import Workload
from bench.run.assemble import Assembled, assemble, audit_input
from bench.run.bundling import RunBundle
from bench.run.events import RunListener
from bench.run.external import external_endpoint, external_secrets
from bench.run.interrupts import Interrupts
from bench.run.trial import TrialFacts, TrialRequest, TrialRunner
from bench.scenario.plan import Plan, make_plan, trial_order
from bench.scenario.schema import EndpointChoice, LedgerChoice, Scenario


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is not part of the scenario: where bundles go, how the command read, where a funding key is kept.

    `write_report` puts the reports into a bundle before it is sealed; reporting is a room this one does not know.
    """

    out: Path
    command: Sequence[str]
    write_report: Callable[[Path], object]
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The bundles in the order of the scenario's targets, without those on which nothing was ever sent; the exit code
    the command should end with; one message per target that failed.
    """

    bundles: list[Path]
    exit_code: ExitCode
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Target:
    """One ledger or endpoint of the scenario, with its bundle."""

    plan: Plan
    info: LedgerInfo | None
    adapter_name: str
    name: str
    bundle: RunBundle
    failed: BenchError | None = None


def run(scenario: Scenario, options: RunOptions, listener: RunListener) -> RunOutcome:
    """Run every trial of `scenario` and close one bundle per target. Raises only what makes running pointless
    (configuration); what happens later is in the bundles and in the exit code.
    """
    workload = registry.workload(scenario.workload.name)
    parameters = _parameters(workload, scenario)
    targets = _targets(scenario, workload, options)
    problems: list[str] = []
    codes: list[ExitCode] = []
    with _interrupts() as interrupted:
        for ledger_index, trial in trial_order(scenario):
            target = targets[ledger_index]
            if interrupted() or target.failed is not None:
                continue
            request = _request(scenario, workload, parameters, target, trial, options)
            try:
                failed = _one_trial(request, target, scenario, listener, interrupted).failure
            except BenchError as error:  # the bundle could not take it: a full disk, say
                failed = error
            if failed is not None:
                target.failed = failed
                problems.append(f"{target.name}, trial {trial}: {failed}")
                codes.append(failed.exit_code)
        if interrupted():
            codes.append(ExitCode.INTERRUPTED)
        bundles = []
        for target in targets:
            if not target.bundle.has_trials:
                target.bundle.discard()
                continue
            listener.step(f"{target.name}: writing the report")
            partial = interrupted() or target.failed is not None
            try:
                bundles.append(target.bundle.close(options.write_report, partial=partial))
            except BenchError as error:
                if target.failed is None:
                    problems.append(f"{target.name}: {error}")
                codes.append(error.exit_code)
    codes.extend(code for target in targets for code in target.bundle.codes())
    return RunOutcome(bundles, worst(codes), problems)


def _one_trial(
    request: TrialRequest,
    target: _Target,
    scenario: Scenario,
    listener: RunListener,
    interrupted: Interrupts,
) -> TrialFacts:
    limits = _limits(scenario)
    work = Path(tempfile.mkdtemp(prefix="bench-trial-"))
    assembled: list[Assembled] = []

    def measure_and_audit(adapter: Adapter, facts: TrialFacts) -> None:
        assembled.append(assemble(request, facts, limits))
        target.bundle.audit(_audit(request, adapter, assembled[0]))

    try:
        facts = TrialRunner(request, work, listener, interrupted).run(registry.adapter, measure_and_audit)
        if not facts.started:  # nothing was sent: the error says it all, and there is nothing to measure
            return facts
        made = assembled[0] if assembled else assemble(request, facts, limits)
        target.bundle.add(request, facts, made)
        if facts.failure is not None:
            target.bundle.keep_logs(request.trial, work)
        reasons = "; ".join(made.trial.verdict.reasons)
        listener.step(
            f"{target.name}: trial {request.trial} of {request.trials} {made.trial.verdict.status}, "
            f"goodput {made.trial.rates.goodput_per_s:,.0f}/s" + (f" ({reasons})" if reasons else "")
        )
        return facts
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _limits(scenario: Scenario) -> Limits:
    """The scenario's, with the time a transaction is made to wait for its batch added to the bound on submit lag."""
    waiting = scenario.load.linger_ns if scenario.load.batch > 1 else 0
    return Limits(
        scenario.limits.submit_lag_p99_ns + waiting, scenario.limits.worker_cpu_percent, scenario.limits.sent_share
    )


def _audit(request: TrialRequest, adapter: Adapter, made: Assembled) -> list[InvariantPart]:
    workload = request.workload
    if workload.audit is None or not isinstance(adapter, Auditable):
        why = "the workload declares no audit" if workload.audit is None else "the adapter cannot read state"
        return [InvariantPart(name="audit", status="not checked", detail=why)]
    try:
        found = workload.audit(adapter.state(), audit_input(request, made.rows, made.trial.counts.fillers))
    except BenchError as error:
        return [InvariantPart(name="audit", status="not checked", detail=f"state could not be read: {error.what}")]
    return [InvariantPart.model_validate({"name": i.name, "status": i.status, "detail": i.detail}) for i in found]


def _parameters(workload: Workload, scenario: Scenario) -> Mapping[str, int | float | str | bool]:
    unknown = sorted(set(scenario.workload.parameters) - set(workload.defaults))
    if unknown:
        raise ConfigurationError(
            f"workload {workload.name} has no such parameter",
            value=", ".join(unknown),
            remedy=f"known: {', '.join(workload.defaults) or 'none'}",
        )
    return {**workload.defaults, **scenario.workload.parameters}


def _targets(scenario: Scenario, workload: Workload, options: RunOptions) -> list[_Target]:
    """Check every target before any is started; then make the bundles."""
    count = max(1, len(scenario.ledgers))
    checked = []
    for index in range(count):
        plan = make_plan(scenario, index)
        family: str | None
        if isinstance(plan.target, LedgerChoice):
            info = registry.ledger(plan.target.name).info
            family, adapter_name, name = info.family, info.adapter, info.name
        else:
            info, adapter_name, name = None, plan.target.adapter, plan.target.adapter
            family = _family_of(adapter_name)
            external_endpoint(plan.target)
            external_secrets(_key_file(plan.target, options))
        if family is not None and family not in workload.families:
            raise ConfigurationError(
                f"workload {workload.name} cannot be expressed on {name} (family {family})",
                remedy=f"families it has: {', '.join(sorted(workload.families))}",
            )
        registry.adapter(adapter_name)
        checked.append((plan, info, adapter_name, name))
    started = utc_now()
    return [
        _Target(
            plan,
            info,
            adapter_name,
            name,
            RunBundle(options.out, started, scenario, workload, name, info, options.command),
        )
        for plan, info, adapter_name, name in checked
    ]


def _request(
    scenario: Scenario,
    workload: Workload,
    parameters: Mapping[str, int | float | str | bool],
    target: _Target,
    trial: int,
    options: RunOptions,
) -> TrialRequest:
    choice = target.plan.target
    planned = target.plan.trials[trial - 1]
    endpoint = None if isinstance(choice, LedgerChoice) else external_endpoint(choice)
    load = scenario.load
    return TrialRequest(
        ledger_name=target.name,
        workload=workload,
        parameters=parameters,
        adapter_name=target.adapter_name,
        endpoint=endpoint,
        ledger=registry.ledger(choice.name) if isinstance(choice, LedgerChoice) else None,
        ledger_options=choice.options if isinstance(choice, LedgerChoice) else {},
        secrets={} if isinstance(choice, LedgerChoice) else external_secrets(_key_file(choice, options)),
        arrival=scenario.arrival.model_dump(by_alias=True),
        seed=planned.seed,
        trial=trial,
        trials=scenario.trials,
        planned=planned.planned,
        duration_ns=scenario.phases.duration_ns,
        warm_up_ns=scenario.phases.warm_up_ns,
        drain_ns=scenario.phases.drain_ns,
        workers=load.workers,
        batch=load.batch,
        linger_ns=load.linger_ns,
        accounts=load.accounts,
        lanes=load.lanes,
        max_lanes=load.max_lanes,
        in_flight=load.in_flight,
        remote_workers=load.remote_workers,
        master=load.master,
    )


def _family_of(adapter: str) -> str | None:
    """The family an adapter speaks, as far as a registered ledger declares it; the adapter itself refuses the rest."""
    infos = (registry.ledger(name).info for name in registry.names("ledgers"))
    return next((info.family for info in infos if info.adapter == adapter), None)


def _key_file(choice: EndpointChoice, options: RunOptions) -> Path | None:
    return options.key_file or (Path(choice.key_file) if choice.key_file else None)


@contextmanager
def _interrupts() -> Iterator[Interrupts]:
    """The first Ctrl-C (or SIGTERM) asks the run to close cleanly; the second ends it as Python would."""
    interrupts = Interrupts()
    previous = {number: signal.signal(number, interrupts.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

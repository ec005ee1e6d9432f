"""What a scenario is run on: each ledger or endpoint checked before any is started, and the request of each trial."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import registry
from bench.ledgers.protocol import LedgerInfo
from bench.measure.inputs import Limits
from bench.model.errors import ConfigurationError
from bench.model.result import CalibrationPart, Headroom
from bench.model.workload import Parameter, Workload
from bench.run.external import external_endpoint, external_secrets
from bench.run.trial import TrialRequest
from bench.scenario.arrival import highest_rate
from bench.scenario.plan import TrialPlan
from bench.scenario.schema import EndpointChoice, LedgerChoice, Scenario

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """One ledger of ours (`info` is there) or one endpoint. `key_file` holds the key of a funded account, if any."""

    name: str
    choice: LedgerChoice | EndpointChoice
    info: LedgerInfo | None
    adapter_name: str
    key_file: Path | None


def check_targets(scenario: Scenario, workload: Workload, key_file: Path | None) -> list[Target]:
    """The scenario's targets, all of them able to run `workload`. ConfigurationError at the first that is not."""
    if scenario.endpoint is not None:
        return [_endpoint(scenario.endpoint, workload, key_file)]
    return [_ledger(choice, workload) for choice in scenario.ledgers]


def parameters_of(scenario: Scenario, workload: Workload) -> Mapping[str, Parameter]:
    """The workload's parameters with the scenario's in their place. ConfigurationError for unknown ones."""
    unknown = sorted(set(scenario.workload.parameters) - set(workload.defaults))
    if unknown:
        raise ConfigurationError(
            f"workload {workload.name} has no such parameter",
            value=", ".join(unknown),
            remedy=f"known: {', '.join(workload.defaults) or 'none'}",
        )
    return {**workload.defaults, **scenario.workload.parameters}


def limits_of(scenario: Scenario) -> Limits:
    """The scenario's, with the time a transaction is made to wait for its batch added to the bound on submit lag."""
    waiting = scenario.load.linger_ns if scenario.load.batch > 1 else 0
    return Limits(
        scenario.limits.submit_lag_p99_ns + waiting, scenario.limits.worker_cpu_percent, scenario.limits.sent_share
    )


def headroom_of(scenario: Scenario, calibration: CalibrationPart | None) -> Headroom | None:
    """The highest rate that `scenario` plans, against what the harness was seen to send."""
    if calibration is None:
        return None
    offered = highest_rate(scenario.process, scenario.phases.duration_ns)
    return Headroom(
        ceiling_per_s=calibration.ceiling_per_s,
        at_least=calibration.at_least,
        share=offered / calibration.ceiling_per_s,
        offered_per_s=offered,
    )


def trial_request(
    scenario: Scenario,
    workload: Workload,
    target: Target,
    planned: TrialPlan,
    calibration: CalibrationPart | None = None,
) -> TrialRequest:
    """All that is fixed before a trial starts. `scenario` says the load, which need not be the bundle's own."""
    choice, load = target.choice, scenario.load
    managed = isinstance(choice, LedgerChoice)
    return TrialRequest(
        ledger_name=target.name,
        workload=workload,
        parameters=parameters_of(scenario, workload),
        adapter_name=target.adapter_name,
        endpoint=None if isinstance(choice, LedgerChoice) else external_endpoint(choice),
        ledger=registry.ledger(choice.name) if isinstance(choice, LedgerChoice) else None,
        ledger_options=choice.options if isinstance(choice, LedgerChoice) else {},
        secrets={} if managed else external_secrets(target.key_file),
        arrival=scenario.arrival.model_dump(by_alias=True),
        seed=planned.seed,
        trial=planned.trial,
        trials=scenario.most_trials,
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
        headroom=headroom_of(scenario, calibration),
        objective_ns=None if scenario.slo is None else scenario.slo.finality_p99_ns,
    )


def _ledger(choice: LedgerChoice, workload: Workload) -> Target:
    info = registry.ledger(choice.name).info
    _refuse_family(workload, info.name, info.family)
    registry.adapter(info.adapter)
    return Target(info.name, choice, info, info.adapter, None)


def _endpoint(choice: EndpointChoice, workload: Workload, key_file: Path | None) -> Target:
    key_file = key_file or (Path(choice.key_file) if choice.key_file else None)
    external_endpoint(choice)
    external_secrets(key_file)
    family = _family_of(choice.adapter)
    if family is not None:
        _refuse_family(workload, choice.adapter, family)
    registry.adapter(choice.adapter)
    name = choice.adapter if choice.ledger is None else choice.ledger.name
    return Target(name, choice, None, choice.adapter, key_file)


def _refuse_family(workload: Workload, name: str, family: str) -> None:
    if family not in workload.families:
        raise ConfigurationError(
            f"workload {workload.name} cannot be expressed on {name} (family {family})",
            remedy=f"families it has: {', '.join(sorted(workload.families))}",
        )


def _family_of(adapter: str) -> str | None:
    """The family an adapter speaks, as far as a registered ledger declares it; the adapter itself refuses the rest.

    Other people's ledgers are imported for it, and one that is broken is none of this run's business: it is named in
    the log and passed over. The ledger of the adapter's own name, which mostly tells, is asked first.
    """
    for name in sorted(registry.names("ledgers"), key=lambda name: name != adapter):
        try:
            info = registry.ledger(name).info
        except ConfigurationError as error:
            _LOGGER.warning("%s; passed over", error.what)
            continue
        if info.adapter == adapter:
            return info.family
    return None

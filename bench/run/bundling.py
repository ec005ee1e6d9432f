"""The bundle of one target, filled trial by trial; readable and marked partial from the first moment on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.bundle.environment import collect_environment
from bench.bundle.events import Event, Scalar
from bench.bundle.naming import create_directory
from bench.bundle.writer import BundleWriter
from bench.ledgers.protocol import LedgerInfo
from bench.measure.inputs import Limits
from bench.measure.losses import TOLERATED_LOSS, never_final_share
from bench.measure.trials import summarise_trials
from bench.model.clock import monotonic_ns, utc_now
from bench.model.errors import ExitCode
from bench.model.result import (
    Audit,
    CalibrationPart,
    Capacity,
    InvariantPart,
    Result,
    Trial,
)
from bench.model.version import __version__
from bench.model.workload import Workload
from bench.monitors.summary import attribute
from bench.run.assemble import Assembled
from bench.run.attempts import at_low_end
from bench.run.declaring import as_it_ran, declared
from bench.run.trial import TrialFacts, TrialRequest
from bench.scenario.arrival_schema import Arrival
from bench.scenario.loader import load_sha256, resolved_yaml, scenario_sha256
from bench.scenario.schema import Scenario
from bench.telemetry.outline import TrialOutline

LOG_LINES = 40
WATCH_S = 0.5  # how long the machine is watched for what else uses its processors


class RunBundle:
    """Owns the directory of one run. `close` seals it and returns its path."""

    def __init__(
        self,
        parent: Path,
        started_at: datetime,
        scenario: Scenario,
        workload: Workload,
        target: str,
        info: LedgerInfo | None,
        command: Sequence[str],
    ) -> None:
        self.directory = create_directory(parent, started_at, workload.name, target)
        self._started_at = started_at
        self._scenario = scenario
        self._workload = workload
        self._command = list(command)
        self._ledger = declared(target, info, scenario.endpoint)
        self._trials: list[Trial] = []
        self._measured = False
        self._invariants: dict[str, InvariantPart] = {}
        self._notes: list[str] = []
        self._calibration: CalibrationPart | None = None
        self._capacity: Capacity | None = None
        self._writer = BundleWriter(self.directory)
        self._writer.write_scenario(resolved_yaml(scenario))
        local = self._ledger.managed
        environment = collect_environment(
            self.directory,
            shares_cores=local or None,
            loopback=local or None,
            programs={} if info is None else {info.name: info.version},
            watch_s=WATCH_S,
        )
        self._writer.write_environment(environment.to_json())
        self._write_result(partial=True)

    def hold_against(self, calibration: CalibrationPart | None) -> None:
        """What the trials' load is compared with; None when it is not known."""
        self._calibration = calibration

    def search(self, found: Capacity) -> None:
        """The state of a capacity search. From now on the summary is over its full-length trials at the low end."""
        self._capacity = found
        self._write_result(partial=True)

    def audit(self, invariants: Sequence[InvariantPart]) -> None:
        """Keep the worst status of each invariant over the trials."""
        severity = {"held": 0, "not checked": 1, "broken": 2}
        for found in invariants:
            known = self._invariants.get(found.name)
            if known is None or severity[found.status] > severity[known.status]:
                self._invariants[found.name] = found

    def add(self, request: TrialRequest, facts: TrialFacts, made: Assembled) -> None:
        """One finished trial, good or bad."""
        self._measured = True
        self._ledger = self._ledger.model_copy(update=as_it_ran(facts, self._scenario.endpoint))
        operations = [operation.name for operation in request.workload.operations]
        samples = attribute(facts.samples, made.phases, facts.start_ns) if facts.started else []
        self._writer.add_trial(request.trial, made.rows, operations, made.blocks, samples)
        for span in made.phases:
            began = _time_of(facts.start_ns + span.start_ns) if facts.started else None
            self._say(request.trial, "phase", span.start_ns, span.phase.value, {"end_ns": span.end_ns}, began)
        if facts.disclosed:
            self._say(request.trial, "prepared", None, "what was prepared on the ledger", facts.disclosed)
        if facts.failure is not None:
            self._say(request.trial, "failure", facts.end_ns or None, str(facts.failure), {})
        self._trials.append(made.trial)
        self._write_result(partial=True)

    def keep_logs(self, trial: int, directory: Path) -> None:
        """The ends of a failed trial's logs, as events: its working directory goes."""
        for log in sorted(directory.rglob("*.log")):
            tail = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            if tail:
                self._say(trial, "log", None, "\n".join(tail), {"name": log.stem})

    def close(self, write_report: Callable[[Path], object], *, partial: bool) -> Path:
        """Write the final result, let the reports be written beside it, and seal the directory."""
        self._write_result(partial=partial)
        self._writer.join()
        write_report(self.directory)
        return self._writer.close()

    def remark(self, note: str) -> None:
        """What a reader of the whole run should know."""
        self._notes.append(note)

    def outline(self, request: TrialRequest, limits: Limits) -> TrialOutline:
        """What those who watch a trial of this run are told of it beforehand."""
        arrival: Arrival = TypeAdapter(Arrival).validate_python(dict(request.arrival))
        return TrialOutline(
            run_id=self.directory.name,
            ledger=self._ledger.name,
            family=self._ledger.family,
            ledger_version=self._ledger.version,
            workload=self._workload.name,
            scenario=self._scenario.name,
            seed=self._scenario.seed,
            version=__version__,
            trial=request.trial,
            trials=request.trials,
            operations=tuple(request.workload.operations),
            process=arrival.schedule(request.duration_ns),
            warm_up_ns=request.warm_up_ns,
            duration_ns=request.duration_ns,
            drain_ns=request.drain_ns,
            workers=request.workers,
            in_flight=request.in_flight,
            objective_ns=request.objective_ns,
            limits=limits,
            results=self.directory.parent,
        )

    @property
    def result(self) -> Result:
        """What the bundle says now."""
        return self._result

    @property
    def trials(self) -> Sequence[Trial]:
        """Those that are over."""
        return tuple(self._trials)

    @property
    def has_trials(self) -> bool:
        """Whether anything was measured, also if it could not be written."""
        return self._measured

    @property
    def invariants_broken(self) -> bool:
        """Whether an audit of any trial found the ledger's state at odds with the record."""
        return any(invariant.status == "broken" for invariant in self._invariants.values())

    def discard(self) -> None:
        """Remove the directory of a run in which nothing was ever sent."""
        shutil.rmtree(self.directory)

    def codes(self) -> list[ExitCode]:
        """What the trials and the audit say about the command's end."""
        codes = []
        if any(trial.verdict.status == "invalid" for trial in self._trials):
            codes.append(ExitCode.INVALID)
        if any(trial.verdict.status == "undecided" for trial in self._trials):
            codes.append(ExitCode.UNDECIDED)
        if self.invariants_broken:
            codes.append(ExitCode.GATE_FAILED)
        slo = self._scenario.slo
        if slo is not None and any(_misses(trial, slo.finality_p99_ns / 1e6) for trial in self._trials):
            codes.append(ExitCode.GATE_FAILED)
        return codes

    def _write_result(self, *, partial: bool) -> None:
        summary = summarise_trials(self._trials if self._capacity is None else at_low_end(self._capacity, self._trials))
        self._result = Result(
            run_id=self.directory.name,
            started_at=self._started_at.isoformat(timespec="seconds"),
            bench_version=__version__,
            command=self._command,
            ledger=self._ledger,
            workload=self._workload.name,
            scenario_sha256=scenario_sha256(self._scenario),
            load_sha256=load_sha256(self._scenario),
            seed=self._scenario.seed,
            trials=self._trials,
            summary=summary,
            audit=Audit(invariants=list(self._invariants.values())),
            partial=partial,
            notes=self._notes,
            calibration=self._calibration,
            capacity=self._capacity,
        )
        self._writer.write_result(self._result)

    def _say(
        self,
        trial: int,
        event: str,
        at_ns: int | None,
        detail: str,
        data: Mapping[str, Any],
        at: datetime | None = None,
    ) -> None:
        plain = {key: value if isinstance(value, Scalar) else json.dumps(value) for key, value in data.items()}
        when = (at or utc_now()).isoformat(timespec="milliseconds")
        self._writer.add_event(Event(event, when, trial, at_ns, detail, plain))


def _time_of(at_ns: int) -> datetime:
    """The wall-clock time of a moment on this host's monotonic clock."""
    return utc_now() - timedelta(microseconds=(monotonic_ns() - at_ns) / 1_000)


def _misses(trial: Trial, bound_ms: float) -> bool:
    """Whether the level is missed for certain: a percentile that is not known may still lie above by its lower bound,
    and where more than 1 % of the writes never became final, no time is kept for 99 of 100.
    """
    if never_final_share(trial) > TOLERATED_LOSS:
        return True
    finality = trial.latency_ms.finality
    known = finality.p99 if finality.p99 is not None else finality.lower_bound.get("p99", 0.0)
    return known > bound_ms

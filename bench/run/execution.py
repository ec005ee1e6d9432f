"""One trial from request to bundle, for whoever needs trials: a run, a capacity search, a sweep."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import registry
from bench.adapters.protocol import Adapter, Auditable
from bench.measure.inputs import Limits
from bench.model.errors import BenchError
from bench.model.result import CalibrationPart, InvariantPart
from bench.run.assemble import Assembled, assemble, audit_input
from bench.run.bundling import RunBundle
from bench.run.events import RunListener, TrialWatcher
from bench.run.interrupts import Interrupts
from bench.run.targets import Target
from bench.run.trial import TrialFacts, TrialRequest, TrialRunner
from bench.scenario.schema import Scenario

Ceilings = Callable[[Target, Scenario, RunListener, Interrupts], CalibrationPart | None]
"""Says how much the harness itself can send in this target's way: looked up, or measured now. None: it cannot say."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is not part of the scenario: where bundles go, how the command read, where a funding key is kept.

    `write_report` puts the reports into a bundle before it is sealed; reporting is a room this one does not know.
    Without `ceilings` trials are not held against a calibration, and say so. `watchers` hear live figures.
    """

    out: Path
    command: Sequence[str]
    write_report: Callable[[Path], object]
    key_file: Path | None = None
    ceilings: Ceilings | None = None
    watchers: Sequence[TrialWatcher] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A trial that is over. `made` is None when nothing was sent; `failure` is what cut it short."""

    facts: TrialFacts | None = None
    made: Assembled | None = None
    failure: BenchError | None = None


def run_trial(
    request: TrialRequest,
    limits: Limits,
    bundle: RunBundle,
    listener: RunListener,
    interrupted: Interrupts,
    watchers: Sequence[TrialWatcher] = (),
) -> Done:
    """Run, measure, audit, and put everything into `bundle`, with `watchers` hearing of it. Raises nothing: what went
    wrong is in `failure`.
    """
    for watcher in watchers:
        watcher.trial_began(bundle.outline(request, limits))
    done = Done()
    try:
        done = _run_trial(request, limits, bundle, listener, interrupted, watchers)
    finally:
        for watcher in watchers:
            watcher.trial_ended(None if done.made is None else done.made.trial)
    return done


def close_bundle(bundle: RunBundle, options: RunOptions, *, partial: bool) -> Path:
    """Seal the bundle of a run that is over, reports inside, and tell the watchers what it says."""
    path = bundle.close(options.write_report, partial=partial)
    for watcher in options.watchers:
        watcher.run_ended(bundle.result)
    return path


def _run_trial(
    request: TrialRequest,
    limits: Limits,
    bundle: RunBundle,
    listener: RunListener,
    interrupted: Interrupts,
    watchers: Sequence[TrialWatcher],
) -> Done:
    work = Path(tempfile.mkdtemp(prefix="bench-trial-"))
    assembled: list[Assembled] = []

    def measure_and_audit(adapter: Adapter, facts: TrialFacts) -> None:
        assembled.append(assemble(request, facts, limits))
        bundle.audit(_audit(request, adapter, facts, assembled[0]))

    try:
        facts = TrialRunner(request, work, listener, interrupted, watchers).run(registry.adapter, measure_and_audit)
        if not facts.started:  # nothing was sent: the error says it all, and there is nothing to measure
            return Done(facts, failure=facts.failure)
        made = assembled[0] if assembled else assemble(request, facts, limits)
        bundle.add(request, facts, made)
        if facts.failure is not None:
            bundle.keep_logs(request.trial, work)
        return Done(facts, made, facts.failure)
    except BenchError as error:  # the bundle could not take it: a full disk, say
        return Done(failure=error)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """The first Ctrl-C (or SIGTERM) asks the run to close cleanly; the second ends it as Python would."""
    noted = Interrupts()
    previous = {number: signal.signal(number, noted.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _audit(request: TrialRequest, adapter: Adapter, facts: TrialFacts, made: Assembled) -> list[InvariantPart]:
    workload = request.workload
    if workload.audit is None or not isinstance(adapter, Auditable):
        why = "the workload declares no audit" if workload.audit is None else "the adapter cannot read state"
        return [InvariantPart(name="audit", status="not checked", detail=why)]
    try:
        found = workload.audit(adapter.state(), audit_input(request, facts, made.rows))
    except (BenchError, OSError) as error:  # sockets of adapters, ours or a stranger's, may time out here
        why = error.what if isinstance(error, BenchError) else str(error)
        return [InvariantPart(name="audit", status="not checked", detail=f"state could not be read: {why}")]
    return [InvariantPart.model_validate({"name": i.name, "status": i.status, "detail": i.detail}) for i in found]

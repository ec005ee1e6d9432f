"""What a page is made from: the bundles of one ledger by the role each played in the source's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.bundle.reader import Bundle, read_bundle
from bench.model.errors import ConfigurationError, NotComparableError
from bench.model.phase import Phase
from bench.model.result import Counts, ProcessResources, Result, Trial
from bench.report.capacity_page import focus
from bench.report.outcomes import total_counts
from bench.report.standards.samples import TrialSamples, trial_samples
from bench.scenario.presets import preset_roles, role_of


@dataclass(frozen=True, slots=True)
class Run:
    """One bundle. `samples` are in the order of the trials; `assumed` marks a role that its name does not state."""

    role: str
    name: str
    result: Result
    scenario: Mapping[str, object]
    environment: Mapping[str, object]
    samples: tuple[TrialSamples, ...]
    assumed: bool = False

    @property
    def trials(self) -> Sequence[Trial]:
        """The trials, in the order of their numbers in the bundle."""
        return self.result.trials

    @property
    def counts(self) -> Counts:
        """Over all trials, warm-up included."""
        return total_counts(self.result.trials)

    @property
    def sound(self) -> str:
        """Why nothing may be decided from this run; empty when it may."""
        if self.result.partial:
            return "the run was cut short"
        status = self.result.summary.verdict.status
        return "" if status == "valid" else f"the measurement is {status}"

    def part(self, name: str) -> Mapping[str, object]:
        """A mapping of the scenario; empty where there is none."""
        found = self.scenario.get(name)
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The runs of one ledger, in the order of the source's tests; a test that was not run has none."""

    runs: tuple[Run, ...]

    def of(self, role: str) -> Run | None:
        """The run of a test."""
        return next((run for run in self.runs if run.role == role), None)


def gather(preset: str, bundle_dirs: Sequence[Path]) -> Evidence:
    """Read the bundles and give each its role, by the suffix of its scenario's name.

    ConfigurationError when a role is taken twice or cannot be told, NotComparableError when the runs are of different
    ledgers, versions or workloads.
    """
    if not bundle_dirs:
        raise ConfigurationError("no bundle is given", remedy="give the directory of a run")
    bundles = [(directory.resolve().name, read_bundle(directory)) for directory in bundle_dirs]
    runs = [_run(preset, name, bundle, alone=len(bundles) == 1) for name, bundle in bundles]
    roles = preset_roles(preset)
    for role in roles:
        same = [run.name for run in runs if run.role == role]
        if len(same) > 1:
            one = "this preset makes a page of one run" if len(roles) == 1 else f"the test {role} has two runs"
            raise ConfigurationError(f"{one}: {', '.join(same)}", remedy="give one bundle for each test")
    _refuse_strangers(runs)
    return Evidence(tuple(sorted(runs, key=lambda run: roles.index(run.role))))


def measured_length_s(trial: Trial) -> float:
    """Length of the measure phase."""
    return sum(part.end_s - part.start_s for part in trial.phases if part.phase == Phase.MEASURE)


def ledger_processes(trial: Trial) -> list[ProcessResources]:
    """The ledger's processes in the measure phase."""
    return [part for part in trial.resources if part.role == "ledger" and part.phase == Phase.MEASURE]


def _run(preset: str, name: str, bundle: Bundle, *, alone: bool) -> Run:
    loaded = yaml.safe_load(bundle.scenario)
    scenario = loaded if isinstance(loaded, Mapping) else {}
    role = role_of(preset, str(scenario.get("name", "")))
    if role is None and not alone:
        roles = ", ".join(f"-{role}" for role in preset_roles(preset))
        raise ConfigurationError(
            f"cannot tell which test of {preset} the run {name} is",
            value=scenario.get("name"),
            remedy=f"the name of its scenario should end in one of {roles}; `run --preset {preset}` names them so",
        )
    result = focus(bundle.result)
    return Run(
        role=role or preset_roles(preset)[0],
        name=name,
        result=result,
        scenario=scenario,
        environment=bundle.environment,
        samples=tuple(trial_samples(bundle, trial) for trial in result.trials),
        assumed=role is None,
    )


def _refuse_strangers(runs: Sequence[Run]) -> None:
    first = runs[0].result
    for run in runs[1:]:
        other = run.result
        pairs = (
            ("ledger", first.ledger.name, other.ledger.name),
            ("version of the ledger", first.ledger.version, other.ledger.version),
            ("workload", first.workload, other.workload),
        )
        for what, one, two in pairs:
            if one != two:
                raise NotComparableError(
                    f"the runs are not tests of one thing: {what} {one!r} in {runs[0].name}, {two!r} in {run.name}",
                    remedy="give the bundles that one `run --preset` made for one ledger",
                )

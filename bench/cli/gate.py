"""`bench.py run --baseline`: holds a new run against an earlier one, and ends with a code that stops a pipeline.

What can be refused is refused before anything is run: a baseline that is broken, of other load, or of other hardware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.output import note, print_table, say
from bench.model.errors import ConfigurationError, ExitCode, IntegrityError, NotComparableError

if TYPE_CHECKING:
    from bench.bundle.reader import Bundle
    from bench.report.held import Held
    from bench.scenario.schema import Scenario

WATCH_S = 0.5


@unique
class FailOn(StrEnum):
    """What makes the command fail: a regression; that or an undecided figure; nothing."""

    REGRESSION = "regression"
    UNDECIDED = "undecided"
    NEVER = "never"


@dataclass(slots=True)
class Gate:
    """Baselines by ledger, and what was found. Made before the run, asked after it."""

    baselines: dict[str, Bundle]
    fail_on: FailOn
    tolerance: float
    found: dict[str, tuple[Held, ...]] = field(default_factory=dict)

    def judge(self, bundles: Sequence[Path]) -> list[ExitCode]:
        """Hold each new bundle against its baseline; the codes that follow."""
        from bench.bundle.reader import read_bundle
        from bench.report import held

        for path in bundles:
            new = read_bundle(path)
            ledger = new.result.ledger.name
            earlier = held.candidate(self.baselines[ledger], "the baseline")
            self.found[ledger] = held.regressions(earlier, held.candidate(new, "the new run"), self.tolerance)
        return self._codes()

    def show(self) -> None:
        """One table per ledger."""
        from bench.report import held

        for ledger, figures in self.found.items():
            say(f"{ledger} against {self.baselines[ledger].directory.name}:")
            print_table(("FIGURE", "BASELINE", "NEW", "DIFFERENCE", "FINDING"), held.rows(figures))

    def as_data(self) -> dict[str, object]:
        """For `--json`."""
        from bench.report import held

        return {
            "fail_on": self.fail_on,
            "tolerance": self.tolerance,
            "ledgers": {ledger: held.as_data(figures) for ledger, figures in self.found.items()},
        }

    def _codes(self) -> list[ExitCode]:
        from bench.report.held import Answer

        answers = {figure.answer for figures in self.found.values() for figure in figures}
        if self.fail_on is FailOn.NEVER:
            return []
        if Answer.REGRESSION in answers:
            return [ExitCode.GATE_FAILED]
        if Answer.UNDECIDED in answers:
            if self.fail_on is FailOn.UNDECIDED:
                return [ExitCode.UNDECIDED]
            note("some figures are undecided, and --fail-on regression lets them pass")
        return []


def gate_for(scenario: Scenario, paths: Sequence[Path], fail_on: FailOn, tolerance: str, out: Path) -> Gate | None:
    """The gate for a run of `scenario`, or None without a baseline. Raises whatever makes running pointless."""
    if not paths:
        return None
    baselines: dict[str, Bundle] = {}
    for path in paths:
        bundle = whole_bundle(path)
        if bundle.result.ledger.name in baselines:
            raise ConfigurationError("two baselines are of one ledger", value=bundle.result.ledger.name)
        baselines[bundle.result.ledger.name] = bundle
    endpoint = scenario.endpoint
    targets = [choice.name for choice in scenario.ledgers] if endpoint is None else [endpoint.adapter]
    missing = sorted(set(targets) ^ set(baselines))
    if missing or len(set(targets)) < len(targets):
        raise ConfigurationError(
            "the baselines are not those of the ledgers to be run",
            value=", ".join(missing or targets),
            remedy="give one --baseline BUNDLE for each ledger of the scenario, each ledger once",
        )
    here = environment_here(scenario, out)
    for bundle in baselines.values():
        _refuse_load(scenario, bundle)
        _refuse_hardware(bundle, here)
    return Gate(baselines, fail_on, share(tolerance))


def share(text: str) -> float:
    """`5%` or `0.05`."""
    from bench.scenario.stopping import parse_share

    try:
        return parse_share(text)
    except ValueError as error:
        raise ConfigurationError(f"--tolerance {error}", value=text, remedy="write it as 5% or 0.05") from error


def whole_bundle(path: Path) -> Bundle:
    """A bundle whose files are as they were sealed; IntegrityError with the first thing that is not."""
    from bench.bundle.reader import read_bundle
    from bench.bundle.verify import verify

    problems = verify(path)
    if problems:
        raise IntegrityError(
            f"bundle is not whole: {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else ""),
            value=str(path),
            remedy="run `verify` for all of it; take the bundle again from where it came from",
        )
    return read_bundle(path)


def environment_here(scenario: Scenario, out: Path) -> dict[str, object]:
    """The environment as a run of `scenario` below `out` would describe it."""
    from bench import registry
    from bench.bundle.environment import collect_environment

    out.mkdir(parents=True, exist_ok=True)
    managed = scenario.endpoint is None or None
    programs = {choice.name: registry.ledger(choice.name).info.version for choice in scenario.ledgers}
    return collect_environment(
        out, shares_cores=managed, loopback=managed, programs=programs, watch_s=WATCH_S
    ).to_json()


def _refuse_load(scenario: Scenario, baseline: Bundle) -> None:
    from bench.report.held import load_digest
    from bench.scenario.loader import load_sha256

    if load_digest(baseline.directory) != load_sha256(scenario) or baseline.result.workload != scenario.workload.name:
        raise NotComparableError(
            "the baseline had another load (workload, arrival, phases, load, limits, slo or seed)",
            value=str(baseline.directory),
            remedy="make a new baseline with this scenario, or run the baseline's own scenario.yaml",
        )


def _refuse_hardware(baseline: Bundle, here: Mapping[str, object]) -> None:
    from bench.report.judgement import hardware, hardware_differences

    differences = hardware_differences(hardware(baseline.environment), hardware(here))
    if differences:
        raise NotComparableError(
            "the baseline was made on other hardware: " + "; ".join(differences),
            remedy="make a baseline on this machine; `bench.py environment BUNDLE` shows what it was made on",
        )

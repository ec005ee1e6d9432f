"""`bench.py run`: one scenario, from a file or from flags, on managed ledgers or on a running node."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.bundles import as_data as comparison_as_data
from bench.cli.bundles import beside
from bench.cli.gate import FailOn, Gate, gate_for
from bench.cli.live import watchers
from bench.cli.options import (
    AdapterName,
    Batch,
    EndpointUrl,
    JsonWhenDone,
    KeyFile,
    Ledgers,
    Live,
    MetricsListen,
    Out,
    ScenarioFile,
    Seed,
    Workers,
    WorkloadName,
)
from bench.cli.output import note, print_json, say
from bench.cli.preset import Preset, pages_as_data, refuse_both, run_preset, show_page
from bench.cli.progress import shown_progress
from bench.model.errors import BenchError, ConfigurationError, ExitCode, worst

if TYPE_CHECKING:
    from pydantic import JsonValue

    from bench.model.result import Interval, Result
    from bench.report.build import Comparison
    from bench.report.standards.build import WrittenPreset
    from bench.run.coordinator import RunOutcome
    from bench.run.events import TrialWatcher
    from bench.run.execution import RunOptions
    from bench.scenario.schema import Scenario

RESULTS = Path("results")
_EXAMPLE = """\b
Examples:
  bench.py run examples/transfer.yaml --ledger anvil --set arrival.rate=500
  bench.py run --ledger anvil --workload smallbank --rate 300 --duration 20s
  bench.py run --adapter evm --endpoint http://127.0.0.1:8545 --key-file funding.key \\
      --workload transfer --rate 200 --duration 20s --out results
  bench.py run examples/transfer.yaml --baseline results/accepted --tolerance 5%
  bench.py run examples/transfer.yaml --preset pswg
"""


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says in place of, or on top of, a scenario file. None: not given."""

    ledgers: tuple[str, ...] = ()
    adapter: str | None = None
    endpoint: str | None = None
    workload: str | None = None
    rate: float | None = None
    duration: str | None = None
    trials: int | None = None
    seed: int | None = None
    workers: int | None = None
    batch: int | None = None

    def given(self) -> dict[str, JsonValue]:
        """Scenario keys and values of the flags that were given, without the ledgers."""
        values: dict[str, JsonValue] = {
            "endpoint.adapter": self.adapter,
            "endpoint.url": self.endpoint,
            "workload.name": self.workload,
            "arrival.rate": self.rate,
            "phases.duration": self.duration,
            "trials": self.trials,
            "seed": self.seed,
            "load.workers": self.workers,
            "load.batch": self.batch,
        }
        return {key: value for key, value in values.items() if value is not None}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", epilog=_EXAMPLE)(run)


def run(
    scenario: ScenarioFile = None,
    ledger: Ledgers = None,
    adapter: AdapterName = None,
    endpoint: EndpointUrl = None,
    workload: WorkloadName = None,
    rate: Annotated[float | None, typer.Option("--rate", metavar="N", help="Arrivals per second.")] = None,
    duration: Annotated[
        str | None,
        typer.Option("--duration", metavar="TIME", help="Time over which arrivals are planned, warm-up included."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="Repeats. Default 5, with --endpoint 1.")
    ] = None,
    seed: Seed = None,
    workers: Workers = None,
    batch: Batch = None,
    key_file: KeyFile = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any scenario key, e.g. phases.warm_up=0s.")
    ] = None,
    out: Out = RESULTS,
    baseline: Annotated[
        list[Path] | None,
        typer.Option("--baseline", metavar="BUNDLE", help="An earlier run to be held against; one for each ledger."),
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="With --baseline: what ends the command with code 4 or 8.")
    ] = FailOn.REGRESSION,
    tolerance: Annotated[
        str, typer.Option("--tolerance", metavar="SHARE", help="With --baseline: how much worse is still accepted.")
    ] = "0%",
    preset: Annotated[
        Preset | None,
        typer.Option("--preset", help="Run what this source of metrics asks for, and write a page of its metrics."),
    ] = None,
    live: Live = False,
    metrics_listen: MetricsListen = None,
    as_json: JsonWhenDone = False,
) -> None:
    """Run a scenario; one bundle per ledger, and of several ledgers one page that compares them.

    The scenario comes from a file, from flags, or from a file with flags on top. Each bundle holds a report.
    """
    refuse_both(preset, baseline or [])
    flags = Flags(tuple(ledger or ()), adapter, endpoint, workload, rate, duration, trials, seed, workers, batch)
    chosen = chosen_scenario(scenario, flags, set_ or [])
    gate = gate_for(chosen, baseline or [], fail_on, tolerance, out)
    with watchers(live=live, listen=metrics_listen) as audience:
        made = run_preset(preset, chosen, lambda one: execute(one, out, key_file, audience))
    outcome = made.runs
    for problem in outcome.problems:
        note(f"error: {problem}")
    results = [(bundle, read_result(bundle)) for bundle in outcome.bundles]
    comparison = _compared(outcome.bundles) if preset is None else None
    code = worst([outcome.exit_code, *(gate.judge(outcome.bundles) if gate else [])])
    _tell(code, results, gate, made.pages, comparison, as_json=as_json)
    raise typer.Exit(code)


def _tell(
    code: ExitCode,
    results: Sequence[tuple[Path, Result]],
    gate: Gate | None,
    pages: Sequence[WrittenPreset],
    comparison: Comparison | None,
    *,
    as_json: bool,
) -> None:
    """What came out, for people or for programs."""
    if as_json:
        held = {"baseline": gate.as_data()} if gate else {}
        compared = {"comparison": comparison_as_data(comparison)} if comparison else {}
        runs = [_as_data(*one) for one in results]
        print_json({"exit_code": int(code), "runs": runs, **held, **compared, **pages_as_data(pages)})
        return
    for bundle, result in results:
        show(bundle, result)
    if gate:
        gate.show()
    for page in pages:
        show_page(page)
    if comparison:
        say(f"comparison: {comparison.html_path}")


def _compared(bundles: Sequence[Path]) -> Comparison | None:
    """The page beside the bundles of several ledgers; what keeps it from being made is said, and is no failed run."""
    if len(bundles) < 2:
        return None
    from bench.report.build import write_comparison

    try:
        return write_comparison(bundles, beside(bundles[0]))
    except BenchError as error:
        note(f"no comparison: {error}")
        return None


def chosen_scenario(path: Path | None, flags: Flags, settings: Sequence[str]) -> Scenario:
    """The scenario that a file and flags stand for together; `settings` are those of `--set`, which come last."""
    from bench.scenario.loader import load_scenario, scenario_from_mapping

    if flags.ledgers and flags.endpoint:
        raise ConfigurationError(
            "--ledger and --endpoint are both given", remedy="keep one: a ledger of ours, or a node that is running"
        )
    if path is None:
        return scenario_from_mapping(_ad_hoc(flags), settings, "the flags")
    overrides = [f"{key}={json.dumps(value)}" for key, value in flags.given().items()]
    if flags.ledgers:
        overrides.append(f"ledgers={json.dumps(_narrowed(load_scenario(path, overrides), flags.ledgers))}")
    return load_scenario(path, [*overrides, *settings])


def execute(
    scenario: Scenario, out: Path, key_file: Path | None = None, audience: Sequence[TrialWatcher] = ()
) -> RunOutcome:
    """Run it, showing progress on standard error."""
    from bench.run.coordinator import run as run_scenario

    with shown_progress() as listener:
        return run_scenario(scenario, run_options(out, key_file, audience), listener)


def run_options(out: Path, key_file: Path | None, audience: Sequence[TrialWatcher]) -> RunOptions:
    """What every command that runs trials asks of a run."""
    from bench.run.calibration import ceilings_in_use
    from bench.run.execution import RunOptions

    return RunOptions(out, ["bench.py", *sys.argv[1:]], _write_report, key_file, ceilings_in_use(), audience)


def _write_report(bundle: Path) -> None:
    from bench.report.build import write_report  # charts take a second to import; a run must not wait for them

    write_report(bundle)


def read_result(bundle: Path) -> Result:
    """The figures of a bundle."""
    from bench.bundle.reader import read_bundle

    return read_bundle(bundle).result


def show(bundle: Path, result: Result) -> None:
    """The few lines that end a run: what was found, whether it holds, where the report is."""
    summary = result.summary
    say(f"{result.ledger.name} {result.workload}: {summary.verdict.status}{', partial' if result.partial else ''}")
    for reason in summary.verdict.reasons:
        say(f"  {reason}")
    refused = sum(trial.counts.failed_expected for trial in result.trials)
    also = f", {refused:,} refused as the workload intends" if refused else ""
    say(f"  goodput {_interval(summary.goodput_per_s)}/s of {_interval(summary.offered_per_s)} writes/s offered{also}")
    finality = summary.latency_ms.get("finality", {})
    shown = [f"{name} {_interval(finality[name])}" for name in ("p50", "p99") if name in finality]
    if shown:
        say(f"  finality latency, ms: {', '.join(shown)}")
    page = bundle / "report.html"
    say(f"  {page if page.exists() else bundle}")


def _ad_hoc(flags: Flags) -> dict[str, JsonValue]:
    """A scenario made of flags alone. What is missing, the schema tells."""
    if flags.workload is None:
        raise ConfigurationError(
            "neither a scenario file nor --workload is given",
            remedy="bench.py run SCENARIO.yaml, or bench.py run --ledger anvil --workload transfer --rate 200 "
            "--duration 20s",
        )
    target = "-".join(flags.ledgers) or flags.adapter or "endpoint"
    mapping: dict[str, JsonValue] = {"name": f"{flags.workload}-{target}", "arrival": {"process": "constant"}}
    if flags.ledgers:
        mapping["ledgers"] = list(flags.ledgers)
    for key, value in flags.given().items():
        _place(mapping, key.split("."), value)
    return mapping


def _place(mapping: dict[str, JsonValue], path: list[str], value: JsonValue) -> None:
    for part in path[:-1]:
        inner = mapping.setdefault(part, {})
        assert isinstance(inner, dict)
        mapping = inner
    mapping[path[-1]] = value


def _narrowed(scenario: Scenario, names: Sequence[str]) -> list[JsonValue]:
    """The named ledgers, with the options the file gives them."""
    known = {choice.name: choice.options for choice in scenario.ledgers}
    return [{"name": name, "options": known.get(name, {})} for name in names]


def _interval(interval: Interval) -> str:
    if interval.median is None:
        return "unknown (too few samples, or some never finished; see the report)"
    if interval.ci_low is None or interval.ci_high is None:
        return f"{interval.median:,.1f}"
    return f"{interval.median:,.1f} [{interval.ci_low:,.1f}, {interval.ci_high:,.1f}]"


def _as_data(bundle: Path, result: Result) -> dict[str, object]:
    return {
        "bundle": str(bundle),
        "ledger": result.ledger.name,
        "workload": result.workload,
        "partial": result.partial,
        "summary": result.summary.model_dump(mode="json"),
    }

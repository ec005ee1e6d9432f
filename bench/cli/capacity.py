"""`bench.py capacity`: the highest load that a ledger sustains, as an interval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.gate import environment_here, whole_bundle
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
from bench.cli.progress import shown_progress
from bench.cli.run import RESULTS, Flags, chosen_scenario, read_result, run_options
from bench.model.errors import NotComparableError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from bench.model.result import Capacity, Result
    from bench.run.coordinator import RunOutcome
    from bench.run.events import TrialWatcher
    from bench.scenario.schema import Scenario

START_PER_S = 100.0
LENGTH = "60s"
WARM_UP = "3s"
"""Without a scenario file there is nobody else to say them."""
_EXAMPLE = """\b
Examples:
  bench.py capacity examples/capacity-anvil.yaml
  bench.py capacity --ledger anvil --workload transfer --start 500 --slo-p99 3s
  bench.py capacity --adapter evm --endpoint http://127.0.0.1:8545 --key-file funding.key \\
      --workload transfer --slo-p99 5s --budget 8m --estimate --out results
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("capacity", epilog=_EXAMPLE)(capacity)


def capacity(
    scenario: ScenarioFile = None,
    ledger: Ledgers = None,
    adapter: AdapterName = None,
    endpoint: EndpointUrl = None,
    workload: WorkloadName = None,
    start: Annotated[
        float | None,
        typer.Option("--start", metavar="RATE", help="First rate tried, per second. Default: the arrival's, or 100."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Longest time for each ledger. Default: 30m.")
    ] = None,
    slo_p99: Annotated[
        str | None,
        typer.Option("--slo-p99", metavar="TIME", help="Only loads at which p99 finality stays within it count."),
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Shorter trials; the result says that it is an estimate.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="BUNDLE", help="Go on where the search of this bundle ended.")
    ] = None,
    seed: Seed = None,
    workers: Workers = None,
    batch: Batch = None,
    key_file: KeyFile = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any scenario key, e.g. capacity.confirm=90s."),
    ] = None,
    out: Out = RESULTS,
    live: Live = False,
    metrics_listen: MetricsListen = None,
    as_json: JsonWhenDone = False,
) -> None:
    """Search for the highest load that a ledger sustains; one bundle per ledger.

    Trial after trial, each on a fresh ledger, until an interval is known: its low end passed in full-length trials,
    its high end failed in them. Every trial is kept and shown.
    """
    from_flags = scenario is None
    flags = Flags(
        *(tuple(ledger or ()), adapter, endpoint, workload),
        rate=(start or START_PER_S) if from_flags else None,
        duration=LENGTH if from_flags else None,
        seed=seed,
        workers=workers,
        batch=batch,
    )
    settings = _settings(
        {
            "phases.warm_up": WARM_UP if from_flags else None,
            "capacity.start": start,
            "capacity.budget": budget,
            "slo.finality_p99": slo_p99,
            "capacity.estimate": estimate or None,
        }
    )
    chosen = chosen_scenario(scenario, flags, [*settings, *(set_ or [])])
    with watchers(live=live, listen=metrics_listen) as audience:
        outcome = _execute(chosen, out, key_file, resume, audience)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(outcome.exit_code)


def _settings(given: Mapping[str, JsonValue]) -> list[str]:
    """As `--set` takes them; None is not given."""
    return [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]


def _tell(outcome: RunOutcome, *, as_json: bool) -> None:
    for problem in outcome.problems:
        note(f"error: {problem}")
    results = [(bundle, read_result(bundle)) for bundle in outcome.bundles]
    if as_json:
        runs = [_as_data(bundle, result) for bundle, result in results]
        print_json({"exit_code": int(outcome.exit_code), "runs": runs})
    else:
        for bundle, result in results:
            _show(bundle, result)


def sentence(ledger: str, found: Capacity) -> str:
    """The interval in plain words."""
    estimate = "By an estimate, " if found.estimate else ""
    if found.low_per_s is None:
        tried = [one.offered_per_s for one in found.attempts]
        lowest = f": even {min(tried):,.4g} operations/s failed" if tried else ""
        if found.ended == "undecided":
            return f"What {ledger} sustains could not be told: nothing became final in time at any low load."
        return f"{estimate}{ledger} sustained no load that was tried{lowest}."
    if found.high_per_s is None:
        return (
            f"{estimate}{ledger} sustains at least {_rate(found.low_per_s)} operations/s; how much more is not known."
        )
    return (
        f"{estimate}{ledger} sustains at least {_rate(found.low_per_s)} and less than {_rate(found.high_per_s)} "
        "operations/s."
    )


def tried_in_full(found: Capacity) -> str:
    """How many rates had the chance to be the low end, which the confidence allows for."""
    from bench.model.result import full_length_rates

    rates = full_length_rates(found.attempts)
    if rates == 1:
        return "1 rate was tried at full length"
    return f"{rates} rates were tried at full length, which is allowed for"


def refuse_resume(scenario: Scenario, path: Path, out: Path) -> None:
    """IntegrityError when the bundle to resume is not whole, NotComparableError when it is of other hardware."""
    from bench.report.judgement import hardware, hardware_differences

    earlier = whole_bundle(path)
    differences = hardware_differences(hardware(earlier.environment), hardware(environment_here(scenario, out)))
    if differences:
        raise NotComparableError(
            "the search to resume was made on other hardware: " + "; ".join(differences),
            value=str(path),
            remedy="resume it on the machine it was made on, or begin a new search here",
        )


def _execute(
    scenario: Scenario, out: Path, key_file: Path | None, resume: Path | None, audience: Sequence[TrialWatcher]
) -> RunOutcome:
    from bench.run.capacity import find_capacity

    if resume is not None:
        refuse_resume(scenario, resume, out)
    with shown_progress() as listener:
        return find_capacity(scenario, run_options(out, key_file, audience), listener, resume)


def _show(bundle: Path, result: Result) -> None:
    found = result.capacity
    assert found is not None, "a search writes what it found into its bundle"
    say(sentence(result.ledger.name, found))
    if found.slo:
        say(f"  p99 finality had to stay within {found.slo['finality_p99_ms'] / 1000:g} s")
    say(f"  ended: {found.ended}, after {len(found.attempts)} trials")
    if found.pass_probability_low is not None:
        say(
            f"  at the low end {found.confirmed_passes} of {found.confirmed_trials} full-length trials passed, so the "
            f"next one passes with a chance of at least {found.pass_probability_low:.2f} (95 % confidence; "
            f"{tried_in_full(found)})"
        )
    for percent, latency in found.latency_at.items():
        known = ", ".join(f"{name} {value:,.0f} ms" for name, value in latency.items() if value is not None)
        say(f"  finality latency at {percent} % of that rate: {known or 'not known'}")
    for remark in found.notes:
        say(f"  {remark}")
    page = bundle / "report.html"
    say(f"  {page if page.exists() else bundle}")


def _rate(per_s: float) -> str:
    return f"{per_s:,.1f}" if per_s < 10_000 else f"{per_s:,.0f}"


def _as_data(bundle: Path, result: Result) -> dict[str, object]:
    assert result.capacity is not None, "a search writes what it found into its bundle"
    return {
        "bundle": str(bundle),
        "ledger": result.ledger.name,
        "workload": result.workload,
        "partial": result.partial,
        "sentence": sentence(result.ledger.name, result.capacity),
        "capacity": result.capacity.model_dump(mode="json"),
    }

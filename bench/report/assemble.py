"""From the rows of a bundle to the drawn page of one run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import yaml
from pydantic import ValidationError

from bench.model.errors import IntegrityError
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.result import Result, Trial
from bench.report import (
    capacity_page,
    charts,
    efficiency,
    first_screen,
    outcomes,
    run_page,
    send_times,
    spread,
    trust,
)
from bench.report import format as fmt
from bench.report.comparison_charts import rates_chart, trials_chart
from bench.report.figure import Chart
from bench.report.series import OPEN, Distribution, Usage, Writes, distribution, finality_bands, timeline
from bench.scenario.schema import Limits
from bench.stats.interval import FEWEST_TRIALS

_NS_PER_S = 1_000_000_000
_MOST_PROCESSES = 6
_BYTES_PER_MB = 1e6


@dataclass(frozen=True, slots=True)
class RunInput:
    """What a run report is made from. `writes` and `usage` belong to the trial that is shown in detail.

    `whole` is the result as recorded; `result` has only the trials that may be looked at together.
    """

    whole: Result
    result: Result
    scenario: str
    environment: Mapping[str, object]
    name: str
    shown: Trial | None
    writes: Writes | None
    usage: Mapping[str, Usage]


def assemble(run: RunInput) -> run_page.RunPage:
    """The page with its charts drawn."""
    result, shown = run.result, run.shown
    searched = capacity_page.capacity_page(run.whole, result)
    sent = send_times.send_times(result.trials)
    return run_page.RunPage(
        result=result,
        shown=shown,
        title=f"Capacity: {run_page.title(result)}" if searched else run_page.title(result),
        subtitle=run_page.subtitle(result),
        banners=first_screen.banners(result, *capacity_page.banners(result.capacity)),
        lede=" ".join((searched.sentence, searched.sureness)) if searched else run_page.lede(result),
        cards=capacity_page.cards(result, run_page.cards(result) if result.trials else ()),
        shown_note=_shown_note(result, shown),
        trials_note=_trials_note(result),
        interval_note=spread.interval_note(len(result.trials)),
        trust_title=trust.title(result),
        trust=trust.trust_lines(result, limits(run.scenario), run.name),
        capacity=searched,
        charts=_draw(run, sent) if shown else run_page.RunCharts(),
        latencies=spread.stages(result.trials),
        send_times=sent,
        operations=spread.operations(result.trials),
        efficiency=efficiency.efficiency(result.trials),
        funnel=outcomes.funnel(result.trials),
        reads=outcomes.reads(result.trials),
        errors=outcomes.errors(result.trials),
        ledger_rows=run_page.ledger_rows(result),
        environment_rows=run_page.environment_rows(run.environment),
        identity_rows=run_page.identity_rows(result),
        notes=run_page.notes(result),
        command=shlex.join(result.command),
        verify_commands="\n".join(f"python bench.py {verb} {shlex.quote(run.name)}" for verb in ("verify", "report")),
        scenario=run.scenario,
    )


def limits(scenario: str) -> Limits:
    """The bounds on the harness that a scenario states; the defaults where it states none."""
    loaded = yaml.safe_load(scenario)
    stated = loaded.get("limits") if isinstance(loaded, Mapping) else None
    try:
        return Limits.model_validate(stated or {})
    except ValidationError as error:
        raise IntegrityError("scenario.yaml has limits that cannot be read", remedy="run `verify`") from error


def phase_spans(trial: Trial) -> tuple[PhaseSpan, ...]:
    """The phases of a trial in ns; the warm-up ends where it was applied, not where it was declared."""
    spans = []
    for part in trial.phases:
        start, end = part.start_s, part.end_s
        if trial.warm_up and part.phase == Phase.WARM_UP:
            end = trial.warm_up.applied_s
        if trial.warm_up and part.phase == Phase.MEASURE:
            start = trial.warm_up.applied_s
        spans.append(PhaseSpan(Phase(part.phase), round(start * _NS_PER_S), round(end * _NS_PER_S)))
    return tuple(spans)


def measured(trial: Trial, writes: Writes) -> Writes:
    """The writes that were due in the measured part; all of them where no such part is recorded."""
    span = next((part for part in phase_spans(trial) if part.phase is Phase.MEASURE), None)
    return writes.between(span.start_ns / _NS_PER_S, span.end_ns / _NS_PER_S) if span else writes


def finality_distribution(writes: Writes) -> Distribution:
    """Finality latency with what never resolved as open-ended."""
    return distribution(writes.finalized, writes.intended, writes.count(*OPEN))


def _draw(run: RunInput, sent: send_times.SendTimes | None) -> run_page.RunCharts:
    if run.shown is None or run.writes is None:
        return run_page.RunCharts(resources=_usage_charts(run.usage))
    spans, end = phase_spans(run.shown), _end_s(run.shown, run.writes)
    series = timeline(run.writes, end)
    return run_page.RunCharts(
        time=(
            charts.load_chart("load", series, spans, run.shown.warm_up),
            charts.in_flight_chart("in-flight", series, spans),
        ),
        latency=_present(
            charts.latency_chart("latency", finality_bands(run.writes, end), spans),
            _stage_distributions(measured(run.shown, run.writes)),
        ),
        send_times=_present(send_times.send_times_chart(sent)),
        resources=_usage_charts(run.usage),
    )


def _stage_distributions(writes: Writes) -> Chart | None:
    committed = writes.committed_valid()
    at_once = np.array_equal(committed, writes.finalized)
    lines = {"Committed and final" if at_once else "Final": finality_distribution(writes)}
    if not at_once:
        lines["Committed"] = distribution(committed, writes.intended, writes.count(Outcome.UNRESOLVED))
    lines |= {
        "Accepted": distribution(writes.accepted_only(), writes.intended),
        "Sent (submit lag)": distribution(writes.submitted, writes.intended),
    }
    reading = (
        "Follow a line upwards: at 50 % half of the transactions were done; each further step up is ten times rarer. "
        "The dots mark p50, p90, p99 and p99.9 where there were enough samples. Further left is faster. "
        "A line that ends low means that the rest never finished."
    )
    return charts.distribution_chart("ecdf", "How long it took, for which share", lines, reading)


def _usage_charts(usage: Mapping[str, Usage]) -> tuple[Chart, ...]:
    busiest = sorted(usage, key=lambda name: -float(usage[name].cpu_percent.mean()) if len(usage[name].seconds) else 0)
    shown = busiest[:_MOST_PROCESSES]
    rest = f" The {_MOST_PROCESSES} busiest of {len(busiest)} processes are drawn." if len(busiest) > len(shown) else ""
    cpu = {name: (usage[name].seconds, usage[name].cpu_percent) for name in shown}
    memory = {name: (usage[name].seconds, usage[name].rss_bytes / _BYTES_PER_MB) for name in shown}
    return _present(
        charts.usage_chart(
            "cpu",
            "Processor use",
            f"percent of one core · {charts.SECONDS}",
            cpu,
            "A ledger process near the number of cores × 100 % is the bottleneck. A harness process above 85 % would "
            f"make the measurement invalid.{rest}",
        ),
        charts.usage_chart(
            "memory",
            "Memory",
            f"resident memory, MB · {charts.SECONDS}",
            memory,
            f"Level lines are good; a line that climbs all the time will end somewhere.{rest}",
        ),
    )


def _end_s(trial: Trial, writes: Writes) -> float:
    """Where the time axis ends: with the last thing that happened, not with an idle drain."""
    last = max(int(stamps.max(initial=0)) for stamps in (writes.intended, writes.finalized, writes.committed))
    offered = max((part.end_s for part in trial.phases if part.phase in (Phase.WARM_UP, Phase.MEASURE)), default=0.0)
    return max(last / _NS_PER_S, offered, 0.1) * 1.001


def _shown_note(result: Result, shown: Trial | None) -> str:
    if shown is None:
        return ""
    if len(result.trials) == 1:
        return "The one trial of this run."
    place = f"Trial {shown.trial} of {len(result.trials)}"
    return f"{place}, the one with the median goodput. All trials are side by side under “Trials”."


def _trials_note(result: Result) -> str:
    if len(result.trials) < FEWEST_TRIALS:
        return (
            f"{fmt.trials(len(result.trials))}: below {FEWEST_TRIALS} no interval is printed, because chance alone "
            "can make a few repeats look alike or different."
        )
    goodput = fmt.interval(result.summary.goodput_per_s, "rate")
    return (
        f"Median goodput {fmt.rate(result.summary.goodput_per_s.median)}, interval {goodput}. One trial is one sample."
    )


def _present(*found: Chart | None) -> tuple[Chart, ...]:
    return tuple(chart for chart in found if chart is not None)


def compare_charts(workload: str, candidates: Mapping[str, RunInput]) -> tuple[Chart, ...]:
    """The charts that put the candidates of one workload side by side, by label."""
    goodput = {label: [t.rates.goodput_per_s for t in run.result.trials] for label, run in candidates.items()}
    offered = next(iter(candidates.values())).result.summary.offered_per_s.median
    drawn = {label: run for label, run in candidates.items() if run.shown is not None and run.writes is not None}
    return _present(
        trials_chart(f"{workload}-goodput", "What came through, every trial", "rate", goodput, offered),
        trials_chart(
            f"{workload}-p99", "Time until final (p99), every trial", "milliseconds", _known_p99(candidates), None
        ),
        _overlaid_distributions(workload, drawn),
        _overlaid_rates(workload, drawn),
    )


def _known_p99(candidates: Mapping[str, RunInput]) -> dict[str, list[float]]:
    return {
        label: [t.latency_ms.finality.p99 for t in run.result.trials if t.latency_ms.finality.p99 is not None]
        for label, run in candidates.items()
    }


def _overlaid_distributions(workload: str, drawn: Mapping[str, RunInput]) -> Chart | None:
    lines = {
        label: finality_distribution(measured(run.shown, run.writes))
        for label, run in drawn.items()
        if run.shown is not None and run.writes is not None
    }
    reading = (
        "Further left is faster. At 50 % half of the transactions were final; each further step up is ten times rarer. "
        "A line that ends low means that the rest never finished."
    )
    return charts.distribution_chart(f"{workload}-ecdf", "Time until final, for which share", lines, reading)


def _overlaid_rates(workload: str, drawn: Mapping[str, RunInput]) -> Chart | None:
    series = {
        label: timeline(run.writes, _end_s(run.shown, run.writes))
        for label, run in drawn.items()
        if run.shown is not None and run.writes is not None
    }
    if not series:
        return None
    lines = {label: found.finalized for label, found in series.items()}
    return rates_chart(f"{workload}-rates", lines, next(iter(series.values())).offered)

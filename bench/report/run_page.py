"""What the page of one run says, in words and rows, from the result alone. Layout is left to the templates."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from bench.model.result import Counts, Result, Trial
from bench.report import format as fmt
from bench.report.capacity_page import CapacityPage
from bench.report.efficiency import EfficiencyTable
from bench.report.figure import Chart
from bench.report.first_screen import Banner, Card, figure_card
from bench.report.network import links_text, nodes_text
from bench.report.outcomes import ErrorRow, FunnelRow, total_counts, trouble
from bench.report.send_times import SendTimes
from bench.report.spread import LatencyRow, OperationRow, Spread, figure, latency, of_interval
from bench.report.trust import TrustLine
from bench.stats.interval import FEWEST_TRIALS

_INLINE_FROM = 7
_STEPS = {"ledger_up": "Started in", "prepare": "Accounts and contracts ready in"}


@dataclass(frozen=True, slots=True)
class RunCharts:
    """The charts by section; empty when the rows could not be read."""

    time: tuple[Chart, ...] = ()
    latency: tuple[Chart, ...] = ()
    send_times: tuple[Chart, ...] = ()
    resources: tuple[Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class RunPage:
    """Everything the run report's templates print."""

    result: Result
    shown: Trial | None
    title: str
    subtitle: str
    banners: tuple[Banner, ...]
    lede: str
    cards: tuple[Card, ...]
    shown_note: str
    trials_note: str
    interval_note: str
    trust_title: str
    trust: tuple[TrustLine, ...]
    capacity: CapacityPage | None
    charts: RunCharts
    latencies: tuple[LatencyRow, ...]
    send_times: SendTimes | None
    operations: tuple[OperationRow, ...]
    efficiency: EfficiencyTable | None
    funnel: tuple[FunnelRow, ...]
    reads: str
    errors: tuple[ErrorRow, ...]
    ledger_rows: tuple[tuple[str, str], ...]
    environment_rows: tuple[tuple[str, str], ...]
    identity_rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    command: str
    verify_commands: str
    scenario: str


def shown_trial(result: Result) -> Trial | None:
    """The trial that is drawn in detail: the one with the median goodput, of the valid ones if there are any."""
    valid = [trial for trial in result.trials if trial.verdict.status == "valid"] or list(result.trials)
    ordered = sorted(valid, key=lambda trial: trial.rates.goodput_per_s)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def title(result: Result) -> str:
    """What ran, on what."""
    return f"{result.workload} on {result.ledger.name}"


def subtitle(result: Result) -> str:
    """When, how often, with which seed."""
    each = " each" if len(result.trials) > 1 else ""
    fresh = all(trial.fresh_ledger for trial in result.trials)
    freshness = f"on a fresh ledger{each}" if fresh else "ledger not fresh"
    started = result.started_at[:19].replace("T", " ")
    return " · ".join(
        (
            f"{result.ledger.name} {result.ledger.version}",
            fmt.counted(result.ledger.nodes, "node"),
            f"started {started} UTC" if result.started_at.endswith(("Z", "+00:00")) else f"started {result.started_at}",
            f"{fmt.trials(len(result.trials))}, {freshness}",
            f"run {result.run_id}",
        )
    )


def lede(result: Result) -> str:
    """The first screen in one paragraph."""
    if not result.trials:
        return "No trial was completed, so there is nothing to report but the setting."
    goodput, offered = result.summary.goodput_per_s, result.summary.offered_per_s
    parts = [
        f"{fmt.number(offered.median)} transactions per second were offered{_measured_for(result)}; "
        f"{fmt.number(goodput.median)} per second came through, valid and final"
        f"{_share_of(goodput.median, offered.median)}.",
        f"{_within(result, 'p50', 'Half of the transactions')}, {_within(result, 'p99', '99 of 100')}.",
        _trouble_sentence(total_counts(result.trials)),
    ]
    if len(result.trials) < FEWEST_TRIALS:
        parts.append(
            f"With {fmt.trials(len(result.trials))} no interval can be stated: from {FEWEST_TRIALS} trials on it can."
        )
    return " ".join(parts)


def cards(result: Result) -> tuple[Card, ...]:
    """Offered, came through, how long, what went wrong. An interval stands below its figure where there is one."""
    counts = total_counts(result.trials)
    goodput, offered = result.summary.goodput_per_s, result.summary.offered_per_s
    share = _share_of(goodput.median, offered.median).strip(" ()")
    half, most = headline(result, "p50"), headline(result, "p99")
    planned = f"{fmt.count(counts.planned)} planned in {fmt.trials(len(result.trials))}"
    return (
        figure_card("Offered", of_interval(offered, "rate"), planned),
        figure_card("Came through (goodput)", of_interval(goodput, "rate"), share),
        figure_card("Time until final (p50)", half, _most_words(most), most.below and f"({most.below})"),
        _wrong_card(counts),
    )


def _most_words(most: Spread) -> str:
    known = most.value is not None or most.text.startswith("≥")
    return f"99 of 100 within {most.text}" if known else "99 of 100: too few samples to say"


def _wrong_card(counts: Counts) -> Card:
    bad = trouble(counts)
    wrong = tuple(
        f"{fmt.count(number)} {name}"
        for name, number in (
            ("dropped", counts.dropped),
            ("rejected", counts.rejected),
            ("failed", counts.failed - counts.failed_expected),
            ("unresolved", counts.unresolved),
        )
        if number
    )
    expected = (f"{fmt.count(counts.failed_expected)} expected refusals",) if counts.failed_expected else ()
    if not bad:
        return Card("What went wrong", "nothing", expected or ("every transaction was valid",), "ok")
    share = f"{fmt.percent(bad, counts.planned)} of planned"
    return Card("What went wrong", fmt.count(bad), (*wrong, *expected, share), "fault")


def ledger_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """The ledger, its class, its finality and its flags."""
    ledger, kind = result.ledger, result.ledger.ledger_class
    deep = f" ({ledger.finality.deep})" if ledger.finality.deep else ""
    return (
        ("Ledger", f"{ledger.name} {ledger.version} (family {ledger.family})"),
        ("Nodes", nodes_text(ledger)),
        ("Links", links_text(ledger)),
        ("Final means", f"{ledger.finality.name}{deep}"),
        *class_rows(result),
        ("Flags", shlex.join(ledger.flags) or "none"),
        ("Operators", kind.operators),
        *_setup_rows(result),
    )


def _setup_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """How long the steps before the load took, as medians over the trials."""
    steps = dict.fromkeys(step for trial in result.trials for step in trial.setup_s)
    taken = {step: [trial.setup_s.get(step) for trial in result.trials] for step in steps}
    return tuple(
        (_STEPS.get(step, fmt.words(step)), figure(seconds, "seconds").text) for step, seconds in taken.items()
    )


def class_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """What the ledger protects against and how, without operators."""
    kind = result.ledger.ledger_class
    faults = f"{kind.fault_model}, tolerates {fmt.counted(kind.tolerated_faults, 'faulty node')}"
    rows = (("Survives faults", faults), ("Stores data", kind.durability), ("Signatures", kind.crypto))
    return (*rows, ("Remarks", kind.remarks)) if kind.remarks else rows


def notes(result: Result) -> tuple[str, ...]:
    """Remarks of the run, then those of its trials; what several trials say is said once."""
    said: dict[str, list[int]] = {}
    for trial in result.trials:
        for note in trial.notes:
            said.setdefault(note, []).append(trial.trial)
    of_trials = (f"{_which(numbers, len(result.trials))}: {note}" for note, numbers in said.items())
    return (*result.notes, *of_trials)


def _which(numbers: list[int], trials: int) -> str:
    if len(numbers) == trials > 1:
        return "every trial"
    return f"trial{'s' if len(numbers) > 1 else ''} {fmt.listed([str(number) for number in numbers])}"


def identity_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """What identifies the run."""
    rows = (("Run", result.run_id), ("Scenario (SHA-256)", result.scenario_sha256), ("Seed", str(result.seed)))
    held = result.calibration
    if held is None:
        return rows
    least = "at least " if held.at_least else ""
    shape = f"{fmt.counted(held.workers, 'worker')}, {fmt.counted(held.batch, 'transaction')} per request"
    made = f"made {held.made_at[:19].replace('T', ' ')}, key {held.key}"
    return (*rows, ("Calibration", f"{held.adapter}, {shape}: {least}{fmt.rate(held.ceiling_per_s)}; {made}"))


def environment_rows(environment: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The environment as flat rows, whatever it holds; long lists (installed packages, say) take one row."""
    rows: list[tuple[str, str]] = []
    for key, value in environment.items():
        name = fmt.words(str(key).removesuffix("_bytes"))
        if str(key).endswith("_bytes") and isinstance(value, int | float):
            rows.append((name, fmt.size(value)))
        elif isinstance(value, Mapping) and len(value) > _INLINE_FROM:
            rows.append((name, ", ".join(f"{inner} {_plain(text)}" for inner, text in value.items())))
        elif isinstance(value, Mapping):
            rows.extend((f"{name} · {inner}", text) for inner, text in environment_rows(value))
        else:
            rows.append((name, _plain(value)))
    return tuple(rows)


def headline(result: Result, key: str) -> Spread:
    """A finality percentile over the trials, or what is known about it."""
    return latency([trial.latency_ms.finality for trial in result.trials], key)


def headline_latency(result: Result, key: str) -> str:
    """The same without its interval."""
    return headline(result, key).text


def _within(result: Result, key: str, who: str) -> str:
    latency = headline_latency(result, key)
    if latency.startswith(fmt.UNKNOWN):
        return f"{who}: too few samples to say how long"
    if latency.startswith("≥"):
        return f"{who}: {latency}, too many never finished to know more"
    return f"{who} were final within {latency}"


def _trouble_sentence(counts: Counts) -> str:
    bad = trouble(counts)
    expected = (
        f" {fmt.count(counts.failed_expected)} were refused as the workload intends." if counts.failed_expected else ""
    )
    if not bad:
        return f"None of {fmt.count(counts.planned)} planned transactions went wrong.{expected}"
    return f"{fmt.count(bad)} of {fmt.count(counts.planned)} planned transactions went wrong.{expected}"


def _measured_for(result: Result) -> str:
    spans = [p.end_s - p.start_s for trial in result.trials for p in trial.phases if p.phase == "measure"]
    each = f" in each of {fmt.trials(len(result.trials))}" if len(result.trials) > 1 else ""
    return f" for {fmt.seconds(sorted(spans)[len(spans) // 2])}{each}" if spans else ""


def _share_of(part: float | None, whole: float | None) -> str:
    return "" if part is None or not whole else f" ({fmt.percent(part, whole)} of what was offered)"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value) or "none"
    return fmt.UNKNOWN if value is None or value == "" else str(value)

"""What the page of one run says, in words and rows, from the result alone. Layout is the template's, drawing the charts'."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.model.result import Counts, ErrorPart, Interval, Percentiles, Result, Trial
from bench.report import format as fmt
from bench.report.figure import Chart
from bench.report.glossary import ERRORS

INTERVAL_FROM_TRIALS = 5


@dataclass(frozen=True, slots=True)
class Banner:
    """A coloured notice. `tone` is good, warn or bad."""

    tone: str
    title: str
    text: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """One of the large figures at the top."""

    label: str
    big: str
    lines: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One step of the funnel; `width` is its share of the planned transactions in percent."""

    label: str
    count: int
    share: str
    width: float
    loss: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error class over all trials; `meaning` explains it."""

    name: str
    meaning: str
    stage: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunCharts:
    """The charts by section; empty when the rows could not be read."""

    time: tuple[Chart, ...] = ()
    latency: tuple[Chart, ...] = ()
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
    charts: RunCharts
    latencies: tuple[tuple[str, Percentiles], ...]
    lag_rows: tuple[tuple[str, float | None, float | None], ...]
    funnel: tuple[FunnelRow, ...]
    reads: str
    errors: tuple[ErrorRow, ...]
    ledger_rows: tuple[tuple[str, str], ...]
    environment_rows: tuple[tuple[str, str], ...]
    identity_rows: tuple[tuple[str, str], ...]
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
    freshness = "on a fresh ledger each" if all(trial.fresh_ledger for trial in result.trials) else "ledger not fresh"
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


def banners(result: Result) -> tuple[Banner, ...]:
    """Can the figures be used? In the order of gravity; a good run has exactly one, which says so."""
    out = [_verdict_banner(result)]
    if result.partial or any(trial.partial for trial in result.trials):
        text = "The run ended before its plan did. What was recorded until then is below; it is not a measurement of the plan."
        out.append(Banner("warn", "Cut short.", text))
    broken = [item for item in result.audit.invariants if item.status == "broken"]
    if broken:
        text = "After the run the ledger's own state contradicts the record:"
        reasons = tuple(f"{fmt.words(item.name)}: {item.detail}" for item in broken)
        out.append(Banner("bad", "The book does not add up.", text, reasons))
    if result.trials and not all(trial.fresh_ledger for trial in result.trials):
        text = "It held data from before, and trials follow each other on it. Repeats are less independent than on fresh ledgers."
        out.append(Banner("warn", "The ledger was not fresh.", text))
    return tuple(sorted(out, key=lambda banner: ("bad", "warn", "good").index(banner.tone)))


def lede(result: Result) -> str:
    """The first screen in one paragraph."""
    if not result.trials:
        return "No trial was completed, so there is nothing to report but the setting."
    goodput, offered = result.summary.goodput_per_s, result.summary.offered_per_s
    parts = [
        f"{fmt.number(offered.median)} transactions per second were offered{_measured_for(result)}; "
        f"{fmt.number(goodput.median)} per second came through, valid and final"
        f"{_share_of(goodput.median, offered.median)}.",
        f"Half of the transactions were final within {headline_latency(result, 'p50')}, "
        f"99 of 100 within {headline_latency(result, 'p99')}.",
        _trouble_sentence(total_counts(result.trials)),
    ]
    if len(result.trials) < INTERVAL_FROM_TRIALS:
        parts.append(
            f"With {fmt.trials(len(result.trials))} no interval can be stated: from {INTERVAL_FROM_TRIALS} trials on it can."
        )
    return " ".join(parts)


def cards(result: Result) -> tuple[Card, ...]:
    """Offered, came through, how long, what went wrong."""
    counts = total_counts(result.trials)
    goodput, offered = result.summary.goodput_per_s, result.summary.offered_per_s
    share = _share_of(goodput.median, offered.median).strip(" ()")
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
    return (
        Card("Offered", fmt.rate(offered.median), (f"{fmt.count(counts.planned)} planned in {fmt.trials(len(result.trials))}",)),
        Card("Came through (goodput)", fmt.rate(goodput.median), tuple(filter(None, (share, fmt.interval(goodput, "rate"))))),
        Card(
            "Time until final (p50)",
            headline_latency(result, "p50"),
            (f"p99: {headline_latency(result, 'p99')}", fmt.interval(_headline(result, "p99"), "milliseconds")),
        ),
        Card(
            "What went wrong",
            "nothing" if not bad else fmt.count(bad),
            (("every transaction was valid",) if not bad and not expected else wrong + expected)
            + ((f"{fmt.percent(bad, counts.planned)} of planned",) if bad else ()),
            "fault" if bad else "ok",
        ),
    )


def funnel(trials: Sequence[Trial]) -> tuple[FunnelRow, ...]:
    """Planned → dropped → submitted → rejected → accepted → committed, failed, unresolved → finalized, all trials together."""
    counts = total_counts(trials)

    def row(label: str, number: int, loss: bool = False, detail: str = "") -> FunnelRow:
        width = round(100 * number / counts.planned, 2) if counts.planned else 0.0
        return FunnelRow(label, number, fmt.percent(number, counts.planned), width, loss, detail)

    return (
        row("Planned", counts.planned),
        row("dropped, never sent", counts.dropped, True, fmt.per_kind(counts.dropped_by)),
        row("Submitted", counts.submitted),
        row("rejected at once", counts.rejected, True),
        row("Accepted", counts.accepted),
        row("failed, as the workload expects", counts.failed_expected, True),
        row("failed, unexpectedly", counts.failed - counts.failed_expected, True),
        row("unresolved", counts.unresolved, True),
        row("Committed, valid", counts.committed),
        row("committed, but not final in time", counts.committed - counts.finalized, True),
        row("Final", counts.finalized),
    )


def errors(trials: Sequence[Trial]) -> tuple[ErrorRow, ...]:
    """Error classes over all trials, most frequent first, with up to three different examples each."""
    found: dict[str, list[ErrorPart]] = {}
    for trial in trials:
        for name, part in trial.errors.items():
            found.setdefault(name, []).append(part)
    rows = []
    for name, parts in found.items():
        examples = tuple(dict.fromkeys(example for part in parts for example in part.examples))[:3]
        rows.append(ErrorRow(fmt.words(name), ERRORS.get(name, ""), parts[0].stage, sum(part.count for part in parts), examples))
    return tuple(sorted((row for row in rows if row.count), key=lambda row: -row.count))


def latencies(trial: Trial) -> tuple[tuple[str, Percentiles], ...]:
    """The stages of one trial in the order in which they are passed."""
    named = trial.latency_ms
    rows = [
        ("sent by the generator (submit lag)", named.submit_lag),
        ("accepted by the ledger", named.accept),
        ("committed, valid in a block", named.commit),
        ("final", named.finality),
    ]
    return (*rows, ("read answered", trial.reads.latency_ms)) if trial.reads.issued else tuple(rows)


def reads(trials: Sequence[Trial]) -> str:
    """One sentence on the reads; empty when there were none."""
    issued = sum(trial.reads.issued for trial in trials)
    if not issued:
        return ""
    answered, failed = sum(trial.reads.answered for trial in trials), sum(trial.reads.failed for trial in trials)
    return f"{fmt.count(issued)} issued, {fmt.count(answered)} answered, {fmt.count(failed)} failed."


def ledger_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """The ledger, its class, its finality and its flags."""
    ledger, kind = result.ledger, result.ledger.ledger_class
    wait = f", after {fmt.counted(ledger.finality.confirmations, 'further block')}" if ledger.finality.confirmations else ""
    return (
        ("Ledger", f"{ledger.name} {ledger.version} (family {ledger.family})"),
        ("Nodes", f"{fmt.count(ledger.nodes)}, {'started by the harness' if ledger.managed else 'not ours: reached by its address'}"),
        ("Final means", f"{ledger.finality.name}{wait}"),
        *class_rows(result),
        ("Flags", shlex.join(ledger.flags) or "none"),
        ("Operators", kind.operators),
    )


def class_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """What the ledger protects against and how, without operators."""
    kind = result.ledger.ledger_class
    faults = f"{kind.fault_model}, tolerates {fmt.counted(kind.tolerated_faults, 'faulty node')}"
    return (("Survives faults", faults), ("Stores data", kind.durability), ("Signatures", kind.crypto))


def identity_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """What identifies the run."""
    return (("Run", result.run_id), ("Scenario (SHA-256)", result.scenario_sha256), ("Seed", str(result.seed)))


def environment_rows(environment: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The environment as flat rows, whatever it holds: nested keys joined by a dot-like separator, lists by commas."""
    rows: list[tuple[str, str]] = []
    for key, value in environment.items():
        name = fmt.words(str(key))
        if isinstance(value, Mapping):
            rows.extend((f"{name} · {inner}", text) for inner, text in environment_rows(value))
        else:
            rows.append((name, _plain(value)))
    return tuple(rows)


def total_counts(trials: Sequence[Trial]) -> Counts:
    """The counts of all trials added up."""
    sums: dict[str, int] = {name: 0 for name in Counts.model_fields if name != "dropped_by"}
    dropped_by: dict[str, int] = {}
    for trial in trials:
        for name in sums:
            sums[name] += int(getattr(trial.counts, name))
        for cause, number in trial.counts.dropped_by.items():
            dropped_by[cause] = dropped_by.get(cause, 0) + number
    return Counts.model_validate({**sums, "dropped_by": dropped_by})


def trouble(counts: Counts) -> int:
    """Planned transactions that did not end as they should: dropped, rejected, failed unexpectedly, unresolved."""
    return counts.dropped + counts.rejected + counts.failed - counts.failed_expected + counts.unresolved


def headline_latency(result: Result, key: str) -> str:
    """The median over trials of a finality percentile, or what is known about it."""
    median = _headline(result, key).median
    if median is not None:
        return fmt.milliseconds(median)
    trial = shown_trial(result)
    return fmt.percentile(trial.latency_ms.finality, key) if trial else fmt.UNKNOWN


def _headline(result: Result, key: str) -> Interval:
    return result.summary.latency_ms.get("finality", {}).get(key) or Interval(median=None, trials=len(result.trials))


def _verdict_banner(result: Result) -> Banner:
    verdict = result.summary.verdict
    reasons = tuple(dict.fromkeys(verdict.reasons))
    if verdict.status == "valid":
        return Banner("good", "Valid.", "All checks of the measurement held, so the figures below can be used.", reasons)
    if verdict.status == "invalid":
        text = "The measurement broke a rule; do not use the figures below. What happened and what to do:"
        return Banner("bad", "Not valid.", text, reasons or ("No reason was recorded.",))
    return Banner("warn", "Undecided.", "Whether the measurement holds could not be decided:", reasons)


def _trouble_sentence(counts: Counts) -> str:
    bad = trouble(counts)
    expected = f" {fmt.count(counts.failed_expected)} were refused as the workload intends." if counts.failed_expected else ""
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

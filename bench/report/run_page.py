"""What the page of one run says, in words and rows, from the result alone. Layout is left to the templates."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from bench.model.result import Counts, Interval, Percentiles, Result, Trial
from bench.report import format as fmt
from bench.report.figure import Chart
from bench.report.outcomes import ErrorRow, FunnelRow, total_counts, trouble
from bench.stats.interval import FEWEST_TRIALS

_INLINE_FROM = 7


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


def banners(result: Result) -> tuple[Banner, ...]:
    """Can the figures be used? In the order of gravity; a good run has exactly one, which says so."""
    out = [_verdict_banner(result)]
    if result.partial or any(trial.partial for trial in result.trials):
        text = "The run ended before its plan did. What was recorded until then is below."
        out.append(Banner("warn", "Cut short.", text))
    broken = [item for item in result.audit.invariants if item.status == "broken"]
    if broken:
        text = "After the run the ledger's own state contradicts the record:"
        reasons = tuple(f"{fmt.words(item.name)}: {item.detail}" for item in broken)
        out.append(Banner("bad", "The book does not add up.", text, reasons))
    if result.trials and not all(trial.fresh_ledger for trial in result.trials):
        text = "It held data from before, so repeats are less independent of each other than on fresh ledgers."
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
        f"{_within(result, 'p50', 'Half of the transactions')}, {_within(result, 'p99', '99 of 100')}.",
        _trouble_sentence(total_counts(result.trials)),
    ]
    if len(result.trials) < FEWEST_TRIALS:
        parts.append(
            f"With {fmt.trials(len(result.trials))} no interval can be stated: from {FEWEST_TRIALS} trials on it can."
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
        Card(
            "Offered",
            fmt.rate(offered.median),
            (f"{fmt.count(counts.planned)} planned in {fmt.trials(len(result.trials))}",),
        ),
        Card(
            "Came through (goodput)",
            fmt.rate(goodput.median),
            tuple(filter(None, (share, fmt.interval(goodput, "rate")))),
        ),
        Card(
            "Time until final (p50)",
            headline_latency(result, "p50"),
            (
                fmt.interval(_headline(result, "p50"), "milliseconds"),
                f"99 of 100 within {headline_latency(result, 'p99')}",
            ),
        ),
        Card(
            "What went wrong",
            "nothing" if not bad else fmt.count(bad),
            (("every transaction was valid",) if not bad and not expected else wrong + expected)
            + ((f"{fmt.percent(bad, counts.planned)} of planned",) if bad else ()),
            "fault" if bad else "ok",
        ),
    )


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


def ledger_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """The ledger, its class, its finality and its flags."""
    ledger, kind = result.ledger, result.ledger.ledger_class
    wait = (
        f", after {fmt.counted(ledger.finality.confirmations, 'further block')}"
        if ledger.finality.confirmations
        else ""
    )
    return (
        ("Ledger", f"{ledger.name} {ledger.version} (family {ledger.family})"),
        (
            "Nodes",
            f"{fmt.count(ledger.nodes)}, {'started by the harness' if ledger.managed else 'not started by us'}",
        ),
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


def notes(result: Result) -> tuple[str, ...]:
    """Remarks of the run, then those of each trial."""
    of_trials = (f"trial {trial.trial}: {note}" for trial in result.trials for note in trial.notes)
    return (*result.notes, *of_trials)


def identity_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """What identifies the run."""
    return (("Run", result.run_id), ("Scenario (SHA-256)", result.scenario_sha256), ("Seed", str(result.seed)))


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


def headline_latency(result: Result, key: str) -> str:
    """The median over trials of a finality percentile, or what is known about it."""
    median = _headline(result, key).median
    if median is not None:
        return fmt.milliseconds(median)
    trial = shown_trial(result)
    return fmt.percentile(trial.latency_ms.finality, key) if trial else fmt.UNKNOWN


def _within(result: Result, key: str, who: str) -> str:
    latency = headline_latency(result, key)
    if latency.startswith(fmt.UNKNOWN):
        return f"{who}: too few samples to say how long"
    if latency.startswith("≥"):
        return f"{who}: {latency}, too many never finished to know more"
    return f"{who} were final within {latency}"


def _headline(result: Result, key: str) -> Interval:
    return result.summary.latency_ms.get("finality", {}).get(key) or Interval(median=None, trials=len(result.trials))


def _verdict_banner(result: Result) -> Banner:
    verdict = result.summary.verdict
    reasons = tuple(dict.fromkeys(verdict.reasons))
    if verdict.status == "valid":
        return Banner(
            "good", "Valid.", "All checks of the measurement held, so the figures below can be used.", reasons
        )
    if verdict.status == "invalid":
        text = "The measurement broke a rule; do not use the figures below. What happened and what to do:"
        return Banner("bad", "Not valid.", text, reasons or ("No reason was recorded.",))
    return Banner("warn", "Undecided.", "Whether the measurement holds could not be decided:", reasons)


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

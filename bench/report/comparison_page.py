"""What a comparison page says, in words and rows. One section per workload, one column per candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.model.result import Result
from bench.report import capacity_comparison, judgement, outcomes, run_page
from bench.report import format as fmt
from bench.report.classes import Barrier, Class, barriers, classes
from bench.report.environment_table import EnvironmentRow, environment_rows
from bench.report.figure import Chart
from bench.report.first_screen import Banner
from bench.report.judgement import METRICS, Candidate, PairVerdict
from bench.report.network import network_rows
from bench.report.pairs import Pairs, sorted_pairs
from bench.stats.interval import FEWEST_TRIALS

ClassRows = tuple[tuple[str, tuple[str, ...]], ...]
_KEPT_UP = 0.99
_FEW = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a candidate, with what stands below it."""

    text: str
    below: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a side-by-side table; `verdicts` are the statements on its differences, if any are made."""

    name: str
    cells: tuple[Cell, ...]
    verdicts: tuple[PairVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One workload: the candidates side by side. `pairs` is None where a column of its own says what differs; `columns`
    are the names of the classes above the candidates and how many columns each spans, empty where there is one class.
    """

    workload: str
    labels: tuple[str, ...]
    load: str
    rows: tuple[Row, ...]
    details: tuple[Row, ...]
    verdicts: tuple[PairVerdict, ...]
    pairs: Pairs | None
    columns: tuple[tuple[str, int], ...]
    charts: tuple[Chart, ...]
    observations: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """Everything the comparison's templates print."""

    title: str
    subtitle: str
    banners: tuple[Banner, ...]
    lede: str
    sections: tuple[Section, ...]
    class_labels: tuple[str, ...]
    class_rows: ClassRows
    classes: tuple[Class, ...]
    barriers: tuple[Barrier, ...]
    cannot: tuple[str, ...]
    hardware: tuple[tuple[str, str], ...]
    run_labels: tuple[str, ...]
    environment_rows: tuple[EnvironmentRow, ...]
    across_classes: bool
    bench_version: str


def section(
    workload: str, candidates: Sequence[Candidate], verdicts: tuple[PairVerdict, ...], charts: tuple[Chart, ...]
) -> Section:
    """The section of one workload."""
    first = candidates[0].result
    searched = capacity_comparison.searched(candidates)
    found = classes([(candidate.label, candidate.result.ledger) for candidate in candidates])
    return Section(
        workload=workload,
        labels=tuple(candidate.label for candidate in candidates),
        load=capacity_comparison.LOAD if searched else _load_words(first),
        rows=_headline_rows(candidates, verdicts),
        details=_detail_rows(candidates),
        verdicts=verdicts,
        pairs=sorted_pairs(verdicts, found) if len(candidates) > 2 else None,
        columns=tuple((one.name, len(one.members)) for one in found) if len(found) > 1 else (),
        charts=charts,
        observations=(capacity_comparison.OBSERVATION,) if searched else _observations(candidates),
        commands=tuple((candidate.label, candidate.result.run_id) for candidate in candidates),
    )


def page(sections: Sequence[Section], groups: Sequence[Sequence[Candidate]], across_classes: bool) -> ComparisonPage:
    """The whole page; `groups` are the candidates of each section."""
    everyone = [candidate for group in groups for candidate in group]
    ledgers = tuple(dict.fromkeys(candidate.label for candidate in everyone))
    single = _one_of_each(everyone)
    found = classes([(candidate.label, candidate.result.ledger) for candidate in single])
    verdicts = [verdict for part in sections for verdict in part.verdicts]
    few = len(ledgers) <= _FEW
    return ComparisonPage(
        title=f"{fmt.listed(ledgers) if few else fmt.counted(len(ledgers), 'ledger')} compared",
        subtitle=("" if few else f"{fmt.listed(ledgers)} · ")
        + f"{_workload_words(sections)} · {_trials_words(everyone)}",
        banners=_banners(everyone, found, verdicts, across_classes),
        lede=_lede(sections, verdicts),
        sections=tuple(sections),
        class_labels=ledgers,
        class_rows=(*judgement.class_table(single), *_networks(single)),
        classes=found,
        barriers=barriers(found),
        cannot=_cannot(everyone, len(found) > 1, across_classes),
        hardware=tuple((fmt.words(name), value) for name, value in everyone[0].hardware.items()),
        run_labels=tuple(_run_label(candidate, groups) for candidate in everyone),
        environment_rows=environment_rows([candidate.environment for candidate in everyone]),
        across_classes=across_classes,
        bench_version=everyone[0].result.bench_version,
    )


def _networks(single: Sequence[Candidate]) -> ClassRows:
    """As they ran: version, nodes, links, flags."""
    told = [network_rows(candidate.result.ledger) for candidate in single]
    return tuple((rows[0][0], tuple(text for _, text in rows)) for rows in zip(*told, strict=True))


def _run_label(candidate: Candidate, groups: Sequence[Sequence[Candidate]]) -> str:
    return candidate.label if len(groups) == 1 else f"{candidate.label}, {candidate.result.workload}"


def _headline_rows(candidates: Sequence[Candidate], verdicts: Sequence[PairVerdict]) -> tuple[Row, ...]:
    rows = [_validity_row(candidates)]
    if any(candidate.result.capacity for candidate in candidates):
        cells = tuple(Cell(*capacity_comparison.shown(candidate.result)) for candidate in candidates)
        said = tuple(verdict for verdict in verdicts if verdict.metric == capacity_comparison.CAPACITY)
        rows.append(Row(capacity_comparison.CAPACITY.name, cells, said))
    offered = "Offered when confirming it" if capacity_comparison.searched(candidates) else "Offered load"
    rows.append(_plain_row(offered, candidates, lambda r: fmt.rate(r.summary.offered_per_s.median)))
    for metric in METRICS:
        cells = tuple(
            Cell(judgement.shown_value(candidate.result, metric), judgement.shown_interval(candidate.result, metric))
            for candidate in candidates
        )
        said = tuple(verdict for verdict in verdicts if verdict.metric == metric)
        rows.append(Row(metric.name, cells, said))
    rows.append(_plain_row("Went wrong", candidates, _wrong))
    return tuple(rows)


def _detail_rows(candidates: Sequence[Candidate]) -> tuple[Row, ...]:
    """Counts over all trials, and resources and latencies of the trial shown in detail."""

    def counted(name: str) -> Callable[[Result], str]:
        return lambda result: fmt.count(int(getattr(outcomes.total_counts(result.trials), name)))

    def latency(key: str) -> Callable[[Result], str]:
        return lambda result: run_page.headline_latency(result, key)

    names = (
        "planned",
        "dropped",
        "submitted",
        "rejected",
        "accepted",
        "committed",
        "finalized",
        "failed",
        "failed_expected",
    )
    rows = [_plain_row(f"{fmt.words(name).capitalize()}, all trials", candidates, counted(name)) for name in names]
    rows.append(_plain_row("Unresolved, all trials", candidates, counted("unresolved")))
    rows += [_plain_row(f"Time until final, {label}", candidates, latency(key)) for key, label in _MORE]
    rows += [
        _plain_row("Time between blocks (median)", candidates, _block_interval),
        _plain_row("Ledger CPU, mean in the measured part", candidates, lambda result: _ledger_use(result, "cpu")),
        _plain_row("Ledger memory, peak", candidates, lambda result: _ledger_use(result, "rss")),
        _plain_row(
            "Ledger bytes written per valid transaction", candidates, lambda result: _ledger_use(result, "written")
        ),
        _plain_row("Invariants of the book", candidates, _invariants),
        _plain_row("Run", candidates, lambda result: result.run_id),
    ]
    return tuple(rows)


_MORE = (("p90", "p90"), ("p95", "p95"), ("p999", "p99.9"), ("max", "slowest"))


def _plain_row(name: str, candidates: Sequence[Candidate], text: Callable[[Result], str]) -> Row:
    return Row(name, tuple(Cell(text(candidate.result)) for candidate in candidates))


def _validity_row(candidates: Sequence[Candidate]) -> Row:
    cells = []
    for candidate in candidates:
        status = candidate.result.summary.verdict.status
        partial = ", cut short" if candidate.result.partial else ""
        cells.append(
            Cell(status + partial, fmt.trials(len(candidate.result.trials)), "ok" if status == "valid" else "fault")
        )
    return Row("Measurement", tuple(cells))


def _wrong(result: Result) -> str:
    counts = outcomes.total_counts(result.trials)
    bad = outcomes.trouble(counts)
    return f"{fmt.count(bad)} of {fmt.count(counts.planned)}" if bad else f"nothing in {fmt.count(counts.planned)}"


def _block_interval(result: Result) -> str:
    trial = run_page.shown_trial(result)
    interval = trial.blocks.interval_s_median if trial else None
    return fmt.milliseconds(None if interval is None else 1e3 * interval)


def _ledger_use(result: Result, what: str) -> str:
    trial = run_page.shown_trial(result)
    parts = [part for part in trial.resources if part.role == "ledger"] if trial else []
    measured = [part for part in parts if part.phase == "measure"]
    if trial is None or not measured:
        return fmt.UNKNOWN
    if what == "cpu":
        return f"{fmt.cpu(sum(part.cpu_percent_mean for part in measured))} of one core"
    if what == "rss":
        peaks = {part.process: max(p.rss_bytes_max for p in parts if p.process == part.process) for part in parts}
        return fmt.size(sum(peaks.values()))
    written = sum(part.write_bytes for part in parts if part.phase in ("warm_up", "measure", "drain"))
    known = trial.counts.committed and all(part.write_bytes >= 0 for part in parts)
    return fmt.size(written / trial.counts.committed) if known else fmt.UNKNOWN


def _invariants(result: Result) -> str:
    found = [invariant.status for invariant in result.audit.invariants]
    if not found:
        return "none stated"
    return ", ".join(
        f"{found.count(status)} {status}" for status in ("held", "broken", "not checked") if status in found
    )


def _load_words(result: Result) -> str:
    trial = run_page.shown_trial(result)
    spans = [part.end_s - part.start_s for part in trial.phases if part.phase == "measure"] if trial else []
    length = f" for {fmt.seconds(spans[0])} after the warm-up" if spans else ""
    offered = fmt.number(result.summary.offered_per_s.median)
    return f"{offered} transactions per second, the same for each candidate{length}."


def _observations(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """What the reader should see before reading differences into the figures."""
    shares = []
    for candidate in candidates:
        rates = [
            (trial.rates.goodput_per_s + trial.rates.expected_refusals_per_s, trial.rates.offered_per_s)
            for trial in candidate.result.trials
        ]
        shares.append(min((through / offered for through, offered in rates if offered), default=0.0))
    if shares and min(shares) >= _KEPT_UP:
        return (
            "All candidates kept up with this load, so their goodput is the load itself and says nothing about their "
            "limits. The waiting times can be compared; for limits, repeat with a higher load.",
        )
    short = [candidate for candidate, share in zip(candidates, shares, strict=True) if share < _KEPT_UP]
    late = [candidate.label for candidate in short if _finished_all(candidate.result)]
    behind = [candidate.label for candidate in short if candidate.label not in late]
    out = [f"{fmt.listed(behind)} did not keep up with this load."] if behind else []
    if late:
        out.append(
            f"{fmt.listed(late)} finished all it was given, part of it after the measured part had ended: final comes "
            "late there, and the goodput is lower for that."
        )
    return tuple(out)


def _finished_all(result: Result) -> bool:
    """Nothing was dropped, refused or left open."""
    counts = outcomes.total_counts(result.trials)
    return counts.finalized + counts.failed_expected == counts.planned


def _one_of_each(everyone: Sequence[Candidate]) -> list[Candidate]:
    first = {candidate.label: candidate for candidate in reversed(everyone)}
    return [first[label] for label in dict.fromkeys(candidate.label for candidate in everyone)]


def _banners(
    everyone: Sequence[Candidate], found: Sequence[Class], verdicts: Sequence[PairVerdict], across: bool
) -> tuple[Banner, ...]:
    out = [*_validity_banners(everyone)]
    if len(found) > 1:
        out.append(_class_banner(_one_of_each(everyone), found, across))
    if not any(verdict.decided for verdict in verdicts):
        fewest = min(len(candidate.result.trials) for candidate in everyone)
        text = "The runs show no difference that chance could not have made as well."
        if fewest < FEWEST_TRIALS:
            text = f"{fmt.trials(fewest)} cannot show whether two systems differ; {FEWEST_TRIALS} or more can."
        out.append(Banner("warn", "Undecided.", text))
    return tuple(out)


def _validity_banners(everyone: Sequence[Candidate]) -> list[Banner]:
    out = []
    for candidate in everyone:
        verdict = candidate.result.summary.verdict
        if verdict.status != "valid" or candidate.result.partial:
            name = f"{candidate.label}, workload {candidate.result.workload}:"
            state = "cut short" if verdict.status == "valid" else f"the measurement is {verdict.status}"
            reasons = tuple(dict.fromkeys(verdict.reasons))
            out.append(Banner("bad", name, f"{state}; do not use its figures.", reasons))
    if len(out) <= _FEW:
        return out
    told = tuple(f"{one.title} {one.text} {' '.join(one.reasons)}" for one in out)
    text = f"Of {fmt.counted(len(everyone), 'run')} do not use the figures of these:"
    return [Banner("bad", f"{fmt.count(len(out))} measurements are invalid or cut short.", text, told)]


def _class_banner(candidates: Sequence[Candidate], found: Sequence[Class], across: bool) -> Banner:
    text = (
        "A winner is named all the same, because that was asked for."
        if across
        else "No winner is named: a faster ledger that protects against less is not a better one."
    )
    if len(candidates) > 2:
        text += f" {fmt.count(len(found))} classes; figures are to be compared inside one, see “What may be compared”."
        reasons = tuple(f"{one.name}: {fmt.listed(one.members)}" for one in found)
        return Banner("warn", "These ledgers are of different classes.", text, reasons)
    text += " They differ in:"
    reasons = tuple(
        f"{name}: "
        + "; ".join(f"{candidate.label} – {kind}" for candidate, kind in zip(candidates, kinds, strict=True))
        for name, kinds in judgement.class_differences(candidates)
    )
    return Banner("warn", "These ledgers are of different classes.", text, reasons)


def _lede(sections: Sequence[Section], verdicts: Sequence[PairVerdict]) -> str:
    decided = sum(verdict.decided for verdict in verdicts)
    searched = any(verdict.metric == capacity_comparison.CAPACITY for verdict in verdicts)
    what = "were driven to their highest load" if searched else "got the same load"
    start = f"The candidates {what} on the same hardware, in {fmt.counted(len(sections), 'workload')}."
    if decided == len(verdicts):
        all_of_them = "The one comparison below is" if decided == 1 else f"All {decided} comparisons below are"
        return f"{start} {all_of_them} decided."
    counted = f"{fmt.count(decided) if decided else 'None'} of the {fmt.counted(len(verdicts), 'comparison')} below"
    verb = "are" if decided > 1 else "is"
    return f"{start} {counted} {verb} decided; what is not is marked “undecided”, with the reason."


def _workload_words(sections: Sequence[Section]) -> str:
    names = [part.workload for part in sections]
    return f"workload{'s' if len(names) > 1 else ''} {fmt.listed(names)}"


def _cannot(everyone: Sequence[Candidate], many_classes: bool, across: bool) -> tuple[str, ...]:
    out = []
    fewest = min(len(candidate.result.trials) for candidate in everyone)
    if fewest < FEWEST_TRIALS:
        out.append(
            f"Whether the candidates differ: with {fmt.trials(fewest)} chance alone can make equals look different. "
            f"Below {FEWEST_TRIALS} trials no interval is printed. Repeat with {FEWEST_TRIALS} or more: "
            f"make demo TRIALS={FEWEST_TRIALS}, or trials: {FEWEST_TRIALS} in the scenario."
        )
    if many_classes and not across:
        out.append(
            "Which is better: the ledgers are of different classes, and what each protects against is part of it."
        )
    out.append("How the candidates behave at other loads, on other machines, over a wide network, or with faults.")
    seeds = {candidate.result.seed for candidate in everyone}
    if len(seeds) > 1:
        out.append("Differences between the drawn operations: the runs used different seeds.")
    versions = {candidate.result.bench_version for candidate in everyone}
    if len(versions) > 1:
        out.append(f"Differences between versions of the harness: {fmt.listed(sorted(versions))} were used.")
    return tuple(out)


def _trials_words(everyone: Sequence[Candidate]) -> str:
    numbers = sorted({len(candidate.result.trials) for candidate in everyone})
    return f"{fmt.trials(numbers[0])} each" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} trials each"

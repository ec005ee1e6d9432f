"""What the page of a source says, in words and rows. Layout is left to the templates."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from bench.report import format as fmt
from bench.report.first_screen import Banner
from bench.report.standards import metrics
from bench.report.standards.catalogue import CONFIDENCE, MetricEntry, Source, TestEntry
from bench.report.standards.disclosure import Disclosed, disclosures, node_share
from bench.report.standards.evidence import Evidence, Run, measured_length_s
from bench.report.standards.readings import Finding, StatisticTable
from bench.report.standards.thresholds import Judgement, judge
from bench.scenario.presets import AS_GIVEN, STABILITY

GROUPS = {
    "reads": "Reads",
    "writes": "Transactions",
    "resources": "Resources of the ledger",
    "operations": "Operation of the ledger",
}
_CAICT_NODES = (4, 16)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of one test: what it is, how it was observed, what was found, and whether that is enough."""

    entry: MetricEntry
    finding: Finding
    judgement: Judgement | None


@dataclass(frozen=True, slots=True)
class Group:
    """Metrics of one kind: reads stand apart from transactions."""

    title: str
    rows: tuple[MetricRow, ...]

    @property
    def tables(self) -> tuple[StatisticTable, ...]:
        """The statistics behind its latencies."""
        return tuple(row.finding.table for row in self.rows if row.finding.table is not None)


@dataclass(frozen=True, slots=True)
class TestPart:
    """One test of the source. `run` is None where it was not run."""

    __test__ = False  # the name is the field's word, not a pytest class

    entry: TestEntry
    run: Run | None
    facts: str
    groups: tuple[Group, ...]

    @property
    def rows(self) -> tuple[MetricRow, ...]:
        """All metrics of the test."""
        return tuple(row for group in self.groups for row in group.rows)


@dataclass(frozen=True, slots=True)
class PresetPage:
    """Everything the templates print."""

    source: Source
    title: str
    subtitle: str
    claim: str
    confidence: str
    banners: tuple[Banner, ...]
    tests: tuple[TestPart, ...]
    differences: tuple[str, ...]
    disclosed: tuple[Disclosed, ...]
    runs: tuple[tuple[str, str, str, str], ...]
    commands: tuple[str, ...]
    bench_version: str

    def judged(self, status: str) -> tuple[tuple[TestPart, MetricRow, Judgement], ...]:
        """The thresholds that were met, missed or undecided."""
        return tuple(
            (test, row, row.judgement)
            for test in self.tests
            for row in test.rows
            if row.judgement is not None and row.judgement.status == status
        )


def preset_page(source: Source, evidence: Evidence) -> PresetPage:
    """The whole page."""
    tests = tuple(_test(source, entry, evidence) for entry in source.tests)
    result = evidence.runs[0].result
    page = PresetPage(
        source=source,
        title=f"{result.workload} on {result.ledger.name}",
        subtitle=_subtitle(evidence),
        claim=claim(source),
        confidence=CONFIDENCE[source.read],
        banners=(),
        tests=tests,
        differences=_differences(source, evidence),
        disclosed=disclosures(source.disclosure, evidence.runs[0]) if source.disclosure else (),
        runs=tuple(_run_row(run) for run in evidence.runs),
        commands=tuple(dict.fromkeys(shlex.join(run.result.command) for run in evidence.runs)),
        bench_version=result.bench_version,
    )
    return _with_banners(page, evidence)


def claim(source: Source) -> str:
    """What the page is, and is not."""
    start = "Made in the manner of" if source.wording == "in the manner of" else "This page reports the metrics of"
    return f"{start} {source.short} ({source.edition}). It certifies nothing, and nobody has certified it."


def judgement_sentence(test: TestPart, row: MetricRow, judgement: Judgement) -> str:
    """One line for a banner or a terminal."""
    where = "" if test.entry.role == AS_GIVEN else f"{test.entry.title}: "
    why = f": {judgement.reason}" if judgement.reason else ""
    return f"{where}{row.entry.name}, asked {judgement.asked}{why}"


def _test(source: Source, entry: TestEntry, evidence: Evidence) -> TestPart:
    run = evidence.of(entry.role)
    rows = [
        _metric_row(source, metric, entry.role, run, evidence)
        for metric in source.metrics
        if metric.key != "load_share" or entry.role in metric.thresholds
    ]
    groups = tuple(
        Group(title, tuple(row for row in rows if row.entry.group == key))
        for key, title in GROUPS.items()
        if any(row.entry.group == key for row in rows)
    )
    return TestPart(entry, run, _facts(run), groups)


def _metric_row(source: Source, metric: MetricEntry, role: str, run: Run | None, evidence: Evidence) -> MetricRow:
    finding = metrics.finding(source, metric, run, evidence)
    if metric.at_nodes and run is not None:
        finding = replace(finding, notes=(f"Network threshold: observed at {node_share(run)}.", *finding.notes))
    threshold = metric.thresholds.get(role)
    judged = judge(threshold, finding, run, metric.unit) if threshold else None
    return MetricRow(metric, finding, judged)


def _subtitle(evidence: Evidence) -> str:
    ledger = evidence.runs[0].result.ledger
    trials = sorted({len(run.trials) for run in evidence.runs})
    each = " each" if len(evidence.runs) > 1 else ""
    number = fmt.trials(trials[0]) if len(trials) == 1 else f"{trials[0]} to {fmt.trials(trials[-1])}"
    return " · ".join(
        (
            f"{ledger.name} {ledger.version}",
            f"observed at {node_share(evidence.runs[0])}",
            f"{fmt.counted(len(evidence.runs), 'run')}, {number}{each}",
        )
    )


def _facts(run: Run | None) -> str:
    if run is None:
        return "Not run."
    lengths = [measured_length_s(trial) for trial in run.trials]
    measured = f", measured for {fmt.seconds(sorted(lengths)[len(lengths) // 2])}" if lengths else ""
    offered = fmt.rate(run.result.summary.offered_per_s.median)
    return f"{offered} writes offered{measured}, {fmt.trials(len(run.trials))}; {run.result.summary.verdict.status}."


def _run_row(run: Run) -> tuple[str, str, str, str]:
    status = run.result.summary.verdict.status + (", cut short" if run.result.partial else "")
    return (fmt.words(run.role.replace("-", " ")), str(run.scenario.get("name", fmt.UNKNOWN)), status, run.name)


def _differences(source: Source, evidence: Evidence) -> tuple[str, ...]:
    """Where these runs are not what the source describes, beyond its remarks."""
    assumed = [run for run in evidence.runs if run.assumed]
    out = [f"{run.name} is taken for the test {run.role}: its name does not say which it is." for run in assumed]
    if source.key == "caict":
        out += _caict_differences(evidence)
    return (*out, *source.remarks)


def _caict_differences(evidence: Evidence) -> list[str]:
    ledger = evidence.runs[0].result.ledger
    out = []
    if not ledger.managed:
        out.append("The source is said to test networks of 4 and of 16 nodes; how many this one has is not known.")
    elif ledger.nodes not in _CAICT_NODES:
        out.append(f"The source is said to test networks of 4 and of 16 nodes; this one has {ledger.nodes}.")
    if ledger.ledger_class.crypto == "none":
        out.append("The source is said to send signed transactions; those of this ledger are not signed.")
    stability = evidence.of(STABILITY)
    if stability is not None and stability.trials:
        length = fmt.seconds(max(measured_length_s(trial) for trial in stability.trials))
        out.append(f"The source speaks of a long stability run, without a figure; here it is {length} per trial.")
    return out


def _with_banners(page: PresetPage, evidence: Evidence) -> PresetPage:
    banners = [*_run_banners(evidence), *_threshold_banners(page)]
    banners.append(Banner("", f"Source: {page.source.read}.", page.confidence))
    return replace(page, banners=tuple(banners))


def _run_banners(evidence: Evidence) -> list[Banner]:
    out = []
    for run in evidence.runs:
        if run.sound:
            reasons = tuple(dict.fromkeys(run.result.summary.verdict.reasons))
            text = f"{run.sound}; do not use its figures."
            out.append(Banner("bad", f"Run {run.name}:", text, reasons))
    return out


def _threshold_banners(page: PresetPage) -> list[Banner]:
    out = []
    missed, undecided, met = (page.judged(status) for status in ("missed", "undecided", "met"))
    if missed:
        reasons = tuple(judgement_sentence(*one) for one in missed)
        out.append(Banner("bad", f"{fmt.counted(len(missed), 'threshold')} missed.", "", reasons))
    if undecided:
        reasons = tuple(judgement_sentence(*one) for one in undecided)
        out.append(Banner("warn", f"{fmt.counted(len(undecided), 'threshold')} undecided.", "", reasons))
    if met and not missed and not undecided:
        out.append(Banner("good", f"All {fmt.counted(len(met), 'threshold')} are met.", "In every trial."))
    return out

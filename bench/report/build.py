"""Writes the run report and the comparison. Everything they say comes from bundles on disk, so they can be made again.

Drawing needs matplotlib; it is imported when the first chart is drawn, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.bundle.files import write_whole
from bench.bundle.manifest import reseal
from bench.bundle.naming import MANIFEST
from bench.bundle.reader import Bundle, read_bundle
from bench.model.errors import ConfigurationError, NotComparableError
from bench.report import capacity_comparison, comparison_page, judgement, render, source
from bench.report.assemble import RunInput, assemble, compare_charts
from bench.report.capacity_charts import comparison_chart
from bench.report.capacity_page import focus
from bench.report.classes import Barrier, Class, classes
from bench.report.figure import Chart
from bench.report.judgement import Candidate, PairVerdict
from bench.report.run_page import shown_trial

REPORT_HTML, REPORT_MARKDOWN = "report.html", "report.md"
COMPARISON_HTML, COMPARISON_MARKDOWN = "comparison.html", "comparison.md"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was written and what was found. `decided`: for each pair at least one metric is decided."""

    html_path: Path
    markdown_path: Path
    verdicts: tuple[PairVerdict, ...]
    decided: bool
    classes: tuple[Class, ...]
    barriers: tuple[Barrier, ...]


def write_report(bundle_dir: Path) -> Path:
    """Write `report.html` and `report.md` into the bundle and return the path of the former.

    If the bundle is already sealed, only the manifest's lines of these two files are renewed.
    """
    page = assemble(_run_input(read_bundle(bundle_dir)))
    html_path = bundle_dir / REPORT_HTML
    write_whole(html_path, render.html("report.html.j2", page).encode())
    write_whole(bundle_dir / REPORT_MARKDOWN, render.markdown("report.md.j2", page).encode())
    if (bundle_dir / MANIFEST).exists():
        reseal(bundle_dir, (REPORT_HTML, REPORT_MARKDOWN))
    return html_path


def write_comparison(bundle_dirs: Sequence[Path], out_dir: Path, *, across_classes: bool = False) -> Comparison:
    """Write `comparison.html` and `comparison.md` into `out_dir`: a section per workload, a column per run.

    NotComparableError with every reason when runs of one workload differ in load or hardware.
    """
    groups = _groups([read_bundle(directory) for directory in bundle_dirs])
    _refuse(groups)
    sections: list[comparison_page.Section] = []
    verdicts: list[PairVerdict] = []
    for workload, members in groups.items():
        candidates = [candidate for candidate, _ in members]
        if capacity_comparison.searched(candidates):
            found = capacity_comparison.pair_verdicts(workload, candidates, across_classes)
            charts = _capacity_charts(workload, candidates)
        else:
            found = judgement.pair_verdicts(workload, candidates, across_classes)
            charts = compare_charts(workload, {candidate.label: _run_input(bundle) for candidate, bundle in members})
        sections.append(comparison_page.section(workload, candidates, found, charts))
        verdicts += found
    candidates_by_group = [[candidate for candidate, _ in members] for members in groups.values()]
    page = comparison_page.page(sections, candidates_by_group, across_classes)
    out_dir.mkdir(parents=True, exist_ok=True)
    html_path, markdown_path = out_dir / COMPARISON_HTML, out_dir / COMPARISON_MARKDOWN
    write_whole(html_path, render.html("comparison.html.j2", page).encode())
    write_whole(markdown_path, render.markdown("comparison.md.j2", page).encode())
    return Comparison(html_path, markdown_path, tuple(verdicts), _decided(verdicts), page.classes, page.barriers)


def _run_input(bundle: Bundle) -> RunInput:
    result = focus(bundle.result)
    shown = shown_trial(result)
    return RunInput(
        whole=bundle.result,
        result=result,
        scenario=bundle.scenario,
        environment=bundle.environment,
        name=bundle.directory.resolve().name,
        shown=shown,
        writes=source.writes(bundle, shown.trial) if shown else None,
        usage=source.usage(bundle, shown.trial) if shown else {},
    )


def _capacity_charts(workload: str, candidates: Sequence[Candidate]) -> tuple[Chart, ...]:
    found = {candidate.label: candidate.result.capacity for candidate in candidates}
    return (comparison_chart(workload, {label: capacity for label, capacity in found.items() if capacity}),)


def _groups(bundles: Sequence[Bundle]) -> dict[str, list[tuple[Candidate, Bundle]]]:
    if not bundles:
        raise ConfigurationError("nothing to compare", remedy="give the directories of two or more runs")
    by_workload: dict[str, list[Bundle]] = {}
    for bundle in bundles:
        by_workload.setdefault(bundle.result.workload, []).append(bundle)
    return {
        workload: _by_class([(_candidate(bundle, members), bundle) for bundle in members])
        for workload, members in by_workload.items()
    }


def _by_class(members: Sequence[tuple[Candidate, Bundle]]) -> list[tuple[Candidate, Bundle]]:
    """Those of one class beside each other, else in the order given."""
    by_label = {candidate.label: (candidate, bundle) for candidate, bundle in members}
    found = classes([(candidate.label, candidate.result.ledger) for candidate, _ in members])
    return [by_label[label] for one in found for label in one.members]


def _candidate(bundle: Bundle, group: Sequence[Bundle]) -> Candidate:
    """Named by its ledger; where two runs are of one ledger, by version if that differs, else by number."""
    ledger = bundle.result.ledger
    namesakes = [other for other in group if other.result.ledger.name == ledger.name]
    label = ledger.name
    if len(namesakes) > 1:
        versions = {other.result.ledger.version for other in namesakes}
        label += f" {ledger.version}" if len(versions) == len(namesakes) else f" (run {namesakes.index(bundle) + 1})"
    environment = bundle.environment
    return Candidate(
        label, focus(bundle.result), _mapping(bundle.scenario), judgement.hardware(environment), environment
    )


def _mapping(scenario: str) -> Mapping[str, object]:
    loaded = yaml.safe_load(scenario)
    return loaded if isinstance(loaded, Mapping) else {}


def _refuse(groups: Mapping[str, Sequence[tuple[Candidate, Bundle]]]) -> None:
    reasons = [
        reason
        for workload, members in groups.items()
        for reason in judgement.refusals(workload, _loads([candidate for candidate, _ in members]))
    ]
    if reasons:
        listed = "".join(f"\n  - {reason}" for reason in reasons)
        raise NotComparableError(
            f"these runs cannot be compared:{listed}",
            remedy="run the same scenario on each ledger, on the same machine, and compare those",
        )


def _loads(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """As they are asked whether they got the same load."""
    if not capacity_comparison.searched(candidates):
        return candidates
    return [capacity_comparison.at_own_load(candidate) for candidate in candidates]


def _decided(verdicts: Sequence[PairVerdict]) -> bool:
    pairs: dict[tuple[str, str, str], bool] = {}
    for verdict in verdicts:
        pair = (verdict.workload, verdict.first, verdict.second)
        pairs[pair] = pairs.get(pair, False) or verdict.decided
    return bool(pairs) and all(pairs.values())

"""Writes the page of a source from bundles on disk, as HTML and Markdown, and gives the same as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.bundle.files import write_whole
from bench.report import render
from bench.report.standards.catalogue import source
from bench.report.standards.evidence import gather
from bench.report.standards.page import MetricRow, PresetPage, TestPart, judgement_sentence, preset_page


@dataclass(frozen=True, slots=True)
class WrittenPreset:
    """What was written. `missed` and `undecided` are sentences, one per threshold."""

    html_path: Path
    markdown_path: Path
    page: PresetPage
    missed: tuple[str, ...]
    undecided: tuple[str, ...]


def write_preset(preset: str, bundle_dirs: Sequence[Path], out: Path | None = None) -> WrittenPreset:
    """Write the page of `preset` from the bundles of one ledger.

    `out` is the HTML file, or a directory for both; None puts them beside the first bundle, named like it, because a
    closed bundle takes no further files. See `evidence.gather` for what is refused.
    """
    evidence = gather(preset, bundle_dirs)
    page = preset_page(source(preset), evidence)
    html_path = _target(preset, bundle_dirs[0].resolve(), out)
    html_path.parent.mkdir(parents=True, exist_ok=True)
    markdown_path = html_path.with_suffix(".md")
    write_whole(html_path, render.html("preset.html.j2", page).encode())
    write_whole(markdown_path, render.markdown("preset.md.j2", page).encode())
    return WrittenPreset(html_path, markdown_path, page, _sentences(page, "missed"), _sentences(page, "undecided"))


def as_data(page: PresetPage) -> dict[str, object]:
    """The page as plain data; figures keep their full precision."""
    found = page.source
    return {
        "preset": found.key,
        "source": {
            "title": found.title,
            "edition": found.edition,
            "read": found.read,
            "wording": found.wording,
            "claim": page.claim,
        },
        "tests": [_test_data(test) for test in page.tests],
        "disclosure": [asdict(line) for line in page.disclosed],
        "differences": list(page.differences),
    }


def _target(preset: str, first: Path, out: Path | None) -> Path:
    name = f"{first.name}-{preset}.html"
    if out is None:
        return first.parent / name
    return out if out.suffix.lower() in (".html", ".htm") else out / name


def _sentences(page: PresetPage, status: str) -> tuple[str, ...]:
    return tuple(judgement_sentence(*one) for one in page.judged(status))


def _test_data(test: TestPart) -> dict[str, object]:
    return {
        "role": test.entry.role,
        "setting": test.entry.setting,
        "bundle": test.run.name if test.run else None,
        "metrics": [_metric_data(row) for row in test.rows],
    }


def _metric_data(row: MetricRow) -> dict[str, object]:
    entry, finding = row.entry, row.finding
    return {
        "key": entry.key,
        "name": entry.name,
        "group": entry.group,
        "unit": entry.unit,
        "definition": entry.definition,
        "observed": entry.observed,
        "value_from": entry.value_from,
        "value": asdict(finding.value) if finding.value else None,
        "beside": [asdict(reading) for reading in finding.beside],
        "statistics": asdict(finding.table) if finding.table else None,
        "not_measured": asdict(finding.missing) if finding.missing else None,
        "notes": list(finding.notes),
        "threshold": asdict(row.judgement) if row.judgement else None,
    }

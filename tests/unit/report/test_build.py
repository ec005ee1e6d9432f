import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.manifest import files, read, seal
from bench.bundle.reader import read_bundle
from bench.report.build import write_report
from bench.report.outcomes import funnel
from bench.report.run_page import shown_trial
from tests.support.bundles import synthetic_bundle

HOSTILE = "</code><script>alert('x')</script>| [a](http://evil.example) `b` \u202e"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return synthetic_bundle(tmp_path / "run", trials=2, seconds=6, goodput=200)


def change(bundle: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Edit `result.json` in place and seal again."""
    path = bundle / "result.json"
    result = json.loads(path.read_text())
    edit(result)
    path.write_text(json.dumps(result))
    seal(bundle)
    return bundle


def words(page: str) -> str:
    """What a reader sees: no tags, single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<body>") :])).replace("\u00a0", " ")


def test_the_page_is_one_file_without_addresses(bundle: Path) -> None:
    path = write_report(bundle)
    page = path.read_text()
    assert path == bundle / "report.html"
    assert (bundle / "report.md").is_file()
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href)="(.)', page)) <= {"#", "d"}
    assert len(page.encode()) < 2_000_000


def test_the_figures_are_those_of_the_result(bundle: Path) -> None:
    result = json.loads((bundle / "result.json").read_text())
    seen = words(write_report(bundle).read_text())
    goodput = result["summary"]["goodput_per_s"]["median"]
    p99 = result["summary"]["latency_ms"]["finality"]["p99"]["median"]
    planned = sum(trial["counts"]["planned"] for trial in result["trials"])
    assert f"{goodput:.0f} /s" in seen
    assert p99 is None or f"{p99 / 1e3:.2f} s" in seen or f"{p99:.0f} ms" in seen
    assert f"{planned:,} planned in 2 trials" in seen
    assert "2 trials: no interval" in seen
    assert "With 2 trials no interval can be stated" in seen


def test_both_pages_have_what_a_reader_needs(bundle: Path) -> None:
    seen = words(write_report(bundle).read_text())
    twin = (bundle / "report.md").read_text()
    for section in ("Over time", "Does the book add up?", "The machine and the software"):
        assert section in seen
    for section in (
        "How long it took",
        "What became of every transaction",
        "Errors",
        "Operations",
        "Trials",
        "Resources",
    ):
        assert section in seen
        assert f"## {section}" in twin
    for text in ("Example CPU", "bench.py run --ledger anvil --workload smallbank", "python bench.py verify run"):
        assert text in seen
        assert text in twin
    assert "money is conserved held 20,000,000 = 20,000,000" in seen


def test_every_chart_has_title_unit_reading_and_alternative(bundle: Path) -> None:
    page = write_report(bundle).read_text()
    figures = re.findall(r"<figure>.*?</figure>", page, flags=re.DOTALL)
    assert len(figures) == 7
    for figure in figures:
        assert re.search(r"<h3>\w.*</h3>", figure)
        assert re.search(r'<p class="unit">\w', figure)
        assert re.search(r"<figcaption>\w.{40,}", figure, flags=re.DOTALL)
        assert re.search(r'role="img" aria-label="\w.{30,}"', figure)


def test_the_warm_up_is_marked_where_it_was_declared_and_where_its_check_would_cut(bundle: Path) -> None:
    warm_up = {"declared_s": 1.2, "cut_s": 1.9, "applied_s": 2.0, "note": "lengthened from 1.2 s to 2.0 s: it settled"}

    def edit(result: dict[str, Any]) -> None:
        for trial in result["trials"]:
            trial["warm_up"] = warm_up

    page = write_report(change(bundle, edit)).read_text()
    seen = words(page)
    for text in ("Warm-up declared (1.20 s)", "Check's cut, MSER-5 (1.90 s)", "up to 2 s, is left out of all figures."):
        assert text in seen.replace("&#39;", "'")
    assert "The check made the declared warm-up longer." in seen
    assert "lengthened from 1.2 s to 2.0 s" in (bundle / "report.md").read_text()


def test_what_all_trials_remark_is_said_once(bundle: Path) -> None:
    def edit(result: dict[str, Any]) -> None:
        for trial in result["trials"]:
            trial["notes"] = ["not calibrated"]

    seen = words(write_report(change(bundle, edit)).read_text())
    assert seen.count("not calibrated") == 1
    assert "every trial: not calibrated" in seen


def test_an_invalid_run_says_so_first_with_its_reasons(bundle: Path) -> None:
    reason = "submit lag p99 is 41 ms, bound 5 ms: use more workers"

    def edit(result: dict[str, Any]) -> None:
        result["summary"]["verdict"] = {"status": "invalid", "reasons": [reason]}
        result["trials"][0]["verdict"] = {"status": "invalid", "reasons": [reason]}

    page = write_report(change(bundle, edit)).read_text()
    seen = words(page)
    assert seen.index("Not valid.") < seen.index(reason) < seen.index("transactions per second were offered")
    assert '<div class="banner bad"' in page
    assert "Valid. All checks" not in seen
    assert reason.split(":")[0] in (bundle / "report.md").read_text()


def test_a_broken_invariant_and_a_cut_are_on_the_first_screen(bundle: Path) -> None:
    def edit(result: dict[str, Any]) -> None:
        result["partial"] = True
        result["audit"]["invariants"][0] |= {"status": "broken", "detail": "19,999,999 is not 20,000,000"}

    page = write_report(change(bundle, edit)).read_text()
    header = words(page[: page.index("</header>")])
    assert "The book does not add up." in header
    assert "19,999,999 is not 20,000,000" in header
    assert "Cut short." in header


def test_a_run_without_a_trial_still_gets_a_page(bundle: Path) -> None:
    def edit(result: dict[str, Any]) -> None:
        result["trials"] = []
        result["partial"] = True
        result["summary"]["verdict"] = {"status": "invalid", "reasons": ["interrupted before the first trial ended"]}

    seen = words(write_report(change(bundle, edit)).read_text())
    assert "No trial was completed" in seen
    assert "interrupted before the first trial ended" in seen


def test_what_a_node_says_stays_text(bundle: Path) -> None:
    def edit(result: dict[str, Any]) -> None:
        for trial in result["trials"]:
            for error in trial["errors"].values():
                error["examples"] = [HOSTILE]
        result["ledger"] |= {"version": HOSTILE, "name": "any'><b>il", "flags": [HOSTILE]}
        result["notes"] = [HOSTILE]

    page = write_report(change(bundle, edit)).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>il" not in page
    assert "\u202e" not in page
    twin = (bundle / "report.md").read_text()
    outside_code = re.sub(
        r"`[^`\n]*`", "", "\n".join(line for line in twin.splitlines() if not line.startswith("    "))
    )
    assert not re.search(r"(?<!\\)<", outside_code)
    assert not re.search(r"(?<!\\)\]\(", outside_code)


def test_unknown_percentiles_are_lower_bounds_or_dashes(bundle: Path) -> None:
    def edit(result: dict[str, Any]) -> None:
        for trial in result["trials"]:
            finality = trial["latency_ms"]["finality"]
            finality |= {"p99": None, "p999": None, "lower_bound": {"p99": 3210.0}}
        result["summary"]["latency_ms"]["finality"]["p99"]["median"] = None

    seen = words(write_report(change(bundle, edit)).read_text())
    assert "99 of 100: ≥ 3.21 s, too many never finished to know more." in seen


def test_only_its_own_lines_of_the_manifest_are_renewed(bundle: Path) -> None:
    before = read(bundle)
    (bundle / "scenario.yaml").write_text("tampered: true\n")
    write_report(bundle)
    after = read(bundle)
    assert set(after) == set(files(bundle)) == set(before) | {"report.html", "report.md"}
    assert {name: after[name] for name in before} == before


def test_the_funnel_loses_nobody(bundle: Path) -> None:
    rows = funnel(read_bundle(bundle).result.trials)
    by_label = {row.label: row.count for row in rows}
    assert by_label["Planned"] == by_label["Final"] + sum(row.count for row in rows if row.loss)
    assert rows[0].width == 100.0


def test_the_shown_trial_is_the_valid_one_in_the_middle(bundle: Path) -> None:
    result = read_bundle(bundle).result
    trial = result.trials[0]
    rates = {1: 90.0, 2: 300.0, 3: 10.0, 4: 100.0}
    trials = [
        trial.model_copy(
            update={
                "trial": number,
                "rates": trial.rates.model_copy(update={"goodput_per_s": goodput}),
                "verdict": trial.verdict.model_copy(update={"status": "invalid" if number == 2 else "valid"}),
            }
        )
        for number, goodput in rates.items()
    ]
    found = shown_trial(result.model_copy(update={"trials": trials}))
    assert found is not None
    assert found.trial == 1


def test_importing_the_room_does_not_import_matplotlib() -> None:
    code = "import sys, bench.report.build; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_notes_of_run_and_trials_and_expected_refusals_are_shown(bundle: Path) -> None:
    def edit(result: dict[str, Any]) -> None:
        result["notes"] = ["base fee pinned"]
        result["trials"][1]["notes"] = ["fewer blocks than planned"]
        for trial in result["trials"]:
            trial["errors"] = {"business_refusal": {"count": 1_200, "stage": "failed", "expected": 1_100}}
            trial["reads"] |= {"issued": 10, "answered": 7, "failed": 3, "dropped": 2}

    seen = words(write_report(change(bundle, edit)).read_text())
    assert "base fee pinned" in seen
    assert "trial 2: fewer blocks than planned" in seen
    assert "business refusal the business rules said no, as they should failed 2,400 2,200 expected" in seen
    assert "Reads are counted apart: 20 issued, 14 answered, 6 failed, 4 dropped." in seen

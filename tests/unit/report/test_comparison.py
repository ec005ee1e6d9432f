import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.manifest import seal
from bench.bundle.reader import read_bundle
from bench.model.errors import ConfigurationError, ExitCode, NotComparableError
from bench.report import capacity_comparison
from bench.report.build import write_comparison
from bench.report.judgement import METRICS, Candidate, pair_verdicts, refusals, shown_value
from tests.support.bundles import synthetic_bundle
from tests.support.report_parts import capacity
from tests.support.report_parts import rewrite as rewritten

GOODPUT, P50, P99 = METRICS


def make(parent: Path, ledger: str, workload: str = "transfer", trials: int = 2, block_s: float = 1.0) -> Path:
    name = f"{workload}-{ledger}-{trials}-{block_s}"
    seed = 1 + len(ledger)
    return synthetic_bundle(
        parent / name,
        ledger=ledger,
        workload=workload,
        trials=trials,
        seconds=5,
        goodput=250,
        block_s=block_s,
        seed=seed,
    )


def rewrite(bundle: Path, name: str, **changes: Any) -> Path:
    path = bundle / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    seal(bundle)
    return bundle


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    parent = tmp_path_factory.mktemp("five")
    return [make(parent, "anvil", trials=5), make(parent, "sqlite", trials=5, block_s=0.05)]


def candidate(bundle: Path, label: str, **goodput: list[float]) -> Candidate:
    """The bundle's run, with the goodput of its trials replaced."""
    result = read_bundle(bundle).result
    values = goodput.get("goodput")
    if values is not None:
        first = result.trials[0]
        trials = [
            first.model_copy(update={"rates": first.rates.model_copy(update={"goodput_per_s": value})})
            for value in values
        ]
        result = result.model_copy(update={"trials": trials})
    return Candidate(label, result, {}, {})


def test_two_trials_decide_nothing_and_the_page_says_what_would(tmp_path: Path) -> None:
    bundles = [make(tmp_path, "anvil"), make(tmp_path, "sqlite", block_s=0.05)]
    found = write_comparison(bundles, tmp_path / "out")
    assert found.decided is False
    assert {verdict.finding for verdict in found.verdicts} == {"undecided"}
    assert {verdict.grounds for verdict in found.verdicts} == {"2 trials, and below 5 no interval is printed"}
    page = found.html_path.read_text()
    assert "2 trials cannot show whether two systems differ" in page
    assert "make demo TRIALS=5" in page
    assert "make demo TRIALS=5" in found.markdown_path.read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_five_trials_decide_what_differs_without_a_winner_across_classes(five: list[Path], tmp_path: Path) -> None:
    found = write_comparison(five, tmp_path)
    verdicts = {verdict.metric: verdict for verdict in found.verdicts}
    assert found.decided is True
    assert verdicts[P50].decided is True
    assert re.fullmatch(r"sqlite: \d+.ms shorter than anvil", verdicts[P50].finding)
    low, high = verdicts[P50].ci_low, verdicts[P50].ci_high
    assert low is not None
    assert high is not None
    assert low <= verdicts[P50].difference <= high < 0
    assert verdicts[P50].grounds.endswith("different classes, so no winner is named")
    page = found.html_path.read_text()
    assert "These ledgers are of different classes." in page
    assert "How it keeps data: anvil – memory only; sqlite – fsync per block" in page
    assert "better here" not in page


def test_a_winner_across_classes_is_named_only_when_asked_for(five: list[Path], tmp_path: Path) -> None:
    found = write_comparison(five, tmp_path, across_classes=True)
    assert any(verdict.grounds.endswith("sqlite is better here") for verdict in found.verdicts)


def test_workloads_get_a_section_each(tmp_path: Path) -> None:
    bundles = [
        make(tmp_path, ledger, workload) for workload in ("smallbank", "transfer") for ledger in ("anvil", "sqlite")
    ]
    found = write_comparison(bundles, tmp_path / "out")
    page = found.html_path.read_text()
    assert [page.count(f"<h2>{name}</h2>") for name in ("smallbank", "transfer")] == [1, 1]
    assert [(verdict.workload, verdict.metric) for verdict in found.verdicts] == [
        (workload, metric) for workload in ("smallbank", "transfer") for metric in METRICS
    ]
    assert len(re.findall("<figure>", page)) == 8


def test_all_reasons_of_a_refusal_are_given_at_once(tmp_path: Path) -> None:
    one, other = make(tmp_path, "anvil"), make(tmp_path, "sqlite")
    (other / "scenario.yaml").write_text(
        "ledger: sqlite\nworkload: transfer\narrival: {process: poisson, rate: 500}\nload: {batch: 50}\n"
    )
    environment = json.loads((other / "environment.json").read_text())
    rewrite(other, "environment.json", cpu={**environment["cpu"], "cores": 64}, memory_bytes=1_000_000_000_000)
    lonely = make(tmp_path, "anvil", "smallbank")
    with pytest.raises(NotComparableError) as refused:
        write_comparison([one, other, lonely], tmp_path / "out")
    message = str(refused.value).replace("\u00a0", " ")
    for reason in (
        "arrival.process: constant and poisson",
        "arrival.rate: ",
        "load.batch: not set and 50",
        "processor cores 4 and 64",
        "memory 16 GB and 1 TB",
        "workload smallbank: only anvil ran it",
        "remedy:",
    ):
        assert reason in message.replace("16.0 GB", "16 GB").replace("1.00 TB", "1 TB")
    assert refused.value.exit_code is ExitCode.NOT_COMPARABLE
    assert not (tmp_path / "out").exists()


def test_the_load_that_really_was_offered_counts_too(tmp_path: Path) -> None:
    bundle = make(tmp_path, "anvil")
    result = read_bundle(bundle).result
    offered = result.summary.offered_per_s.model_copy(update={"median": 300.0})
    other = result.model_copy(update={"summary": result.summary.model_copy(update={"offered_per_s": offered})})
    reasons = refusals("transfer", [Candidate("a", result, {}, {}), Candidate("b", other, {}, {})])
    assert len(reasons) == 1
    assert "offered load" in reasons[0]


def test_nothing_to_compare() -> None:
    with pytest.raises(ConfigurationError):
        write_comparison([], Path("nowhere"))


@pytest.mark.parametrize(
    ("left", "right", "finding"),
    [
        ([100, 101, 102, 103, 104], [200, 201, 202, 203, 204], "right: 100 /s more than left"),
        ([200, 201, 202, 203, 204], [100, 101, 102, 103, 104], "right: 100 /s less than left"),
        ([100, 101, 102, 103, 104], [100, 101, 102, 103, 104], "undecided"),
        # medians differ clearly, but one trial of each lies in the other's range
        ([100, 101, 102, 103, 200], [150, 201, 202, 203, 204], "undecided"),
        ([100] * 5, [100] * 5, "undecided"),
        ([100, 101, 102, 103], [200, 201, 202, 203], "undecided"),
    ],
)
def test_goodput_verdicts(tmp_path: Path, left: list[float], right: list[float], finding: str) -> None:
    bundle = make(tmp_path, "anvil")
    sides = [candidate(bundle, "left", goodput=left), candidate(bundle, "right", goodput=right)]
    verdict = pair_verdicts("transfer", sides, across_classes=False)[0]
    assert verdict.finding.replace("\u00a0", " ") == finding
    assert verdict.decided is (finding != "undecided")
    if verdict.decided:
        assert verdict.grounds.endswith(f"{'right' if right[0] > left[0] else 'left'} is better here")


def test_an_invalid_run_is_shown_and_decides_nothing(five: list[Path]) -> None:
    good, bad = (candidate(bundle, bundle.name) for bundle in five)
    summary = bad.result.summary
    verdict = summary.verdict.model_copy(update={"status": "invalid"})
    result = bad.result.model_copy(update={"summary": summary.model_copy(update={"verdict": verdict})})
    found = pair_verdicts("transfer", [good, Candidate("bad", result, {}, {})], across_classes=True)
    assert {entry.grounds for entry in found} == {"the run on bad is invalid"}
    assert not any(entry.decided for entry in found)


def test_an_unknown_percentile_is_not_averaged_away(five: list[Path]) -> None:
    result = read_bundle(five[0]).result
    first = result.trials[0]
    finality = first.latency_ms.finality.model_copy(update={"p50": None, "lower_bound": {"p50": 5_000.0}})
    changed = first.model_copy(update={"latency_ms": first.latency_ms.model_copy(update={"finality": finality})})
    result = result.model_copy(update={"trials": [changed, *result.trials[1:]]})
    assert shown_value(result, P50).replace("\u00a0", " ") == "≥ 5 s"


def test_namesakes_are_told_apart(tmp_path: Path) -> None:
    bundles = [make(tmp_path, "anvil"), make(tmp_path, "anvil", trials=3)]
    found = write_comparison(bundles, tmp_path / "out")
    assert {(verdict.first, verdict.second) for verdict in found.verdicts} == {("anvil (run 1)", "anvil (run 2)")}
    assert "different classes" not in found.html_path.read_text()


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    parent = tmp_path_factory.mktemp("searches")
    return [make(parent, "anvil", trials=10), make(parent, "sqlite", trials=10, block_s=0.05)]


def search(bundle: Path, **changes: Any) -> Path:
    return rewritten(bundle, lambda result: result.model_copy(update={"capacity": capacity(**changes)}))


def test_capacity_searches_are_compared_by_their_intervals_alone(searches: list[Path], tmp_path: Path) -> None:
    attempts = [one.model_copy(update={"offered_per_s": one.offered_per_s * 1.5}) for one in capacity().attempts]
    pair = [search(searches[0]), search(searches[1], attempts=attempts, low_per_s=440.0, high_per_s=460.0)]
    found = write_comparison(pair, tmp_path / "out", across_classes=True)
    assert [verdict.text.replace("\u00a0", " ") for verdict in found.verdicts] == [
        "transfer, Highest sustainable load, anvil and sqlite: sqlite: at least 132 /s more than anvil "
        "(the two intervals do not touch; sqlite is better here)"
    ]
    assert found.decided is True
    page = found.html_path.read_text().replace("\u00a0", " ")
    for text in ("293–308 /s", "440–460 /s", "its waiting times belong to that load", "What each candidate carries"):
        assert text in page
    assert "What came through, every trial" not in page
    assert "293–308 /s" in found.markdown_path.read_text().replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("changes", "grounds"),
    [
        ({"low_per_s": 300.0, "high_per_s": 310.0}, "the two intervals overlap, or one has no upper end"),
        ({"low_per_s": 308.0, "high_per_s": 320.0}, "the two intervals overlap, or one has no upper end"),
        ({"low_per_s": 400.0, "high_per_s": 410.0, "estimate": True}, "the search on sqlite is an estimate"),
        ({"low_per_s": 400.0, "high_per_s": 410.0, "ended": "budget"}, "the search on sqlite was not completed"),
        ({"low_per_s": None}, "no load was carried by sqlite"),
        ({"low_per_s": 200.0, "high_per_s": None}, "the two intervals overlap, or one has no upper end"),
    ],
)
def test_searches_that_decide_nothing(searches: list[Path], changes: dict[str, Any], grounds: str) -> None:
    sides = [candidate(search(searches[0]), "anvil"), candidate(search(searches[1], **changes), "sqlite")]
    (found,) = capacity_comparison.pair_verdicts("transfer", sides, across_classes=True)
    assert (found.decided, found.finding, found.grounds) == (False, "undecided", grounds)


def test_no_winner_is_named_across_classes(searches: list[Path]) -> None:
    more = search(searches[1], low_per_s=400.0, high_per_s=410.0)
    sides = [candidate(search(searches[0]), "anvil"), candidate(more, "sqlite")]
    (found,) = capacity_comparison.pair_verdicts("transfer", sides, across_classes=False)
    assert found.grounds.endswith("different classes, so no winner is named")
    assert found.decided

import re
import shutil
from pathlib import Path

import pytest

from bench.bundle.reader import read_bundle
from bench.measure.trials import summarise_trials
from bench.model.result import Result
from bench.report import capacity_page
from bench.report.build import write_report
from bench.report.capacity_charts import _curve
from tests.support.bundles import synthetic_bundle
from tests.support.report_parts import CONFIRMED, attempt, capacity, rewrite, with_parts


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = synthetic_bundle(tmp_path_factory.mktemp("capacity") / "search", trials=10, seconds=4, goodput=290)

    def change(result: Result) -> Result:
        trials = [with_parts(trial) for trial in result.trials]
        return result.model_copy(update={"trials": trials, "capacity": capacity()})

    return rewrite(made, change)


@pytest.fixture(scope="module")
def result(bundle: Path) -> Result:
    return read_bundle(bundle).result


@pytest.fixture(scope="module")
def page(bundle: Path) -> str:
    html = write_report(bundle).read_text()
    return plain(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[html.index("<body>") :])))


def searched(result: Result, **changes: object) -> Result:
    return result.model_copy(update={"capacity": capacity(**changes)})


def test_only_the_confirming_trials_are_looked_at_together(result: Result) -> None:
    focused = capacity_page.focus(result)
    assert [trial.trial for trial in focused.trials] == [5, 6, 7, 8, 9]
    assert focused.summary.goodput_per_s.trials == 5
    assert focused.summary.verdict == result.summary.verdict
    assert focused.capacity == result.capacity


def test_a_verdict_on_no_trial_gives_way_to_that_on_the_probes(result: Result) -> None:
    attempts = [one for one in capacity().attempts if one.kind != "confirm"]
    found = searched(result, attempts=attempts, confirmed_trials=0)
    summed = capacity_page.focus(found.model_copy(update={"summary": summarise_trials([])}))
    assert summed.summary.verdict.status == "valid"


def test_a_run_that_searched_nothing_stays_whole(result: Result) -> None:
    without = result.model_copy(update={"capacity": None})
    assert capacity_page.focus(without) is without
    assert capacity_page.capacity_page(without, without) is None


def test_without_a_confirmation_the_passing_probes_are_shown(result: Result) -> None:
    attempts = [one for one in capacity().attempts if one.kind != "confirm"]
    found = searched(result, attempts=attempts, confirmed_trials=0, confirmed_passes=0, pass_probability_low=None)
    focused = capacity_page.focus(found)
    assert [trial.trial for trial in focused.trials] == [4]
    card = capacity_page.cards(focused, ())[0]
    assert card.lines == ("not confirmed, 5 attempts in all",)
    page = capacity_page.capacity_page(found, focused)
    assert page is not None
    assert plain(page.sureness) == "296 /s was not confirmed in trials of full length: a first indication only."
    assert "1 short probe at 296 /s" in plain(page.shown_note)


def test_where_nothing_passed_no_trial_is_shown(result: Result) -> None:
    nothing = searched(
        result, low_per_s=None, high_per_s=20.0, ended="nothing-passed", attempts=[attempt(1, 20.0, passed=False)]
    )
    assert capacity_page.focus(nothing).trials == []
    assert plain(capacity_page.sentence(nothing)) == (
        "This ledger carried none of the loads that were tried (transactions per second of the workload smallbank; "
        "the lowest was 20 /s)."
    )
    assert capacity_page.cards(nothing, ())[0].big == "none found"


@pytest.mark.parametrize(
    ("high", "said"),
    [
        (308.0, "carried between 293 and 308 transactions per second of the workload smallbank: 293 it kept up with"),
        (
            None,
            "carried at least 293 transactions per second of the workload smallbank; no higher load that was tried "
            "failed so clearly that it cannot be chance",
        ),
    ],
)
def test_the_result_in_one_sentence(result: Result, high: float | None, said: str) -> None:
    assert said in plain(capacity_page.sentence(searched(result, high_per_s=high)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "5 of 5 full-length trials at 296 /s passed. That alone shows"),
        ({}, "a chance of at least 54.9 % (95 % confidence). 2 rates were tried at full length, which is allowed for."),
        ({"confirmed_trials": 14, "confirmed_passes": 13}, "13 of 14 full-length trials"),
        ({"estimate": True}, "5 of 5 shortened trials"),
    ],
)
def test_how_sure_it_is(changes: dict[str, object], said: str) -> None:
    assert said in plain(capacity_page.sureness(capacity(**changes)))


@pytest.mark.parametrize(
    ("changes", "titles"),
    [
        ({}, []),
        ({"estimate": True}, ["An estimate."]),
        ({"ended": "budget"}, ["The search is not complete."]),
        ({"ended": "interrupted", "estimate": True}, ["An estimate.", "The search is not complete."]),
    ],
)
def test_what_must_be_known_first(changes: dict[str, object], titles: list[str]) -> None:
    assert [banner.title for banner in capacity_page.banners(capacity(**changes))] == titles


def test_the_demand_is_stated() -> None:
    assert "99 of 100 transactions final within 5 s." in plain(capacity_page.demand(capacity()))
    assert capacity_page.demand(capacity(slo={})).endswith("the measurement is valid.")


@pytest.mark.parametrize("ended", ["converged", "budget", "harness-bound", "interrupted", "nothing-passed", "failed"])
def test_every_end_is_explained(result: Result, ended: str) -> None:
    found = capacity_page.capacity_page(searched(result, ended=ended), result)
    assert found is not None
    assert found.ended.startswith("The search ")
    assert len(found.ended) > 40


def test_the_first_screen_is_for_a_buyer(bundle: Path, page: str) -> None:
    html = (bundle / "report.html").read_text()
    first = plain(re.sub(r"<[^>]+>", " ", html[html.index("<header>") : html.index("</header>")]))
    for text in ("Capacity: smallbank on anvil", "carried between 293 and 308", "293–308 /s", "at least 54.9 %"):
        assert text in first
    assert "were offered for" not in page


def test_every_attempt_is_in_the_table_and_charts(bundle: Path, page: str) -> None:
    html = (bundle / "report.html").read_text()
    table = html[html.index('<table class="attempts">') :]
    table = table[: table.index("</table>")]
    assert len(re.findall(r"<tr(?! class=.why)[^>]*><td", table)) == len(capacity().attempts)
    assert table.count(">passed<") == 8
    assert table.count(">failed<") == 2
    assert table.count(">not counted<") == 1
    assert "80.00% of the load was served" in table
    assert "earlier run" in table
    assert "11 attempts between 148 /s and 320 /s: 8 passed, 2 failed, 1 not counted." in plain(html)
    assert "Of 148 /s offered, 148 /s came through. Of 320 /s offered, 256 /s came through." in plain(html)
    assert "The demand is 5 s for 99 of 100." in plain(html)
    for words in ("R² = 0.971", "not extrapolated", "only from 148 to 320 /s", "not within the measured range"):
        assert words in page


def test_reserve_is_of_the_load_that_was_confirmed(page: str) -> None:
    assert "50 % 148 /s 490 ms 980 ms" in page
    assert "95 % 281 /s 510 ms —" in page


def test_the_twin_in_markdown_says_the_same(bundle: Path, page: str) -> None:
    twin = plain((bundle / "report.md").read_text())
    assert "carried between 293 and 308 transactions per second" in twin
    assert "## How much it can carry" in twin
    rows = re.findall(r"^\| \d+ \| (?:probe|confirmation|for the curve) \| .*\|$", twin, flags=re.MULTILINE)
    assert len(rows) == len(capacity().attempts)
    assert "Everything below is about the 5 trials at 296 /s that confirmed the result. 293 /s is stated" in twin


def test_a_fit_that_was_not_made_is_not_drawn(result: Result) -> None:
    fit = capacity().fit
    assert fit is not None
    missing = fit.model_copy(update={"gamma": None, "note": "3 different loads, at least 4 are needed"})
    found = capacity_page.capacity_page(searched(result, fit=missing), result)
    assert found is not None
    assert found.fit_rows == (("Curve", "not fitted: 3 different loads, at least 4 are needed"),)
    goodput = found.charts[1]
    assert "Fitted curve" not in {key.label for key in goodput.keys}
    assert "No curve is fitted: 3 different loads" in goodput.reading


def test_the_fit_is_drawn_only_where_it_was_measured() -> None:
    fit = capacity().fit
    assert fit is not None
    drawn = _curve(fit)
    assert drawn is not None
    loads, goodput = drawn
    assert (loads[0], loads[-1]) == (148.0, 320.0)
    assert goodput[0] == pytest.approx(1.02 * 148 / (1 + 1e-4 * 148 + 1e-6 * 148**2))


def test_one_attempt_alone_makes_one_chart(result: Result) -> None:
    alone = searched(result, attempts=[attempt(1, CONFIRMED)], fit=None)
    found = capacity_page.capacity_page(alone, alone)
    assert found is not None
    assert [chart.title for chart in found.charts] == ["Every attempt of the search"]


def test_a_search_that_tried_nothing_still_gets_a_page(bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    empty = capacity(attempts=[], low_per_s=None, high_per_s=None, ended="interrupted", latency_at={}, fit=None)
    rewrite(copy, lambda result: result.model_copy(update={"capacity": empty, "trials": []}))
    html = write_report(copy).read_text()
    assert "none found" in html
    assert "The search was stopped before its end" in html

import pytest

from bench.bundle.reader import read_bundle
from bench.model.result import Result, Verdict
from bench.report.first_screen import banners
from tests.support.bundles import synthetic_bundle


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return read_bundle(synthetic_bundle(tmp_path_factory.mktemp("first") / "run", trials=1, seconds=4)).result


def judged(recorded: Result, status: str, *reasons: str) -> Result:
    verdict = Verdict.model_validate({"status": status, "reasons": list(reasons)})
    return recorded.model_copy(update={"summary": recorded.summary.model_copy(update={"verdict": verdict})})


def test_a_good_run_has_one_green_notice(recorded: Result) -> None:
    assert [(found.tone, found.title) for found in banners(judged(recorded, "valid"))] == [("good", "Valid.")]


def test_the_harness_at_its_limit_is_not_blamed_on_the_ledger(recorded: Result) -> None:
    ours = "trial 2: harness-bound: worker-0 used 91 % of a core on average, below 85 % is needed; add workers"
    found = banners(judged(recorded, "invalid", ours))
    assert len(found) == 1
    assert "Our own load generator was the limit (harness-bound)" in found[0].text
    assert "use more workers" in found[0].text
    assert found[0].reasons == ("trial 2: worker-0 used 91 % of a core on average, below 85 % is needed; add workers",)


def test_other_reasons_are_told_apart_from_it(recorded: Result) -> None:
    found = banners(judged(recorded, "invalid", "harness-bound: too late", "trial 1: the ledger failed: gone"))
    assert [(banner.tone, banner.reasons) for banner in found] == [
        ("bad", ("too late",)),
        ("bad", ("trial 1: the ledger failed: gone",)),
    ]


def test_a_reason_that_only_speaks_of_it_is_none(recorded: Result) -> None:
    found = banners(judged(recorded, "invalid", "the node said harness-bound: no"))
    assert [banner.text[:29] for banner in found] == ["The measurement broke a rule;"]


def test_undecided_and_without_a_reason(recorded: Result) -> None:
    assert banners(judged(recorded, "undecided", "worker CPU was not sampled"))[0].tone == "warn"
    assert banners(judged(recorded, "invalid"))[0].reasons == ("No reason was recorded.",)

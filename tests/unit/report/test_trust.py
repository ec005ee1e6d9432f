import pytest

from bench.bundle.reader import read_bundle
from bench.model.result import Drift, Headroom, InvariantPart, Result, Trial, Verdict, WarmUp
from bench.report.assemble import limits
from bench.report.trust import TrustLine, title, trust_lines
from bench.scenario.schema import Limits
from tests.support.bundles import synthetic_bundle
from tests.support.report_parts import headroom, percentiles, with_parts

HEADROOM, PUNCTUAL, BUSY, WARM_UP, BALANCE, COMPLETE, BOOK, REPEATS, SEAL = range(9)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return read_bundle(synthetic_bundle(tmp_path_factory.mktemp("trust") / "run", trials=1, seconds=5)).result


def run(recorded: Result, *trials: Trial, count: int = 5) -> Result:
    shown = trials or tuple(with_parts(recorded.trials[0], trial=number) for number in range(1, count + 1))
    return recorded.model_copy(update={"trials": list(shown)})


def line(result: Result, which: int) -> TrustLine:
    return trust_lines(result, Limits(), "the run")[which]


def said(result: Result, which: int) -> tuple[str, str]:
    found = line(result, which)
    return found.tone, found.text.replace("\u00a0", " ")


def test_a_good_run_has_nothing_but_good_lines(recorded: Result) -> None:
    lines = trust_lines(run(recorded), Limits(), "the run")
    assert [found.tone for found in lines] == ["good"] * 8 + ["info"]
    assert {found.state for found in lines} == {"in order", "for you to check"}
    assert lines[SEAL].command == "python bench.py verify 'the run'"


def test_without_a_trial_nothing_is_claimed(recorded: Result) -> None:
    assert trust_lines(recorded.model_copy(update={"trials": []}), Limits(), "run") == ()


def test_the_title_promises_only_what_the_verdict_holds(recorded: Result) -> None:
    assert title(recorded) == "Why these figures can be trusted"
    verdict = recorded.summary.verdict.model_copy(update={"status": "invalid"})
    summary = recorded.summary.model_copy(update={"verdict": verdict})
    assert title(recorded.model_copy(update={"summary": summary})) == "What was checked"


@pytest.mark.parametrize(
    ("found", "tone", "words", "fill"),
    [
        (headroom(0.1), "good", "300 /s were offered; without a ledger, this machine's generator sends 3,000 /s", 10.0),
        (
            headroom(0.1, at_least=True),
            "good",
            "sends at least 3,000 /s (calibration, plain transfers). That is at most 10 %",
            10.0,
        ),
        (headroom(0.5), "good", "up to 50 % is allowed", 50.0),
        (headroom(0.6), "bad", "60 % of its ceiling", 60.0),
        (headroom(1.5), "bad", "150 % of its ceiling", 100.0),
        (None, "warn", "Not held against a calibration", None),
    ],
)
def test_headroom(recorded: Result, found: Headroom | None, tone: str, words: str, fill: float | None) -> None:
    trials = [with_parts(recorded.trials[0]), with_parts(recorded.trials[0], headroom=found)]
    shown = line(run(recorded, trials[1] if found and found.share < 0.2 else trials[0], trials[1]), HEADROOM)
    assert shown.tone == tone
    assert words in shown.text.replace("\u00a0", " ")
    assert shown.fill == fill
    assert shown.command == ("" if found else "python bench.py calibrate")


@pytest.mark.parametrize(
    ("lag", "tone", "words"),
    [
        (percentiles(p99=0.7), "good", "99 of 100 were sent within 700 µs of their due time"),
        (percentiles(p99=5.0), "good", "within 5 ms"),
        (
            percentiles(p99=None, count=80),
            "good",
            "The bound was kept (up to 5 ms is allowed for 99 of 100)",
        ),
        (percentiles(p99=None, count=0), "warn", "Nothing was sent"),
    ],
)
def test_punctuality(recorded: Result, lag: object, tone: str, words: str) -> None:
    latency = recorded.trials[0].latency_ms.model_copy(update={"submit_lag": lag})
    found = said(run(recorded, with_parts(recorded.trials[0], latency_ms=latency)), PUNCTUAL)
    assert found[0] == tone
    assert words in found[1]


def test_lateness_that_broke_the_bound_is_said_as_it_was_found(recorded: Result) -> None:
    reason = "harness-bound: submit lag p99 is 9.47 ms (nearest rank of 960 sends), at most 5 ms is allowed; add some"
    late = Verdict(status="invalid", reasons=[reason])
    trials = (with_parts(recorded.trials[0]), with_parts(recorded.trials[0], trial=2, verdict=late))
    tone, text = said(run(recorded, *trials), PUNCTUAL)
    assert tone == "bad"
    assert text.startswith("In 1 of 2 trials: submit lag p99 is 9.47 ms")


@pytest.mark.parametrize(("bound", "tone"), [(85.0, "good"), (20.0, "bad")])
def test_processor_use_against_the_bound_of_the_scenario(recorded: Result, bound: float, tone: str) -> None:
    shown = trust_lines(run(recorded), Limits(worker_cpu_percent=bound), "run")[BUSY]
    assert shown.tone == tone
    assert "worker-0" in shown.text
    assert f"below {bound:g} %" in shown.text


def test_processor_use_that_was_not_recorded(recorded: Result) -> None:
    assert said(run(recorded, with_parts(recorded.trials[0], resources=[])), BUSY)[0] == "warn"


@pytest.mark.parametrize(
    ("warm_up", "tone", "words"),
    [
        (WarmUp(declared_s=2, cut_s=2, applied_s=2, note="long enough (x)"), "good", "2 s were declared and left out."),
        (
            WarmUp(
                declared_s=2, cut_s=3, applied_s=3, note="lengthened from 2.0 s to 3.0 s: goodput settled only then"
            ),
            "good",
            "2 s were declared and 2 to 3 s left out. In trial 2: lengthened from 2.0 s to 3.0 s",
        ),
        (WarmUp(declared_s=2, cut_s=None, applied_s=2, note="not steady: it had not settled"), "warn", "not steady"),
        (
            WarmUp(declared_s=2, cut_s=None, applied_s=2, note="not checked: too short"),
            "warn",
            "not checked: too short",
        ),
        (
            WarmUp(declared_s=2, cut_s=None, applied_s=2, note="not checked: the offered load changes by design, so"),
            "none",
            "by design",
        ),
        (None, "warn", "whether it was long enough was not tested"),
    ],
)
def test_warm_up(recorded: Result, warm_up: WarmUp | None, tone: str, words: str) -> None:
    trials = (with_parts(recorded.trials[0]), with_parts(recorded.trials[0], trial=2, warm_up=warm_up))
    found = said(run(recorded, *trials), WARM_UP)
    assert found[0] == tone
    assert words in found[1]


@pytest.mark.parametrize(
    ("slope", "upper", "note", "tone", "words"),
    [
        (0.1, 3.0, "steady", "good", "grew by at most 3 each second, 1 % of what was offered"),
        (-2.0, -1.0, "steady", "good", "grew by at most 0 each second"),
        (0.5, 3.1, "undecided", "warn", "may have grown by up to 3.10 each second"),
        (40.0, 42.0, "backlog grows: x", "warn", "Work piled up: 40 more transactions under way each second"),
        (None, None, "not tested: 4 points", "warn", "Not tested: 4 points."),
        (5.0, 9.0, "not judged: the offered load changes by design", "none", "Not judged"),
    ],
)
def test_balance(recorded: Result, slope: float | None, upper: float | None, note: str, tone: str, words: str) -> None:
    drift = Drift(in_flight_per_s=slope, in_flight_upper_per_s=upper, goodput_per_s2=None, note=note)
    found = said(run(recorded, with_parts(recorded.trials[0], drift=drift)), BALANCE)
    assert found[0] == tone
    assert words in found[1]


def test_counts_that_do_not_add_up(recorded: Result) -> None:
    trial = with_parts(recorded.trials[0])
    wrong = trial.counts.model_copy(update={"committed": trial.counts.committed - 1})
    found = said(run(recorded, trial, with_parts(trial, trial=2, counts=wrong)), COMPLETE)
    assert found == ("bad", "The counts do not add up in trial 2.")


@pytest.mark.parametrize(
    ("statuses", "tone", "words"),
    [
        (("held",), "good", "the one statement that was checked"),
        (("held", "held"), "good", "all 2 statements"),
        (("held", "not checked"), "warn", "1 of 2 held"),
        (("held", "broken"), "bad", "contradicts the record: rule 1"),
        ((), "warn", "nothing that could be checked"),
    ],
)
def test_the_book(recorded: Result, statuses: tuple[str, ...], tone: str, words: str) -> None:
    invariants = [
        InvariantPart.model_validate({"name": f"rule_{n}", "status": status, "detail": ""})
        for n, status in enumerate(statuses)
    ]
    audit = recorded.audit.model_copy(update={"invariants": invariants})
    found = said(run(recorded).model_copy(update={"audit": audit}), BOOK)
    assert found[0] == tone
    assert words in found[1]


@pytest.mark.parametrize(
    ("count", "fresh", "tone", "words"),
    [
        (5, True, "good", "5 trials, each on a fresh ledger"),
        (4, True, "warn", "From 5 on, intervals"),
        (5, False, "warn", "the ledger held earlier data"),
    ],
)
def test_repetitions(recorded: Result, count: int, fresh: bool, tone: str, words: str) -> None:
    trials = [with_parts(recorded.trials[0], trial=n, fresh_ledger=fresh) for n in range(1, count + 1)]
    found = said(run(recorded, *trials), REPEATS)
    assert found[0] == tone
    assert words in found[1]


def test_limits_are_those_of_the_scenario() -> None:
    assert limits("limits: {submit_lag_p99: 20ms}\n").submit_lag_p99_ns == 20_000_000
    assert limits("name: x\n") == Limits()

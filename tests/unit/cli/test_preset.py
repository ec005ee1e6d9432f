"""`--preset` of `run` and `report`: what is run, in which order, and how the command ends. Nothing is really run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from bench.bundle.manifest import seal
from bench.cli import run as run_module
from bench.cli.main import app
from bench.cli.preset import Preset, run_preset
from bench.model.errors import ConfigurationError, ExitCode
from bench.run.coordinator import RunOutcome
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.presets import NAMES
from bench.scenario.schema import Scenario
from tests.support.bundles import synthetic_bundle

runner = CliRunner()
RUN = ("run", "--ledger", "sqlite", "--workload", "transfer", "--rate", "100", "--duration", "4s")


class FakeRuns:
    """Makes a bundle for each ledger of each scenario it gets, at the scenario's rate."""

    def __init__(self, parent: Path, codes: dict[str, ExitCode] | None = None, lost: float = 0.0) -> None:
        self.parent, self.codes, self.lost = parent, codes or {}, lost
        self.ran: list[str] = []

    def __call__(self, scenario: Scenario, *_: object) -> RunOutcome:
        self.ran.append(scenario.name)
        code = next((code for end, code in self.codes.items() if scenario.name.endswith(end)), ExitCode.DONE)
        rate = scenario.arrival.rate  # type: ignore[union-attr]
        bundles = [
            self._bundle(scenario, f"{scenario.name}-{number}", choice.name, rate)
            for number, choice in enumerate(scenario.ledgers)
        ]
        return RunOutcome(bundles, code, [] if code is ExitCode.DONE else [f"{scenario.name} went wrong"])

    def _bundle(self, scenario: Scenario, folder: str, ledger: str, rate: float) -> Path:
        bundle = synthetic_bundle(
            self.parent / folder, ledger=ledger, workload="transfer", trials=1, goodput=rate, seconds=6, block_s=0.2
        )
        (bundle / "scenario.yaml").write_text(yaml.safe_dump({"name": scenario.name}))
        result = json.loads((bundle / "result.json").read_text())
        counts = result["trials"][0]["counts"]
        counts["finalized"] -= round(self.lost * counts["submitted"])
        (bundle / "result.json").write_text(json.dumps(result))
        seal(bundle)
        return bundle


def scenario(*ledgers: object) -> Scenario:
    return scenario_from_mapping(
        {
            "name": "city",
            "ledgers": list(ledgers),
            "workload": "transfer",
            "arrival": {"process": "constant", "rate": 100},
            "phases": {"duration": "6s"},
        }
    )


def test_the_names_are_those_of_the_sources() -> None:
    assert tuple(preset.value for preset in Preset) == NAMES


def test_without_a_preset_the_scenario_runs_and_no_page_is_written(tmp_path: Path) -> None:
    runs = FakeRuns(tmp_path)
    made = run_preset(None, scenario("anvil"), runs)
    assert (runs.ran, made.pages, len(made.runs.bundles)) == (["city"], (), 1)


def test_a_source_with_one_test_gives_a_page_of_each_ledger(tmp_path: Path) -> None:
    made = run_preset(Preset.PSWG, scenario("anvil", "sqlite"), FakeRuns(tmp_path))
    assert [page.html_path.name for page in made.pages] == ["city-0-pswg.html", "city-1-pswg.html"]
    assert made.runs.exit_code is ExitCode.DONE


def test_caict_runs_three_and_puts_those_of_one_ledger_on_one_page(tmp_path: Path) -> None:
    twice = ("anvil", {"name": "anvil", "options": {"block_time_s": 2}}, "sqlite")
    runs = FakeRuns(tmp_path)
    made = run_preset(Preset.CAICT, scenario(*twice), runs)
    assert runs.ran == ["city-pressure", "city-spike", "city-stability"]
    found = [[test.run.name for test in page.page.tests if test.run] for page in made.pages]
    assert found == [[f"city-{role}-{at}" for role in ("pressure", "spike", "stability")] for at in range(3)]
    assert made.runs.exit_code is ExitCode.UNDECIDED  # the spike was carried, so it was none
    assert [len(page.undecided) for page in made.pages] == [1, 1, 1]


def test_a_missed_threshold_ends_with_4_and_undecided_ones_do_not_hide_it(tmp_path: Path) -> None:
    made = run_preset(Preset.CAICT, scenario("anvil"), FakeRuns(tmp_path, lost=0.1))
    assert made.runs.exit_code is ExitCode.GATE_FAILED
    (page,) = made.pages
    assert [sentence.split(",")[0] for sentence in page.missed] == ["Pressure: Success rate", "Stability: Success rate"]


@pytest.mark.parametrize(
    ("codes", "expected", "ran"),
    [
        ({"pressure": ExitCode.INVALID}, ExitCode.INVALID, 3),
        ({"pressure": ExitCode.INTERRUPTED}, ExitCode.INTERRUPTED, 1),
        ({"spike": ExitCode.LEDGER_FAILED}, ExitCode.LEDGER_FAILED, 2),
        ({"spike": ExitCode.INTERNAL}, ExitCode.INTERNAL, 2),
        ({"stability": ExitCode.GATE_FAILED}, ExitCode.GATE_FAILED, 3),
    ],
)
def test_the_worst_run_decides_and_what_cannot_go_on_stops(
    tmp_path: Path, codes: dict[str, ExitCode], expected: ExitCode, ran: int
) -> None:
    runs = FakeRuns(tmp_path, codes)
    made = run_preset(Preset.CAICT, scenario("anvil"), runs)
    assert (made.runs.exit_code, len(runs.ran)) == (expected, ran)
    assert len(made.runs.problems) == 1
    assert [test.run is not None for test in made.pages[0].page.tests] == [number < ran for number in range(3)]


def test_a_load_that_cannot_be_scaled_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "execute", lambda *_: pytest.fail("something was run"))
    done = runner.invoke(app, [*RUN, "--rate", "600000", "--preset", "caict"])
    assert isinstance(done.exception, ConfigurationError)
    assert "spike test of preset caict" in str(done.exception)


def test_a_preset_and_a_baseline_are_refused_together(tmp_path: Path) -> None:
    done = runner.invoke(app, [*RUN, "--preset", "pswg", "--baseline", str(tmp_path)])
    assert "--preset and --baseline" in str(done.exception)


def test_run_prints_the_page_and_the_missed_threshold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run_module, "execute", FakeRuns(tmp_path, lost=0.5))
    done = runner.invoke(app, [*RUN, "--preset", "caict"])
    assert done.exit_code == 4
    assert "missed: Pressure: Success rate, asked ≥\u00a095\u00a0%: " in done.stderr
    assert "in the manner of CAICT's" in done.stdout
    assert str(tmp_path / "transfer-sqlite-pressure-0-caict.html") in done.stdout


def test_run_prints_it_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run_module, "execute", FakeRuns(tmp_path))
    done = runner.invoke(app, [*RUN, "--preset", "itu", "--json"])
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["exit_code"], len(answer["runs"])) == (0, 0, 1)
    (page,) = answer["preset"]
    assert Path(page["html"]).is_file()
    assert page["page"]["source"]["read"] == "table of contents only"


class TestReport:
    def test_a_page_of_a_source(self, tmp_path: Path) -> None:
        bundle = synthetic_bundle(tmp_path / "run", trials=1, seconds=4)
        done = runner.invoke(app, ["report", str(bundle), "--preset", "jrt0193", "--out", str(tmp_path / "a.html")])
        assert done.exit_code == 0
        assert done.stdout == (
            f"reports the metrics of JR/T 0193-2020, section 7 (table of contents only)\n  {tmp_path / 'a.html'}\n"
        )
        assert not (bundle / "report.html").exists()

    def test_as_json(self, tmp_path: Path) -> None:
        bundle = synthetic_bundle(tmp_path / "run", trials=1, seconds=4)
        done = runner.invoke(app, ["report", str(bundle), "--preset", "caict", "--json"])
        answer = json.loads(done.stdout)
        assert done.exit_code == 8
        assert answer["html"] == str(tmp_path / "run-caict.html")
        statuses = [
            metric["threshold"]["status"]
            for test in answer["page"]["tests"]
            for metric in test["metrics"]
            if metric["threshold"]
        ]
        assert statuses == ["met", "met", "undecided", "undecided", "undecided", "undecided"]

    @pytest.mark.parametrize(
        ("arguments", "refusal"),
        [(["a", "b"], "several bundles"), (["a", "--out", "x"], "--out is given without --preset")],
    )
    def test_a_run_report_is_of_one_bundle_and_lies_in_it(self, arguments: list[str], refusal: str) -> None:
        done = runner.invoke(app, ["report", *arguments])
        assert refusal in str(done.exception)

    def test_an_unknown_preset_is_wrong_usage(self) -> None:
        done = runner.invoke(app, ["report", "a", "--preset", "iso"])
        assert done.exit_code == 2
        assert "pswg" in done.stderr

"""What is run again, what is refused, and what the answer is. Nothing is run here but the arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.bundle.reader import read_bundle
from bench.cli import environment as environment_module
from bench.cli import reproduce as module
from bench.cli.main import app
from bench.cli.reproduce import answer_of, other_ground, scenario_of
from bench.model.errors import ConfigurationError, ExitCode, NotComparableError
from bench.run.coordinator import RunOutcome
from bench.scenario.loader import resolved_yaml, scenario_from_mapping
from bench.scenario.schema import Scenario
from tests.support.bundles import synthetic_environment
from tests.support.scenario_bundle import MAPPING, scenario_bundle

runner = CliRunner()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenario_bundle(tmp_path_factory.mktemp("reproduce") / "run", {}, {})


def test_the_scenario_is_run_as_it_is_or_with_other_repeats(bundle: Path) -> None:
    whole = scenario_from_mapping(MAPPING)
    assert resolved_yaml(scenario_of(read_bundle(bundle), None)) == resolved_yaml(whole)
    fewer = scenario_of(read_bundle(bundle), 2)
    assert (fewer.trials, fewer.stopping, fewer.seed) == (2, None, whole.seed)
    with pytest.raises(ConfigurationError, match="--trials is too small"):
        scenario_of(read_bundle(bundle), 0)


def test_of_several_ledgers_only_the_bundles_own_is_run(tmp_path: Path) -> None:
    several = scenario_bundle(tmp_path / "a", {}, {}, ledgers=["anvil", "sqlite"])
    assert [choice.name for choice in scenario_of(read_bundle(several), None).ledgers] == ["sqlite"]
    twice = [{"name": "sqlite", "options": {"block_interval_ms": size}} for size in (1, 2)]
    with pytest.raises(ConfigurationError, match="more than once"):
        scenario_of(read_bundle(scenario_bundle(tmp_path / "b", {}, {}, ledgers=twice)), None)


CAPACITY = {
    "low_per_s": 10.0,
    "high_per_s": 20.0,
    "confirmed_trials": 5,
    "goodput_per_s": {"median": 10.0, "trials": 5},
    "slo": {},
    "estimate": False,
    "ended": "converged",
    "attempts": [],
}


def test_a_capacity_search_is_refused_with_what_to_do(tmp_path: Path) -> None:
    searched = scenario_bundle(tmp_path / "a", {}, {"capacity": CAPACITY})
    with pytest.raises(ConfigurationError, match=r"bench\.py capacity"):
        scenario_of(read_bundle(searched), None)


@pytest.mark.parametrize(
    ("environment", "result", "words"),
    [
        ({}, {}, []),
        ({"memory_bytes": 32_000_000_000}, {}, ["memory 32\u00a0GB and 16\u00a0GB"]),
        ({"programs": {"anvil": "1.0"}}, {}, ["version of anvil 1.0 and 1.7.1"]),
        ({}, {"bench_version": "0.0.9"}, ["version of this program 0.0.9 and 0.1.0"]),
        ({}, {"scenario_sha256": "0" * 64}, ["reading of scenario.yaml: its digest is not the one in result.json"]),
    ],
)
def test_what_makes_it_other_ground(
    tmp_path: Path, environment: dict[str, Any], result: dict[str, Any], words: list[str]
) -> None:
    found = other_ground(read_bundle(scenario_bundle(tmp_path / "a", environment, result)), synthetic_environment())
    assert found == words


def test_other_ground_is_refused_unless_it_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotComparableError, match="--anyway"):
        module.refuse_other_ground(["kernel"], anyway=False)
    module.refuse_other_ground(["kernel"], anyway=True)
    assert "warning: not the same ground" in capsys.readouterr().err
    module.refuse_other_ground([], anyway=False)


def test_an_address_that_lost_its_key_is_given_again(tmp_path: Path) -> None:
    node = {"adapter": "evm", "url": "https://host/v3/***", "ledger": {"name": "besu", "durability": "fsync per block"}}
    masked = read_bundle(scenario_bundle(tmp_path / "a", {}, {}, ledgers=[], endpoint=node))
    whole = "https://host/v3/9aa3d95b3bc440fa88ea12eaa4456161"
    again = scenario_of(masked, None, whole)
    assert again.endpoint is not None
    assert again.endpoint.url == whole
    assert resolved_yaml(again) == masked.scenario
    assert other_ground(masked, synthetic_environment(), whole) == []
    elsewhere = other_ground(masked, synthetic_environment(), "https://other/v3/9aa3d95b3bc440fa88ea12eaa4456161")
    assert elsewhere == ["address of the node https://host/v3/*** and https://other/v3/***"]


def test_the_command_asks_at_the_address_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = {"adapter": "evm", "url": "https://host/v3/***"}
    masked = scenario_bundle(tmp_path / "a", {}, {}, ledgers=[], endpoint=node)
    asked: list[str] = []

    def execute(scenario: Scenario, out: Path, key_file: Path | None) -> RunOutcome:
        assert scenario.endpoint is not None
        asked.append(scenario.endpoint.url)
        return RunOutcome([masked], ExitCode.DONE)

    monkeypatch.setattr(module, "environment_here", lambda scenario, out: synthetic_environment())
    monkeypatch.setattr(module, "execute", execute)
    whole = "https://host/v3/9aa3d95b3bc440fa88ea12eaa4456161"
    done = runner.invoke(app, ["reproduce", str(masked), "--endpoint", whole, "--tolerance", "60%"])
    assert (done.exit_code, asked) == (0, [whole]), done.output
    elsewhere = runner.invoke(app, ["reproduce", str(masked), "--endpoint", "https://host/other"])
    assert isinstance(elsewhere.exception, NotComparableError)
    assert len(asked) == 1


def test_an_endpoint_is_not_given_to_a_ledger_of_ours(bundle: Path) -> None:
    with pytest.raises(ConfigurationError, match="leave --endpoint out"):
        scenario_of(read_bundle(bundle), None, "https://host")


def copied(bundle: Path, target: Path, factor: float = 1.0, trials: int = 5) -> Path:
    """The bundle again, with goodput multiplied; only read, never verified."""
    target.mkdir()
    for file in bundle.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    result = json.loads((target / "result.json").read_text())
    result["trials"] = result["trials"][:trials]
    for trial in result["trials"]:
        trial["rates"]["goodput_per_s"] *= factor
    (target / "result.json").write_text(json.dumps(result))
    return target


@pytest.mark.parametrize(
    ("factor", "trials", "tolerance", "agrees", "code"),
    [
        (1.0, 5, 0.2, True, ExitCode.DONE),
        (1.0, 5, 0.0, None, ExitCode.UNDECIDED),
        (0.5, 5, 0.2, False, ExitCode.GATE_FAILED),
        (0.5, 5, 0.7, True, ExitCode.DONE),
        (1.0, 4, 0.0, None, ExitCode.UNDECIDED),
    ],
)
def test_the_answer(
    bundle: Path, tmp_path: Path, factor: float, trials: int, tolerance: float, agrees: bool | None, code: ExitCode
) -> None:
    again = read_bundle(copied(bundle, tmp_path / "again", factor, trials))
    found = answer_of(read_bundle(bundle), again, tolerance)
    assert (found.agrees, found.code) == (agrees, code)
    assert all(one.equal for one in found.exact)


def test_another_plan_differs_whatever_the_figures(bundle: Path, tmp_path: Path) -> None:
    again = copied(bundle, tmp_path / "again")
    result = json.loads((again / "result.json").read_text())
    result["trials"][1]["seed"] += 1
    (again / "result.json").write_text(json.dumps(result))
    found = answer_of(read_bundle(bundle), read_bundle(again), 1.0)
    assert found.agrees is False
    assert [one.name for one in found.exact if not one.equal] == ["trial 2: seed"]


def test_the_command_tells_both_and_ends_with_the_answer(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = copied(bundle, tmp_path / "again", 0.5)
    here = {**synthetic_environment(), "kernel": "6.2.0"}
    monkeypatch.setattr(module, "environment_here", lambda scenario, out: here)
    monkeypatch.setattr(module, "execute", lambda scenario, out, key_file: RunOutcome([again], ExitCode.DONE))
    done = runner.invoke(app, ["reproduce", str(bundle), "--out", str(tmp_path)])
    assert done.exit_code == ExitCode.GATE_FAILED
    assert "! kernel: 6.1.0 (the bundle), 6.2.0 (here)" in done.stderr
    assert "equal as they must be: load, seeds, counts and plan (16 checks)" in done.stdout
    assert "the new run differs from run" in done.stdout
    told = runner.invoke(app, ["reproduce", str(bundle), "--out", str(tmp_path), "--json", "--tolerance", "60%"])
    assert told.exit_code == 0
    data = json.loads(told.stdout)
    assert data["agrees"] is True
    assert data["environment"] == [{"key": "kernel", "left": "6.1.0", "right": "6.2.0", "matters": True}]
    assert {figure["answer"] for figure in data["figures"]} == {"agrees"}


def test_environment_of_one_two_and_none(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = scenario_bundle(tmp_path / "other", {"kernel": "6.2.0"}, {})
    assert "cpu.model" in runner.invoke(app, ["environment", str(bundle)]).stdout
    assert json.loads(runner.invoke(app, ["environment", str(bundle), "--json"]).stdout) == synthetic_environment()
    two = runner.invoke(app, ["environment", str(bundle), str(other)])
    assert two.stdout.splitlines()[0] == "! kernel: 6.1.0 (run), 6.2.0 (other)"
    assert json.loads(runner.invoke(app, ["environment", str(bundle), str(other), "--json"]).stdout)[0]["matters"]
    assert "no difference" in runner.invoke(app, ["environment", str(bundle), str(bundle)]).stdout
    monkeypatch.setattr(environment_module, "WATCH_S", 0.0)
    here = json.loads(runner.invoke(app, ["environment", "--json"]).stdout)
    assert here.keys() == synthetic_environment().keys()

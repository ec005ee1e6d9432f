"""What a gate refuses before anything runs, and which code follows from what it finds afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.cli import gate as gate_module
from bench.cli.gate import FailOn, Gate, gate_for, share
from bench.model.errors import ConfigurationError, ExitCode, IntegrityError, NotComparableError
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.schema import Scenario
from tests.support.bundles import synthetic_environment
from tests.support.scenario_bundle import MAPPING, scenario_bundle


@pytest.fixture(autouse=True)
def same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "environment_here", lambda scenario, out: synthetic_environment())


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenario_bundle(tmp_path_factory.mktemp("gate") / "accepted", {}, {})


def scenario(**changes: Any) -> Scenario:
    return scenario_from_mapping({**MAPPING, **changes})


def made(bundle: Path, fail_on: FailOn = FailOn.REGRESSION, tolerance: str = "0%", **changes: Any) -> Gate:
    found = gate_for(scenario(**changes), [bundle], fail_on, tolerance, bundle.parent)
    assert found is not None
    return found


def test_without_a_baseline_there_is_no_gate(tmp_path: Path) -> None:
    assert gate_for(scenario(), [], FailOn.REGRESSION, "0%", tmp_path) is None


def test_name_and_repeats_may_differ_and_load_may_not(accepted: Path) -> None:
    assert made(accepted, name="other", trials=9, stopping={"width": "5%"}).baselines.keys() == {"sqlite"}
    for changes in ({"arrival": {"process": "constant", "rate": 251}}, {"seed": 2}, {"load": {"batch": 2}}):
        with pytest.raises(NotComparableError, match="another load"):
            made(accepted, **changes)


def test_another_ledger_or_two_of_one_are_refused(accepted: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"not those of the ledgers.*'anvil, sqlite'"):
        made(accepted, ledgers=["anvil"])
    with pytest.raises(ConfigurationError, match="'anvil'"):
        made(accepted, ledgers=["anvil", "sqlite"])
    with pytest.raises(ConfigurationError, match="two baselines"):
        gate_for(scenario(), [accepted, accepted], FailOn.REGRESSION, "0%", accepted.parent)


def test_other_hardware_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match=r"memory 32\sGB and 16\sGB"):
        made(scenario_bundle(tmp_path / "b", {"memory_bytes": 32_000_000_000}, {}))


def test_a_container_with_less_processor_is_other_hardware(tmp_path: Path) -> None:
    bounds = {"cpu_quota_cores": 1.5, "memory_limit_bytes": None, "open_files": 1024}
    with pytest.raises(NotComparableError, match=r"processor quota 1\.5 cores and unknown"):
        made(scenario_bundle(tmp_path / "b", {"bounds": bounds}, {}))


def test_a_baseline_that_was_changed_is_refused(tmp_path: Path) -> None:
    bundle = scenario_bundle(tmp_path / "b", {}, {})
    (bundle / "events.jsonl").write_text("")
    with pytest.raises(IntegrityError, match=r"not whole: events\.jsonl"):
        made(bundle)


@pytest.mark.parametrize(("text", "expected"), [("5%", 0.05), ("0.1", 0.1), ("0%", 0.0)])
def test_a_tolerance(text: str, expected: float) -> None:
    assert share(text) == expected


def test_no_tolerance() -> None:
    with pytest.raises(ConfigurationError, match="--tolerance is not a share"):
        share("a little")


def slower(bundle: Path, target: Path, factor: float) -> Path:
    """The same run with goodput divided by `factor`; it is read, not verified."""
    target.mkdir()
    for file in bundle.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    result = json.loads((target / "result.json").read_text())
    for trial in result["trials"]:
        trial["rates"]["goodput_per_s"] /= factor
    (target / "result.json").write_text(json.dumps(result))
    return target


@pytest.mark.parametrize(
    ("factor", "fail_on", "tolerance", "expected"),
    [
        (1.2, FailOn.REGRESSION, "0%", [ExitCode.GATE_FAILED]),
        (1.2, FailOn.UNDECIDED, "5%", [ExitCode.GATE_FAILED]),
        (1.2, FailOn.NEVER, "0%", []),
        (1.0, FailOn.REGRESSION, "0%", []),
        (1.0, FailOn.UNDECIDED, "0%", [ExitCode.UNDECIDED]),
        (1.0, FailOn.UNDECIDED, "50%", []),
    ],
)
def test_which_code_follows(
    accepted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    factor: float,
    fail_on: FailOn,
    tolerance: str,
    expected: list[ExitCode],
) -> None:
    gate = made(accepted, fail_on, tolerance)
    assert gate.judge([slower(accepted, tmp_path / "new", factor)]) == expected
    gate.show()
    shown = capsys.readouterr()
    assert "sqlite against accepted:" in shown.out
    assert ("regression" in shown.out) is (factor > 1)
    assert ("lets them pass" in shown.err) is (factor == 1.0 and fail_on is FailOn.REGRESSION)
    data: Any = json.loads(json.dumps(gate.as_data()))
    assert data["ledgers"]["sqlite"][0]["metric"] == "Goodput"

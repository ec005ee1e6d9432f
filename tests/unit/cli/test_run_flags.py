"""What file and flags together mean; nothing is run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from typer.testing import CliRunner

from bench.cli import run as run_module
from bench.cli.main import app
from bench.cli.run import Flags, chosen_scenario, show
from bench.model.errors import ConfigurationError, ExitCode
from bench.model.result import Interval, Result
from bench.run.coordinator import RunOutcome

FILE = """
name: city
ledgers:
  - name: anvil
    options: {block_time_s: 2}
  - sqlite
workload: transfer
arrival: {process: constant, rate: 100}
phases: {duration: 10s}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "city.yaml"
    path.write_text(FILE)
    return path


def test_flags_alone_make_a_scenario() -> None:
    flags = Flags(
        ledgers=("anvil", "sqlite"),
        workload="smallbank",
        rate=300,
        duration="20s",
        trials=2,
        seed=7,
        workers=2,
        batch=50,
    )
    made = chosen_scenario(None, flags, ["phases.warm_up=0s"])
    assert made.name == "smallbank-anvil-sqlite"
    assert [choice.name for choice in made.ledgers] == ["anvil", "sqlite"]
    assert made.workload.name == "smallbank"
    assert (made.arrival.process, made.arrival.rate) == ("constant", 300)  # type: ignore[union-attr]
    assert (made.phases.duration_ns, made.phases.warm_up_ns) == (20 * 10**9, 0)
    assert (made.trials, made.seed, made.load.workers, made.load.batch) == (2, 7, 2, 50)


def test_an_endpoint_runs_once_unless_told_otherwise() -> None:
    flags = Flags(adapter="evm", endpoint="http://127.0.0.1:8545", workload="transfer", rate=200, duration="20s")
    made = chosen_scenario(None, flags, [])
    assert made.endpoint is not None
    assert (made.endpoint.adapter, made.endpoint.url, made.trials) == ("evm", "http://127.0.0.1:8545", 1)


def test_flags_override_the_file_and_settings_override_flags(file: Path) -> None:
    made = chosen_scenario(file, Flags(rate=500, trials=1, duration="30s"), ["arrival.rate=600"])
    assert made.arrival.rate == 600  # type: ignore[union-attr]
    assert (made.trials, made.phases.duration_ns) == (1, 30 * 10**9)
    assert [choice.name for choice in made.ledgers] == ["anvil", "sqlite"]


def test_choosing_a_ledger_keeps_the_options_the_file_gives_it(file: Path) -> None:
    made = chosen_scenario(file, Flags(ledgers=("anvil",)), [])
    assert [(choice.name, choice.options) for choice in made.ledgers] == [("anvil", {"block_time_s": 2})]
    made = chosen_scenario(file, Flags(ledgers=("simulated", "anvil")), ["ledgers.0.options.seed=1"])
    assert [(choice.name, choice.options) for choice in made.ledgers] == [
        ("simulated", {"seed": 1}),
        ("anvil", {"block_time_s": 2}),
    ]


def test_an_endpoint_replaces_the_ledgers_of_the_file(file: Path) -> None:
    made = chosen_scenario(file, Flags(adapter="evm", endpoint="http://127.0.0.1:1"), [])
    assert made.ledgers == ()
    assert made.endpoint is not None


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (Flags(ledgers=("anvil",), endpoint="http://127.0.0.1:1", workload="transfer"), "both given"),
        (Flags(), "neither a scenario file nor --workload"),
        (Flags(workload="transfer", rate=1, duration="1s"), "ledgers"),
        (Flags(workload="transfer", ledgers=("anvil",), rate=1), "duration"),
        (Flags(workload="transfer", ledgers=("anvil",), duration="5s"), "rate"),
        (Flags(workload="transfer", ledgers=("anvil",), duration="5s", rate=-1), "rate"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(flags: Flags, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        chosen_scenario(None, flags, [])


def invoke(monkeypatch: pytest.MonkeyPatch, outcome: RunOutcome, *arguments: str):
    monkeypatch.setattr(run_module, "execute", lambda scenario, out, key_file, audience: outcome)
    return CliRunner().invoke(app, ["run", "--ledger", "sqlite", "--workload", "transfer", *arguments])


def test_the_command_ends_as_the_run_did_and_tells_its_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = RunOutcome([], ExitCode.LEDGER_FAILED, ["sqlite, trial 1: node died"])
    done = invoke(monkeypatch, outcome, "--rate", "5", "--duration", "2s")
    assert done.exit_code == 5
    assert done.stderr == "error: sqlite, trial 1: node died\n"
    done = invoke(monkeypatch, outcome, "--rate", "5", "--duration", "2s", "--json")
    assert json.loads(done.stdout) == {"exit_code": 5, "runs": []}


def test_the_figures_of_a_run_are_shown_with_their_intervals(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    finality = {"p50": Interval(median=510.04, trials=6), "p99": Interval(median=None, trials=6)}
    summary = SimpleNamespace(
        verdict=SimpleNamespace(status="invalid", reasons=["worker 0 used 92 % of a core"]),
        goodput_per_s=Interval(median=1234.56, ci_low=1200.0, ci_high=1300.04, trials=6),
        offered_per_s=Interval(median=1500.0, trials=6),
        latency_ms={"finality": finality},
    )
    ledger = SimpleNamespace(name="anvil")
    trials = [SimpleNamespace(counts=SimpleNamespace(failed_expected=1_200))] * 2
    result = SimpleNamespace(ledger=ledger, workload="transfer", partial=True, summary=summary, trials=trials)
    show(tmp_path, cast(Result, result))
    assert capsys.readouterr().out.splitlines() == [
        "anvil transfer: invalid, partial",
        "  worker 0 used 92 % of a core",
        "  goodput 1,234.6 [1,200.0, 1,300.0]/s of 1,500.0 writes/s offered, 2,400 refused as the workload intends",
        "  finality latency, ms: p50 510.0, p99 unknown (too few samples, or some never finished; see the report)",
        f"  {tmp_path}",
    ]

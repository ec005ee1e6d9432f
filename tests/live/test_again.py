"""Runs that are held against others: stopping by width, baselines, reproduction, sweeps; on the simulated ledger."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.bundle.reader import read_bundle
from bench.bundle.verify import verify
from tests.support.cli import Cli

pytestmark = pytest.mark.live

SCENARIO = """
name: again
ledger: {name: simulated, options: {block_interval_ms: 100}}
workload: transfer
arrival: {process: poisson, rate: 100}
phases: {duration: 2s, drain: 5s}
trials: 1
seed: 5
limits: {submit_lag_p99: 1s, worker_cpu_percent: 100}
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    made = Cli(tmp_path_factory.mktemp("again"))
    (made.directory / "again.yaml").write_text(SCENARIO)
    yield made
    made.end()


@pytest.fixture(scope="module")
def accepted(cli: Cli) -> Path:
    """One finished run."""
    done = cli.run("run", str(cli.directory / "again.yaml"), "--out", str(cli.directory / "accepted"))
    assert done.returncode == 0, done.stderr
    (bundle,) = (cli.directory / "accepted").iterdir()
    return bundle


def test_a_run_says_what_the_machine_was_doing(cli: Cli, accepted: Path) -> None:
    environment = read_bundle(accepted).environment
    assert environment["busy"]["others_cpu_percent"] >= 0
    assert environment["programs"].keys() == {"simulated"}


def test_the_same_plan_is_drawn_again_and_one_trial_decides_nothing(cli: Cli, accepted: Path) -> None:
    done = cli.run("reproduce", str(accepted), "--out", str(cli.directory / "again"), "--json")
    assert done.returncode == 8, done.stderr
    told = json.loads(done.stdout)
    assert told["agrees"] is None
    assert len(told["exact"]) == 4
    assert all(check["equal"] for check in told["exact"])
    assert {figure["answer"] for figure in told["figures"]} <= {"undecided", "not stated"}
    assert read_bundle(Path(told["again"])).result.scenario_sha256 == read_bundle(accepted).result.scenario_sha256


def test_a_baseline_of_another_load_is_refused_before_anything_runs(cli: Cli, accepted: Path) -> None:
    out = cli.directory / "refused"
    arguments = ("run", str(cli.directory / "again.yaml"), "--baseline", str(accepted), "--out", str(out))
    done = cli.run(*arguments, "--set", "arrival.rate=101")
    assert done.returncode == 7
    assert "another load" in done.stderr
    assert not list(out.glob("*"))


def test_a_gate_that_must_be_decided_ends_with_8_where_it_is_not(cli: Cli, accepted: Path) -> None:
    arguments = ("run", str(cli.directory / "again.yaml"), "--baseline", str(accepted), "--out", str(cli.out))
    done = cli.run(*arguments, "--fail-on", "undecided", "--tolerance", "5%")
    assert done.returncode == 8, done.stderr
    assert f"simulated against {accepted.name}:" in done.stdout
    assert "undecided: 1 trial, and below 5 no interval is printed" in done.stdout


def test_trials_go_on_until_the_interval_is_narrow(cli: Cli) -> None:
    out = cli.directory / "stopped"
    done = cli.run(
        *("run", str(cli.directory / "again.yaml"), "--out", str(out)),
        *("--set", "stopping.width=50%", "--set", "stopping.most_trials=8", "--set", "arrival.process=constant"),
        timeout_s=280,
    )
    assert done.returncode == 0, done.stderr
    (bundle,) = out.iterdir()
    result = read_bundle(bundle).result
    assert [trial.trial for trial in result.trials] == [1, 2, 3, 4, 5, 6]
    assert len({trial.seed for trial in result.trials}) == 6
    assert "goodput was known to ± 50 % after 6 trials" in result.notes[0]
    assert verify(bundle) == []


def test_a_sweep_that_was_interrupted_goes_on_where_it_stopped(cli: Cli) -> None:
    sweep = cli.directory / "sweep.yaml"
    sweep.write_text("name: rates\nscenario: again.yaml\nvary:\n  arrival.rate: [60, 120]\nseed: 2\n")
    out = cli.directory / "sweeps"
    arguments = ("sweep", str(sweep), "--out", str(out))
    process = cli.start(*arguments)
    assert process.stderr is not None
    for line in process.stderr:
        if "cell 2 of 2" in line:
            break
    for line in process.stderr:
        if "signing ahead" in line or "warm_up" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    state = json.loads((out / "rates" / "sweep.json").read_text())
    assert sorted(cell["exit_code"] for cell in state["cells"]) == [0, 130]
    done = cli.run(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done already") == 1
    lines = list(csv.DictReader((out / "rates" / "sweep.csv").read_text().splitlines()))
    assert [(line["arrival.rate"], line["verdict"]) for line in lines] == [("60", "valid"), ("120", "valid")]
    for line in lines:
        assert verify(out / "rates" / line["bundle"]) == []
    assert "arrival.rate" in (out / "rates" / "sweep.html").read_text()
    assert not cli.descendants()

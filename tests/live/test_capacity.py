"""Short searches in real time on the scripted ledger, whose limit is known; one interrupted and resumed.

The bounds on the harness are wide: the searches share the machine with whatever else the tests do, and the scripted
ledger's limits lie far below the harness's.
"""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.reader import Bundle, read_bundle
from bench.bundle.verify import verify
from bench.ledgers.simulated import SimulatedLedger
from bench.model.errors import ExitCode
from bench.model.result import Capacity
from bench.report.build import write_report
from bench.run.capacity import find_capacity
from bench.run.events import LiveView
from bench.run.execution import RunOptions
from bench.scenario.loader import scenario_from_mapping
from tests.support.cli import Cli, wait_for_line

pytestmark = pytest.mark.live

QUICK = {"estimate": True, "probe": "2s", "confirm": "3s", "confirmations": 2, "resolution": "20%", "budget": "55s"}
PATIENT = {"submit_lag_p99": "200ms", "worker_cpu_percent": 99}


class Silent:
    def step(self, text: str) -> None:
        del text

    def live(self, view: LiveView) -> None:
        del view

    def warn(self, text: str) -> None:
        del text


def mapping(target: dict[str, Any], rate: float, **changes: object) -> dict[str, Any]:
    return {
        "name": "t",
        **target,
        "workload": "transfer",
        "arrival": {"process": "constant", "rate": rate},
        "phases": {"duration": "20s", "warm_up": "1s", "drain": "5s"},
        "limits": PATIENT,
        "capacity": {**QUICK, **changes},
    }


def search(tmp_path: Path, target: dict[str, Any], rate: float) -> tuple[Bundle, Capacity]:
    options = RunOptions(tmp_path / "out", ["test"], write_report)
    outcome = find_capacity(scenario_from_mapping(mapping(target, rate)), options, Silent())
    assert outcome.problems == []
    assert outcome.exit_code in (ExitCode.DONE, ExitCode.UNDECIDED), "a slow machine gets to probes only"
    (path,) = outcome.bundles
    assert verify(path) == []
    bundle = read_bundle(path)
    assert bundle.result.capacity is not None
    return bundle, bundle.result.capacity


def simulated(**options: object) -> dict[str, Any]:
    return {"ledgers": [{"name": "simulated", "options": options}]}


@pytest.mark.parametrize(
    ("options", "rate", "limit"),
    [
        pytest.param({"block_capacity": 50, "block_interval_ms": 200}, 210, 250, id="block-capped"),
        pytest.param(
            {"service_rate_per_s": 300, "block_interval_ms": 200, "collapse": {"above": 200, "factor": 0.3}},
            250,
            300,
            id="collapsing",
        ),
    ],
)
def test_the_interval_holds_the_known_limit(tmp_path: Path, options: dict[str, Any], rate: float, limit: float) -> None:
    bundle, found = search(tmp_path, simulated(**options), rate)
    assert found.low_per_s is not None, found
    assert found.high_per_s is not None, found
    assert found.low_per_s <= limit <= found.high_per_s
    assert found.estimate
    assert found.ended in ("converged", "budget")
    assert len(bundle.result.trials) == len(found.attempts)
    overloaded = [one for one in found.attempts if not one.passed and one.offered_per_s > 1.3 * limit]
    assert overloaded
    collapsed = "collapse" in options
    assert all((one.goodput_per_s < 0.9 * limit) == collapsed for one in overloaded)
    assert "ustain" in (bundle.directory / "report.md").read_text()


def test_the_interval_of_a_real_node_holds_what_its_blocks_hold(tmp_path: Path) -> None:
    """Blocks of 3,150,000 gas, one a second, hold 150 transfers of 21,000 gas."""
    anvil = {"name": "anvil", "options": {"block_time_s": 1, "gas_limit": 3_150_000, "base_fee": 0}}
    wanted = mapping({"ledgers": [anvil]}, 140, confirmations=1, resolution="12%", budget="120s", confirm="10s")
    options = RunOptions(tmp_path / "out", ["test"], write_report)
    outcome = find_capacity(scenario_from_mapping(wanted), options, Silent())
    assert outcome.problems == []
    (path,) = outcome.bundles
    assert verify(path) == []
    found = read_bundle(path).result.capacity
    assert found is not None
    assert found.low_per_s is not None, found
    assert found.high_per_s is not None, found
    assert found.low_per_s <= 1.05 * 150
    assert found.high_per_s >= 0.95 * 150
    assert found.high_per_s <= 1.5 * found.low_per_s, (
        "an interval that holds it because it holds everything says nothing"
    )


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.end()


def test_on_a_node_that_is_not_ours(tmp_path: Path, cli: Cli) -> None:
    ledger = SimulatedLedger()
    options = {"service_rate_per_s": 200, "block_interval_ms": 100}
    network = ledger.up(tmp_path / "node", options, lambda line: None)
    try:
        done = cli.run(
            *("capacity", "--adapter", "simulated", "--endpoint", network.endpoint, "--workload", "transfer"),
            *("--start", "150", "--estimate", "--budget", "40s", "--slo-p99", "20s", "--out", str(cli.out), "--json"),
            *("--set", "capacity.probe=2s", "--set", "capacity.confirm=3s", "--set", "capacity.resolution=20%"),
            *("--set", "phases.warm_up=1s", "--set", "limits.submit_lag_p99=200ms"),
            BENCH_CALIBRATION="off",
        )
    finally:
        ledger.down(network)
    printed = json.loads(done.stdout)
    (run,) = printed["runs"]
    assert done.returncode == printed["exit_code"], done.stderr
    assert done.returncode in (ExitCode.DONE, ExitCode.UNDECIDED), done.stderr
    found = run["capacity"]
    assert found["low_per_s"] is not None, done.stderr
    assert found["low_per_s"] <= 200
    assert found["high_per_s"] is None or found["high_per_s"] >= 200
    assert found["slo"] == {"finality_p99_ms": 20_000}
    assert run["sentence"].startswith("By an estimate, simulated sustains at least")
    bundle = cli.only_bundle()
    assert not bundle.result.trials[0].fresh_ledger
    assert not bundle.result.ledger.managed
    assert cli.wait_until_gone() == []


def test_interrupted_and_resumed(tmp_path: Path, cli: Cli) -> None:
    scenario = tmp_path / "scenario.yaml"
    target = simulated(service_rate_per_s=300, block_interval_ms=200)
    scenario.write_text(json.dumps(mapping(target, 250, budget="40s")))
    process = cli.start("capacity", str(scenario), "--out", str(cli.out), BENCH_CALIBRATION="off")
    lines: list[str] = []
    wait_for_line(process, ["probe at 500/s", "budget left"], lines)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, "".join(lines) + errors
    assert "ended: interrupted" in output
    first = cli.only_bundle()
    assert first.result.partial
    assert first.result.capacity is not None
    taken = first.result.capacity.attempts
    assert [one.offered_per_s for one in taken] == [250, 500]
    assert cli.wait_until_gone() == []

    done = cli.run(
        *("capacity", str(scenario), "--resume", str(first.directory), "--budget", "30s", "--out", str(cli.out)),
        BENCH_CALIBRATION="off",
    )
    assert done.returncode in (ExitCode.DONE, ExitCode.UNDECIDED), done.stderr
    (second,) = (read_bundle(path) for path in cli.bundles() if path != first.directory)
    assert second.result.capacity is not None
    attempts = second.result.capacity.attempts
    assert [one.offered_per_s for one in attempts[:2]] == [250, 500]
    assert [one.trial for one in attempts[:2]] == [None, None]
    assert len(attempts) > 2
    assert second.result.trials[0].trial == 3
    assert f"2 attempts were taken over from {first.result.run_id}" in done.stdout
    assert "operations/s" in done.stdout

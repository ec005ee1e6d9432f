"""Null ledgers on the real path: adapters work on them unchanged, and what `calibrate` finds is held against runs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import websocket

from bench.adapters.evm.adapter import EvmAdapter
from bench.adapters.protocol import Adapter, Endpoint, Setup
from bench.adapters.simulated import SimulatedAdapter
from bench.adapters.sqlite import SqliteAdapter
from bench.ledgers.null_evm import NullEvmLedger
from bench.ledgers.null_socket import NullSocketLedger
from bench.ledgers.protocol import Ledger
from bench.model.ledger import Network
from bench.model.operation import Account, Operation
from bench.model.transaction import ACCEPTED, Block, Settled
from bench.run.calibration_store import CalibrationStore, LoadPath
from tests.support.calibration import record
from tests.support.cli import Cli, wait_for_line
from workloads.transfer import WORKLOAD

pytestmark = pytest.mark.live

TRANSACTIONS = 500


@contextmanager
def running(ledger: Ledger, directory: Path) -> Iterator[Network]:
    network = ledger.up(directory, {"block_interval_ms": 100}, lambda _: None)
    try:
        yield network
    finally:
        ledger.down(network)
    assert not [node for node in network.nodes if node.pid is not None and psutil.pid_exists(node.pid)]


@pytest.mark.parametrize(
    ("adapter", "ledger"),
    [
        pytest.param(EvmAdapter(), NullEvmLedger(), id="evm-http"),
        pytest.param(EvmAdapter(), NullEvmLedger(websocket=True), id="evm-ws"),
        pytest.param(SqliteAdapter(), NullSocketLedger("sqlite"), id="sqlite"),
        pytest.param(SimulatedAdapter(), NullSocketLedger("simulated"), id="simulated"),
    ],
)
def test_an_adapter_sees_all_it_sent_in_blocks_as_valid(adapter: Adapter, ledger: Ledger, tmp_path: Path) -> None:
    with running(ledger, tmp_path) as network:
        adapter.open(Endpoint(network.endpoint, options=network.adapter_options))
        setup = Setup(WORKLOAD, dict(WORKLOAD.defaults), 10, TRANSACTIONS, 1, network.secrets)
        fixture = adapter.prepare(setup)
        assert fixture.disclosed.get("accounts_funded", 0) == 0, "everybody has enough"
        adapter.open(Endpoint(network.endpoint, options=network.adapter_options), fixture)
        followed = adapter.commits(None)
        next(followed)  # it follows from here on
        transfer = Operation("transfer", {"to": Account(1), "amount": 1})
        sent = [adapter.encode(transfer, k % 10, k // 10) for k in range(TRANSACTIONS)]
        for start in range(0, TRANSACTIONS // 2, 50):
            assert adapter.submit(sent[start : start + 50]) == [ACCEPTED] * 50
        for one in sent[TRANSACTIONS // 2 :]:
            assert adapter.submit([one]) == [ACCEPTED]
        seen, valid = [], 0
        deadline = time.monotonic() + 20
        while valid < TRANSACTIONS and time.monotonic() < deadline:
            match next(followed):
                case Block(tx_ids=tx_ids, error_classes=classes):
                    seen += tx_ids
                    valid += len(classes) if classes is not None and not any(classes) else 0
                case Settled(error_classes=classes) if not any(classes):
                    valid += len(classes)
        followed.close()  # type: ignore[attr-defined]
        adapter.close()
    assert sorted(seen) == sorted(one.tx_id for one in sent)
    assert valid == TRANSACTIONS


def test_new_heads_are_told_to_subscribers(tmp_path: Path) -> None:
    with running(NullEvmLedger(websocket=True), tmp_path) as network:
        connection = websocket.create_connection(network.endpoint, timeout=10)
        connection.send('{"jsonrpc":"2.0","id":5,"method":"eth_subscribe","params":["newHeads"]}')
        assert json.loads(connection.recv()) == {"jsonrpc": "2.0", "id": 5, "result": "0x1"}
        heads = [json.loads(connection.recv())["params"]["result"] for _ in range(3)]
        connection.ping(b"still there?")
        while (got := connection.recv_data(control_frame=True))[0] != websocket.ABNF.OPCODE_PONG:
            pass
        assert got[1] == b"still there?"
        connection.close()
    assert [int(head["number"], 16) for head in heads] == list(
        range(int(heads[0]["number"], 16), int(heads[0]["number"], 16) + 3)
    )
    assert [head["parentHash"] for head in heads[1:]] == [head["hash"] for head in heads[:-1]]


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("adapter", ["evm", "simulated"])
def test_a_quick_calibration(cli: Cli, adapter: str, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    done = cli.run("calibrate", "--quick", "--json", "--adapter", adapter, BENCH_CACHE=cache)
    assert done.returncode in (0, 3), done.stderr  # 3: a machine that others keep so busy that no rate held
    answer = json.loads(done.stdout)
    (found,) = answer["calibrations"]
    assert answer["exit_code"] == done.returncode
    assert (found["adapter"], found["workers"], found["batch"], found["method"]) == (adapter, 1, 1, "quick")
    for attempt in found["attempts"]:
        assert attempt["held"] is (attempt["reasons"] == [])
        assert attempt["sent_per_s"] == pytest.approx(attempt["rate_per_s"], rel=0.02) or not attempt["held"]
        assert 0 < attempt["worker_cpu_percent"] <= 110
        assert attempt["ledger_cpu_percent"] < 2 * attempt["worker_cpu_percent"]
        assert attempt["submit_lag_p50_ms"] > 0
    held = [one["rate_per_s"] for one in found["attempts"] if one["held"]]
    assert found["ceiling_per_s"] == max(held, default=0)
    assert found["overheads"]["recording_us_per_tx"] > 0
    kept = list((tmp_path / "cache" / "calibration").glob("*.json")) if held else []
    assert [json.loads(file.read_text()) for file in kept] == ([found] if held else [])
    assert cli.wait_until_gone() == []


def test_an_interrupted_calibration_leaves_no_process(cli: Cli, tmp_path: Path) -> None:
    process = cli.start("calibrate", "--adapter", "evm", BENCH_CACHE=str(tmp_path / "cache"))
    wait_for_line(process, ["latency floor"], [])
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert cli.wait_until_gone() == []
    assert list(cli.directory.glob("tmp/bench-calibrate-*")) == []


def test_a_run_above_half_of_the_ceiling_is_invalid_and_blames_the_harness(cli: Cli, tmp_path: Path) -> None:
    store = CalibrationStore(tmp_path / "cache" / "calibration")
    store.keep(record(store, 150.0, path=LoadPath("simulated", "unix", 1, 1)))
    done = cli.run(
        *("run", "--ledger", "simulated", "--workload", "transfer", "--rate", "100", "--duration", "3s"),
        *("--trials", "1", "--set", "limits.submit_lag_p99=1s", "--out", str(cli.out)),
        BENCH_CALIBRATION="on",
        BENCH_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 3, done.stderr
    assert "ceiling is 150/s" in done.stderr
    result = cli.only_bundle().result
    (trial,) = result.trials
    assert any("harness-bound" in reason for reason in trial.verdict.reasons), trial.verdict.reasons
    assert trial.headroom is not None
    assert trial.headroom.share == pytest.approx(100 / 150)
    assert result.calibration is not None
    assert (result.calibration.ceiling_per_s, result.calibration.adapter) == (150, "simulated")


def test_a_first_run_checks_the_machine_once(cli: Cli, tmp_path: Path) -> None:
    arguments = (
        *("run", "--ledger", "simulated", "--workload", "transfer", "--rate", "40", "--duration", "2s"),
        *("--trials", "1", "--set", "limits.submit_lag_p99=1s", "--out", str(cli.out)),
    )
    environment = {"BENCH_CALIBRATION": "on", "BENCH_CACHE": str(tmp_path / "cache")}
    first = cli.run(*arguments, **environment)
    assert "checking this machine's headroom at 1,000/s" in first.stderr
    kept = [json.loads(file.read_text()) for file in (tmp_path / "cache" / "calibration").glob("*.json")]
    part = cli.only_bundle().result.calibration
    if part is None or not kept:  # a machine that others keep busy: nothing of it is kept
        assert "warning: " in first.stderr
        return
    assert (kept[0]["method"], kept[0]["key"], kept[0]["ceiling_per_s"]) == ("check", part.key, part.ceiling_per_s)
    assert part.ceiling_per_s >= 80
    second = cli.run(*arguments, **environment)
    assert second.returncode == 0, second.stderr
    assert "headroom" not in second.stderr
    for bundle in cli.bundles():
        assert json.loads((bundle / "result.json").read_text())["calibration"]["key"] == part.key

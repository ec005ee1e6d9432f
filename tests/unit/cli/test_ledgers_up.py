"""The command that `ledgers up` prints measures that network, and declares it as what it is."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.ledgers import _use
from bench.cli.main import app
from bench.ledgers.anvil import AnvilLedger
from bench.ledgers.sqlite import SqliteLedger
from bench.ledgers.state import RunningLedger
from bench.model.ledger import Network, Node
from bench.run.declaring import declared
from bench.scenario.loader import scenario_from_mapping


def test_the_printed_command_carries_the_declared_class() -> None:
    for info in (AnvilLedger.info, SqliteLedger.info):
        nodes = (Node("node-1", "127.0.0.2", 1, Path("/n")), Node("miner", "127.0.0.2", 2, Path("/m"), role="miner"))
        url = "http://127.0.0.1:8545"
        network = Network(info.name, info.family, info.adapter, "1", url, nodes, info.finality, info.ledger_class)
        words = shlex.split(_use(RunningLedger("2026-01-01", network, ()), {info.family}))
        sets = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        scenario = scenario_from_mapping(
            {
                "name": "t",
                "workload": "transfer",
                "endpoint": {"adapter": info.adapter, "url": url},
                "arrival": {"process": "constant", "rate": 1},
                "phases": {"duration": "10s"},
            },
            sets,
        )
        assert scenario.endpoint is not None
        assert scenario.endpoint.ledger is not None
        by_endpoint = declared(scenario.endpoint.ledger.name, None, scenario.endpoint)
        managed = declared(info.name, info, None)
        assert by_endpoint.name == managed.name
        assert by_endpoint.ledger_class == managed.ledger_class
        assert by_endpoint.finality.name == managed.finality.name


def test_a_ledger_whose_record_cannot_be_read_is_told_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_STATE", str(tmp_path))
    record = tmp_path / "ledgers" / "anvil" / "running.json"
    record.parent.mkdir(parents=True)
    record.write_text("{")
    told = CliRunner().invoke(app, ["ledgers", "status"])
    assert told.exit_code == 0
    assert "anvil: its record cannot be read" in told.stderr
    assert CliRunner().invoke(app, ["ledgers", "down"]).stdout == "anvil: stopped\n"
    assert not record.exists()
    assert CliRunner().invoke(app, ["ledgers", "down"]).stdout == "no ledger is up\n"

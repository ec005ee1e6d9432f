"""The command that `ledgers up` prints measures that network, and declares it as what it is."""

from __future__ import annotations

import shlex
from pathlib import Path

from bench.cli.ledgers import _use
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

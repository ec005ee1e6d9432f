"""The null EVM ledger: takes every transaction, answers at once, puts it into the next block as valid.

Its base fee, its balances and its account numbers never move, so preparing on it sends nothing. The adapter cannot tell
it from a node; what is measured with it is the way from the schedule to the wire and back.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.ledgers.null_options import NULL_CLASS, NullOptions
from bench.ledgers.options import parse_options
from bench.ledgers.process import spawn, wait_ready
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.ledgers.socket_node import InThisPython, environment
from bench.model.ledger import Finality, Network, Node
from bench.model.version import __version__

BLOCK_INTERVAL_MS = 250.0
_NODE = "null-evm"
_READY_S = 20.0


class NullEvmLedger(InThisPython):
    """See `bench.ledgers.protocol.Ledger`. Option: `block_interval_ms`. `websocket`: transactions are sent over it."""

    info = LedgerInfo(
        name=_NODE,
        family="evm",
        adapter="evm",
        version=__version__,
        nodes=1,
        finality=Finality("inclusion"),
        ledger_class=NULL_CLASS,
        summary="takes everything and does nothing: to calibrate the harness, never a candidate",
        download="nothing",
    )

    def __init__(self, *, websocket: bool = False) -> None:
        self._websocket = websocket

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A fresh node on a loopback port of its own choice."""
        chosen = parse_options(_NODE, NullOptions, {"block_interval_ms": BLOCK_INTERVAL_MS, **options})
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        address = directory / "address"
        interval = f"{chosen.block_interval_ms:g}"
        command = (
            *(sys.executable, "-m", "bench.ledgers.null_evm_node"),
            *("--address-file", str(address), "--block-interval-ms", interval),
        )
        progress(f"{_NODE}: starting")
        process = spawn(command, directory=directory, name=_NODE, environment=environment())
        try:
            wait_ready(process, address.exists, _READY_S, _NODE)
            url = address.read_text()
        except BaseException:
            process.stop()
            raise
        progress(f"{_NODE}: ready at {url}")
        endpoint = url.replace("http:", "ws:") if self._websocket else url
        node = Node(_NODE, url, process.pid, directory, command)
        network = self.info.network(endpoint, [node], (f"block_interval_ms={interval}",))
        return replace(network, adapter_options={"dev_funding": True})  # everybody has money: no key is needed

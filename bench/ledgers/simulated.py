"""The simulated ledger as a managed ledger: for calibrating the harness, for tests, for teaching. Not a candidate."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from bench.ledgers import socket_node
from bench.ledgers.options import parse_options
from bench.ledgers.process import NodeProcess
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.ledgers.simulated_options import SimulatedOptions
from bench.model.ledger import CryptoSuite, Finality, LedgerClass, Network
from bench.model.version import __version__

FINALITY = "simulated inclusion"


class SimulatedLedger:
    """See `bench.ledgers.protocol.Ledger`. Options: `SimulatedOptions`, listed in docs/adapters/simulated.md."""

    info = LedgerInfo(
        name="simulated",
        family="simulated",
        adapter="simulated",
        version=__version__,
        nodes=1,
        finality=Finality(FINALITY),
        ledger_class=LedgerClass("none", 0, "memory only", CryptoSuite.NONE, "one"),
        summary="scripted latency, refusals, losses and stalls: to test and calibrate the harness, never a candidate",
        download="nothing",
    )

    def __init__(self) -> None:
        self._processes: dict[str, NodeProcess] = {}

    def installed(self) -> Path | None:
        """The Python that runs everything."""
        return Path(sys.executable)

    def install(self, progress: Progress) -> Path:
        """Nothing to fetch."""
        progress("simulated: nothing to fetch")
        return Path(sys.executable)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A node that behaves as `options` say."""
        behaviour = parse_options("simulated", SimulatedOptions, options)
        script = behaviour.model_dump_json(exclude_defaults=True)
        progress("simulated: starting")
        process, endpoint, node = socket_node.start(
            "bench.ledgers.simulated_node", ("--options", script), directory, "simulated"
        )
        self._processes[endpoint] = process
        progress(f"simulated: ready at {endpoint}")
        return Network(
            ledger="simulated",
            family=self.info.family,
            adapter=self.info.adapter,
            version=self.info.version,
            endpoint=endpoint,
            nodes=(node,),
            finality=Finality(FINALITY, behaviour.confirmations),
            ledger_class=self.info.ledger_class,
            flags=(f"options={script}",),
        )

    def down(self, network: Network) -> None:
        """Stop the node."""
        process = self._processes.pop(network.endpoint, None)
        if process is not None:
            process.stop(socket_node.STOP_S)
        else:
            socket_node.stop(network)

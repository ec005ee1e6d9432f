"""The simulated ledger as a managed ledger: for calibrating the harness, for tests, for teaching. Not a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.ledgers.options import parse_options
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.ledgers.simulated_options import SimulatedOptions
from bench.ledgers.socket_node import InThisPython, start
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network
from bench.model.version import __version__

FINALITY = "simulated inclusion"


class SimulatedLedger(InThisPython):
    """See `bench.ledgers.protocol.Ledger`. Options: `SimulatedOptions`, listed in docs/adapters/simulated.md."""

    info = LedgerInfo(
        name="simulated",
        family="simulated",
        adapter="simulated",
        version=__version__,
        nodes=1,
        finality=Finality(FINALITY),
        ledger_class=LedgerClass(FaultModel.NONE, 0, Durability.MEMORY, CryptoSuite.NONE, "one"),
        summary="scripted latency, refusals, losses and stalls: to test and calibrate the harness, never a candidate",
        download="nothing",
    )

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A node that behaves as `options` say."""
        behaviour = parse_options("simulated", SimulatedOptions, options)
        script = behaviour.model_dump_json(exclude_defaults=True)
        progress("simulated: starting")
        node = start("bench.ledgers.simulated_node", ("--options", script), directory, "simulated")
        progress(f"simulated: ready at {node.address}")
        network = self.info.network(node.address, [node], (f"options={script}",))
        return replace(network, finality=Finality(FINALITY, behaviour.confirmations))

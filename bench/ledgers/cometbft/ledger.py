"""The two CometBFT ledgers: how the node is built, started and stopped.

A node is one process, CometBFT with its application inside. `cometbft` runs the application of this repository (signed
transactions), `cometbft-kvstore` the example that CometBFT comes with (`key=value`, unsigned).
"""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.ledgers.cometbft.files import KeyPair, Validator, write_network
from bench.ledgers.cometbft.options import CometBftOptions
from bench.ledgers.install.golang import GoSource, build, cached
from bench.ledgers.nodes import NodeSpec, full_mesh, node_host, start_nodes, stop_nodes
from bench.ledgers.options import parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.process import NodeProcess
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.errors import ConfigurationError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node

VERSION = "0.38.25"
FUNDING_KEY = "funding_key"
SUPPLY = 10**18
SOURCE = GoSource(
    name="cometbft-node",
    directory=Path(__file__).parent / "application",
    size="about 120 MB of Go modules",
    takes="about 2 minutes on two cores",
)
_CLASS = LedgerClass(
    fault_model=FaultModel.BYZANTINE,
    tolerated_faults=1,
    durability=Durability.FSYNC,
    crypto=CryptoSuite.ED25519,
    operators="one per validator (here one machine)",
)
_FINALITY = Finality("commit (2/3 precommits)")
_DOWNLOAD = "about 120 MB with go, built here"
_READY_S = 30.0
_GRACE_S = 5.0
_PROBE_TIMEOUT_S = 2.0


class CometBftLedger:
    """See `bench.ledgers.protocol.Ledger`. Options: `CometBftOptions`."""

    info = LedgerInfo(
        name="cometbft",
        family="cometbft",
        adapter="cometbft",
        version=VERSION,
        nodes=4,
        finality=_FINALITY,
        ledger_class=_CLASS,
        summary="BFT state machine replication, four validators, an application with signed transactions",
        download=_DOWNLOAD,
    )
    proxy_app = "ledger-bench"

    def installed(self) -> Path | None:
        """The node's program when it was built from this very source before."""
        folder = cached(SOURCE)
        return None if folder is None else folder / SOURCE.name

    def install(self, progress: Progress) -> Path:
        """Build it; go checks every module against go.sum."""
        return build(SOURCE, progress) / SOURCE.name

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A fresh network of validators that have all committed a block and are all connected to each other."""
        chosen = parse_options(self.info.name, CometBftOptions, options)
        program = self.install(progress)
        directory = directory.absolute()
        if directory.is_dir() and any(directory.iterdir()):
            raise ConfigurationError("the directory of a fresh network is not empty", value=str(directory))
        validators = [_validator(index, directory) for index in range(chosen.validators)]
        chain_id = f"bench-{secrets.token_hex(4)}"
        treasury = KeyPair.make()
        write_network(validators, self.proxy_app, chain_id, self.app_state(treasury), chosen)
        specs = [_spec(one, program, len(validators) - 1) for one in validators]
        processes = start_nodes(specs, progress, self.info.name)
        network = self._network(validators, processes, specs, chosen, treasury)
        progress(f"{self.info.name}: {len(validators)} validators of {chain_id} are connected and commit")
        return network

    def down(self, network: Network) -> None:
        """Stop every validator, also those another process started."""
        stop_nodes(network, _GRACE_S)

    def app_state(self, treasury: KeyPair) -> object:
        """What the application finds in genesis: all money belongs to the treasury."""
        return {"treasury": treasury.public.hex(), "supply": SUPPLY}

    def keys(self, treasury: KeyPair) -> dict[str, str]:
        """What an adapter needs to prepare accounts."""
        return {FUNDING_KEY: treasury.seed.hex()}

    def _network(
        self,
        validators: list[Validator],
        processes: list[NodeProcess],
        specs: list[NodeSpec],
        options: CometBftOptions,
        treasury: KeyPair,
    ) -> Network:
        nodes = tuple(
            Node(
                name=one.name,
                address=f"{one.host}:{one.rpc_port}",
                pid=process.pid,
                data_directory=one.directory,
                command=(Path(spec.command[0]).name, *spec.command[1:]),
                role="validator",
                metrics_url=one.metrics_url,
            )
            for one, process, spec in zip(validators, processes, specs, strict=True)
        )
        return replace(
            self.info.network(validators[0].rpc_url, nodes, options.flags()),
            ledger_class=replace(self.info.ledger_class, tolerated_faults=options.tolerated_faults),
            links=full_mesh([node.name for node in nodes]),
            secrets=self.keys(treasury),
            adapter_options={"nodes": [one.rpc_url for one in validators]},
        )


class KvStoreLedger(CometBftLedger):
    """CometBFT with the key-value example as it comes: nobody signs, nothing is refused for business reasons."""

    info = LedgerInfo(
        name="cometbft-kvstore",
        family="cometbft-kvstore",
        adapter="cometbft",
        version=VERSION,
        nodes=4,
        finality=_FINALITY,
        ledger_class=replace(_CLASS, crypto=CryptoSuite.NONE),
        summary="BFT state machine replication, four validators, the project's key=value example, unsigned",
        download=_DOWNLOAD,
    )
    proxy_app = "kvstore"

    def app_state(self, treasury: KeyPair) -> object:  # noqa: ARG002 - there is no money
        """The example reads none."""
        return {}

    def keys(self, treasury: KeyPair) -> dict[str, str]:  # noqa: ARG002 - there is no money
        """None."""
        return {}


def _validator(index: int, directory: Path) -> Validator:
    name, host = f"validator{index}", node_host(index)
    rpc, p2p, metrics = (free_port(host) for _ in range(3))
    return Validator(name, directory / name, host, rpc, p2p, metrics, KeyPair.make(), KeyPair.make())


def _spec(one: Validator, program: Path, peers: int) -> NodeSpec:
    command = (str(program), "-home", str(one.directory))
    return NodeSpec(one.name, command, one.directory, partial(_is_ready, one, peers), deadline_s=_READY_S)


def _is_ready(one: Validator, peers: int) -> bool:
    """It has committed a block and is connected to all others."""
    try:
        status, net_info = _ask(one, "status"), _ask(one, "net_info")
        return int(status["sync_info"]["latest_block_height"]) >= 1 and int(net_info["n_peers"]) >= peers
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False


def _ask(one: Validator, method: str) -> Any:
    connection = http.client.HTTPConnection(one.host, one.rpc_port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", f"/{method}")
        return json.loads(connection.getresponse().read())["result"]
    finally:
        connection.close()

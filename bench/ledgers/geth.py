"""geth in developer mode: one production execution client that makes its own blocks, kept on disk.

What it is not: a network. A simulated beacon asks the node for a block every `block_time_s`; nobody else agrees to it.
Its execution, pool, database and RPC are those of a production node.

Flags and why: a pool no run fills; a gas limit no block reaches, so that the node is the limit and not a parameter;
the data directory on disk, because developer mode alone keeps everything in memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.ledgers import geth_node
from bench.ledgers.geth_node import Geth, Key
from bench.ledgers.nodes import NodeSpec, node_host, start_nodes, stop_nodes
from bench.ledgers.options import Options, parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node

CHAIN_ID = 1337

_NAME = "geth"
_PROGRAM = Geth("1.17.5", "h1:o9BIXs2Q/3cPHVxw49n+Zjn2i6rB9TOXatev46duOC4=")
_APIS = "eth,net,web3,txpool,debug"
_READY_S = 40.0
_FUNDS_WEI = 10**30
_BASE_FEE_WEI = 10**9
_BLOCK_FORKS = (
    *("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople"),
    *("petersburg", "istanbul", "berlin", "london"),
)


class GethOptions(Options):
    """`ledger.options` of a scenario. `block_time_s` counts from the end of one block to the start of the next.
    `cache_mb` is the memory for databases and tries. `extra` are further flags of geth as they are.
    """

    block_time_s: Annotated[int, Field(ge=1, le=3600)] = 1
    gas_limit: Annotated[int, Field(ge=21_000, lt=2**53)] = 1_000_000_000_000
    cache_mb: Annotated[int, Field(ge=128, le=1_048_576)] = 1024
    extra: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """The node's flags that make a difference to what is measured; all of them are printed in every bundle."""
        return (
            *("--dev", "--dev.period", str(self.block_time_s)),
            *("--miner.gaslimit", str(self.gas_limit)),
            *("--cache", str(self.cache_mb)),
            *geth_node.pool_flags(),
            *self.extra,
        )


class GethLedger:
    """See `bench.ledgers.protocol.Ledger`. Keeps nothing: one object may run several networks at a time."""

    info = LedgerInfo(
        name=_NAME,
        family="evm",
        adapter="evm",
        version=_PROGRAM.version,
        nodes=1,
        finality=Finality("inclusion"),
        ledger_class=LedgerClass(
            fault_model=FaultModel.NONE,
            tolerated_faults=0,
            durability=Durability.WRITTEN,
            crypto=CryptoSuite.SECP256K1,
            operators="one",
        ),
        summary="EVM production client in developer mode, one node, simulated beacon",
        download=f"{_PROGRAM.source.size}, built with go and a C compiler in {_PROGRAM.source.takes}",
    )

    def installed(self) -> Path | None:
        """The program on PATH when it is the pinned version, else the one that was built."""
        return _PROGRAM.installed()

    def install(self, progress: Progress) -> Path:
        """Build it from its published module, unless the program is there already."""
        return _PROGRAM.install(progress)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """Start one fresh node; it has made a block when this returns."""
        chosen = parse_options(_NAME, GethOptions, options)
        program = self.install(progress)
        directory = directory.absolute()
        data = directory / "data"
        key = Key.named("funding key of developer mode")
        password = geth_node.import_key(program, data, key)
        genesis = directory / "genesis.json"
        genesis.write_text(json.dumps(_genesis(key, chosen.gas_limit), indent=1))
        geth_node.run_once(program, data, "init", str(genesis))
        host = node_host(0)
        address, metrics = f"{host}:{free_port(host)}", f"{host}:{free_port(host)}"
        command = (str(program), *_places(data, password, address, metrics), *chosen.flags())
        spec = NodeSpec(_NAME, command, directory, lambda: _makes_blocks(address), deadline_s=_READY_S)
        (process,) = start_nodes([spec], progress, _NAME)
        progress(f"{_NAME}: ready, chain {CHAIN_ID}, a block every {chosen.block_time_s} s")
        node = Node(
            name=_NAME,
            address=address,
            pid=process.pid,
            data_directory=directory,
            command=(program.name, *command[1:]),
            role="execution client",
            metrics_url=f"http://{metrics}{geth_node.METRICS_PATH}",
        )
        return replace(
            self.info.network(f"http://{address}", [node], ("genesis: rules of Cancun", *chosen.flags())),
            secrets={geth_node.FUNDING_KEY: "0x" + key.secret.hex()},
        )

    def down(self, network: Network) -> None:
        """Stop the node, also one that another process started."""
        stop_nodes(network)


def _genesis(funding: Key, gas_limit: int) -> dict[str, object]:
    """Rules of Cancun. Developer mode's own genesis block turns forks on that no public chain has scheduled; they price
    the creation of state anew, and a measurement under them says little about any chain there is.
    """
    config: dict[str, object] = {f"{fork}Block": 0 for fork in _BLOCK_FORKS}
    config |= {"chainId": CHAIN_ID, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0}
    config["blobSchedule"] = {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477}}
    return {
        "config": config,
        "difficulty": "0x0",
        "extraData": "0x" + geth_node.network_mark().hex(),
        "gasLimit": hex(gas_limit),
        "baseFeePerGas": hex(_BASE_FEE_WEI),
        "alloc": {funding.address: {"balance": hex(_FUNDS_WEI)}},
    }


def _places(data: Path, password: Path, address: str, metrics: str) -> tuple[str, ...]:
    """What differs from start to start and makes no difference to what is measured."""
    host, _, port = address.partition(":")
    engine = str(free_port(host))
    return (
        *("--datadir", str(data), "--password", str(password)),
        *("--authrpc.addr", host, "--authrpc.port", engine),
        *geth_node.server_flags(host, int(port), int(metrics.rpartition(":")[2]), _APIS),
    )


def _makes_blocks(address: str) -> bool:
    return geth_node.ask_number(address, "eth_blockNumber") >= 1

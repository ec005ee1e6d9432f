"""Four geth sealers that take turns (clique, EIP-225): proof of authority between named operators.

Version 1.13.15 is the last that seals without a beacon chain. Every node is on an address of its own and dials all
others; nobody is discovered. Load goes to the first node, blocks are followed there, and transactions reach the others
by gossip.

Clique has no finality. A sealer signs one of every floor(n/2)+1 blocks in a row, so blocks in a row come from different
sealers. A transaction counts as final with floor(n/2)+1 blocks on top of its own: a majority of all sealers has then
built on it, and the others alone cannot make as many blocks in a row.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.ledgers import geth_node
from bench.ledgers.geth_node import Geth, Key
from bench.ledgers.nodes import NodeSpec, full_mesh, node_host, start_nodes, stop_nodes
from bench.ledgers.options import Options, parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node

NODES = 4
CONFIRMATIONS = NODES // 2 + 1
CHAIN_ID = 2_225

_NAME = "geth-clique"
_PROGRAM = Geth(
    "1.13.15",
    "h1:U7sSGYGo4SPjP6iNIifNoyIAiNjrmQkz6EwQG+/EZWo=",
    ldflags=("-checklinkname=0",),  # fjl/memsize reaches into the runtime, which Go forbids from 1.23 on
)
_APIS = "eth,net,web3,txpool,admin,clique,debug,miner"
_READY_S = 60.0
_TELL_AGAIN_S = 5.0
"""A sealer that is told to begin does so in a moment; telling it twice makes it begin its block anew."""
_FUNDS_WEI = 10**30
_EPOCH = 30_000
_FORKS = (
    *("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople"),
    *("petersburg", "istanbul", "berlin", "london"),
)
"""All that clique supports: it refuses Shanghai and what came later."""


class CliqueOptions(Options):
    """`ledger.options` of a scenario. `confirmations` (None: floor(n/2)+1) is what the run counts as final. `extra` are
    further flags of geth as they are, the same for all nodes.
    """

    block_time_s: Annotated[int, Field(ge=1, le=3600)] = 2
    gas_limit: Annotated[int, Field(ge=21_000, lt=2**53)] = 1_000_000_000
    confirmations: Annotated[int, Field(ge=0, le=1000)] = CONFIRMATIONS
    cache_mb: Annotated[int, Field(ge=128, le=1_048_576)] = 256
    extra: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """The nodes' flags that make a difference to what is measured; the period is in the genesis block."""
        return (
            *("--miner.gaslimit", str(self.gas_limit), "--syncmode", "full"),
            *("--cache", str(self.cache_mb)),
            *geth_node.pool_flags(),
            *self.extra,
        )


@dataclass(frozen=True, slots=True)
class _Sealer:
    """A node before it is started. `identity` is its key between peers, `key` the one it signs blocks with."""

    name: str
    directory: Path
    host: str
    port: int
    peer_port: int
    metrics_port: int
    key: Key
    identity: Key

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def enode(self) -> str:
        return f"enode://{self.identity.public.hex()}@{self.host}:{self.peer_port}"


class _Opening:
    """Lets all begin to seal at the same time, when each sees the others. Sealers that begin by themselves each make a
    first block of their own, and such a fork may end with every sealer waiting for another's turn.
    """

    def __init__(self, sealers: list[_Sealer]) -> None:
        self._apart = {sealer.address for sealer in sealers}
        # Turns go by block number over the sorted addresses. Whoever's turn the first block is seals at once, so it
        # comes last, when the others listen: a node takes no block from a peer before it was told to seal.
        turns = [sealer.address for sealer in sorted(sealers, key=lambda sealer: sealer.key.address.lower())]
        self._order = [turns[0], *turns[2:], turns[1]]
        self._told_s: dict[str, float] = {}

    def ready(self, sealer: _Sealer) -> bool:
        """Whether it seals and has a block. Asked of every sealer until it is true."""
        if geth_node.ask_number(sealer.address, "net_peerCount") == NODES - 1:
            self._apart.discard(sealer.address)
        if self._apart:
            return False
        for address in self._order if not self._told_s else ():
            self._tell(address)
        if geth_node.ask(sealer.address, "eth_mining") is not True:
            if time.monotonic() - self._told_s[sealer.address] > _TELL_AGAIN_S:
                self._tell(sealer.address)
            return False
        return geth_node.ask_number(sealer.address, "eth_blockNumber") >= 1

    def _tell(self, address: str) -> None:
        geth_node.ask(address, "miner_start")
        self._told_s[address] = time.monotonic()


class CliqueLedger:
    """See `bench.ledgers.protocol.Ledger`. Keeps nothing: one object may run several networks at a time."""

    info = LedgerInfo(
        name=_NAME,
        family="evm",
        adapter="evm",
        version=_PROGRAM.version,
        nodes=NODES,
        finality=Finality(f"{CONFIRMATIONS} confirmations", CONFIRMATIONS),
        ledger_class=LedgerClass(
            fault_model=FaultModel.CRASH,
            tolerated_faults=(NODES - 1) // 2,
            durability=Durability.FSYNC,
            crypto=CryptoSuite.SECP256K1,
            operators="one per sealer",
            remarks="blocks are synced, the state later",
        ),
        summary="EVM proof of authority: four sealers take turns, no finality",
        download=f"{_PROGRAM.source.size}, built with go and a C compiler in {_PROGRAM.source.takes}",
    )

    def installed(self) -> Path | None:
        """The program on PATH when it is the pinned version, else the one that was built."""
        return _PROGRAM.installed()

    def install(self, progress: Progress) -> Path:
        """Build it from its published module, unless the program is there already."""
        return _PROGRAM.install(progress)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """Start four fresh sealers; each sees the three others and a block when this returns."""
        chosen = parse_options(_NAME, CliqueOptions, options)
        program = self.install(progress)
        directory = directory.absolute()
        funding = Key.named("funding key of clique")
        sealers = [_sealer(directory, index) for index in range(NODES)]
        genesis = directory / "genesis.json"
        directory.mkdir(parents=True, exist_ok=True)
        genesis.write_text(json.dumps(_genesis(sealers, funding, chosen), indent=1))
        progress(f"{_NAME}: writing keys and the genesis block of {NODES} sealers")
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda sealer: _initialise(program, genesis, sealer, sealers), sealers))
        opening = _Opening(sealers)
        specs = [_spec(program, sealer, chosen, opening) for sealer in sealers]
        processes = start_nodes(specs, progress, _NAME)
        progress(f"{_NAME}: ready, chain {CHAIN_ID}, a block every {chosen.block_time_s} s")
        nodes = tuple(
            Node(
                name=sealer.name,
                address=sealer.address,
                pid=process.pid,
                data_directory=sealer.directory,
                command=(program.name, *spec.command[1:]),
                role="sealer",
                metrics_url=f"http://{sealer.host}:{sealer.metrics_port}{geth_node.METRICS_PATH}",
            )
            for sealer, spec, process in zip(sealers, specs, processes, strict=True)
        )
        count = chosen.confirmations
        flags = (f"genesis: clique period={chosen.block_time_s} gasLimit={chosen.gas_limit}", *chosen.flags())
        return replace(
            self.info.network(f"http://{nodes[0].address}", nodes, flags),
            finality=Finality(f"{count} confirmations", count) if count else Finality("inclusion"),
            links=full_mesh([node.name for node in nodes]),
            secrets={geth_node.FUNDING_KEY: "0x" + funding.secret.hex()},
            adapter_options={"confirmations": count},
        )

    def down(self, network: Network) -> None:
        """Stop all nodes, also those another process started."""
        stop_nodes(network)


def _sealer(directory: Path, index: int) -> _Sealer:
    host, name = node_host(index), f"sealer-{index + 1}"
    return _Sealer(
        name=name,
        directory=directory / name,
        host=host,
        port=free_port(host),
        peer_port=free_port(host),
        metrics_port=free_port(host),
        key=Key.named(f"key of clique {name}"),
        identity=Key.named(f"identity of clique {name}"),
    )


def _genesis(sealers: list[_Sealer], funding: Key, options: CliqueOptions) -> dict[str, object]:
    signers = "".join(sorted(sealer.key.address[2:] for sealer in sealers))
    config: dict[str, object] = {f"{fork}Block": 0 for fork in _FORKS}
    config |= {"chainId": CHAIN_ID, "clique": {"period": options.block_time_s, "epoch": _EPOCH}}
    return {
        "config": config,
        "difficulty": "0x1",
        "gasLimit": hex(options.gas_limit),
        "extraData": "0x" + geth_node.network_mark().hex() + signers + 65 * "00",
        "alloc": {funding.address: {"balance": hex(_FUNDS_WEI)}},
    }


def _initialise(program: Path, genesis: Path, sealer: _Sealer, sealers: list[_Sealer]) -> None:
    """Keys, peers and first block of one node."""
    data = sealer.directory / "data"
    geth_node.import_key(program, data, sealer.key)
    geth_node.run_once(program, data, "init", str(genesis))
    identity = data / "geth" / "nodekey"
    identity.parent.mkdir(parents=True, exist_ok=True)
    identity.touch(mode=0o600)
    identity.write_text(sealer.identity.secret.hex())
    peers = json.dumps([other.enode for other in sealers if other is not sealer])
    (sealer.directory / "config.toml").write_text(
        f'[Node.P2P]\nListenAddr = "{sealer.host}:{sealer.peer_port}"\nNoDiscovery = true\nMaxPeers = {2 * NODES}\n'
        f"StaticNodes = {peers}\n"
    )


def _spec(program: Path, sealer: _Sealer, options: CliqueOptions, opening: _Opening) -> NodeSpec:
    data = sealer.directory / "data"
    account = sealer.key.address
    command = (
        *(str(program), "--config", str(sealer.directory / "config.toml"), "--datadir", str(data)),
        *("--networkid", str(CHAIN_ID), "--nat", "none", "--netrestrict", "127.0.0.0/8"),
        *("--miner.etherbase", account, "--unlock", account, "--password", str(data / "password")),
        *("--allow-insecure-unlock", "--authrpc.addr", sealer.host, "--authrpc.port", str(free_port(sealer.host))),
        *geth_node.server_flags(sealer.host, sealer.port, sealer.metrics_port, _APIS),
        *options.flags(),
    )
    return NodeSpec(sealer.name, command, sealer.directory, lambda: opening.ready(sealer), deadline_s=_READY_S)

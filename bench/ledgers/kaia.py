"""Four Kaia consensus nodes (Istanbul BFT): an EVM chain whose blocks are final when they are there.

Every node is a validator of every block, on an address of its own; nobody is discovered. Load goes to the first node,
blocks are followed there. Forks are those up to Shanghai; the base fee stands still, so that what is measured is not a
price. Blocks come at a whole number of seconds.

kcn cannot be told at which address to listen for peers: that one port is open on all of them, and whoever does not come
from loopback is turned away (`--netrestrict`). Its metrics page would be open to all, so it is not started.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.ledgers import geth_node
from bench.ledgers.geth_node import Key
from bench.ledgers.install import golang
from bench.ledgers.install.golang import GoProgram, Toolchain
from bench.ledgers.nodes import NodeSpec, full_mesh, node_host, start_nodes, stop_nodes
from bench.ledgers.options import Options, parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.errors import LedgerError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node

NODES = 4
CHAIN_ID = 2_019
BASE_FEE_WEI = 25 * 10**9

_NAME = "kaia"
_PROGRAM = GoProgram(
    module="github.com/kaiachain/kaia",
    version="v1.0.3",
    sum="h1:7pi+SW8AVKzRZQHQ98WqYEMzKNtDe6sIfEf4CyHNikc=",
    packages=("cmd/kcn",),
    size="about 400 MB of modules, and go 1.22 where the machine has another",
    takes="5 to 10 minutes on two cores",
    toolchain=Toolchain(least="1.22", below="1.23", fallback="1.22.10"),  # its BLS binding fails with newer ones
    cgo=True,
)
_EVERYWHERE = "0.0.0.0"  # kcn has no way to say where it listens for peers; those not from loopback are turned away
_APIS = "eth,net,web3,txpool,kaia,istanbul,admin,debug"
_READY_S = 90.0
_INIT_TIMEOUT_S = 60.0
_FUNDS_WEI = 10**30
_POOL_PER_ACCOUNT = 65_536
_POOL_IN_ALL = 1_000_000
_FORKS = ("istanbul", "london", "ethTxType", "magma", "kore", "shanghai")


class KaiaOptions(Options):
    """`ledger.options` of a scenario. `block_limit_ms` is how long a proposer may fill a block. `extra` are further
    flags of kcn as they are, the same for all nodes.
    """

    block_time_s: Annotated[int, Field(ge=1, le=3600)] = 1
    block_limit_ms: Annotated[int, Field(ge=10, le=60_000)] = 250
    extra: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """The nodes' flags that make a difference to what is measured."""
        return (
            *("--block-generation-interval", str(self.block_time_s)),
            *("--block-generation-time-limit", f"{self.block_limit_ms}ms"),
            *("--txpool.exec-slots.account", str(_POOL_PER_ACCOUNT), "--txpool.exec-slots.all", str(_POOL_IN_ALL)),
            *("--txpool.nonexec-slots.account", str(_POOL_PER_ACCOUNT)),
            *("--txpool.nonexec-slots.all", str(_POOL_IN_ALL), "--txpool.nolocals", "--txpool.journal", ""),
            *self.extra,
        )


@dataclass(frozen=True, slots=True)
class _Validator:
    """A node before it is started. Kaia signs blocks with the key that peers know it by."""

    name: str
    directory: Path
    host: str
    port: int
    ws_port: int
    peer_port: int
    key: Key

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def peer(self) -> str:
        return f"kni://{self.key.public.hex()}@{self.host}:{self.peer_port}?discport=0&ntype=cn"


class KaiaLedger:
    """See `bench.ledgers.protocol.Ledger`. Keeps nothing: one object may run several networks at a time."""

    info = LedgerInfo(
        name=_NAME,
        family="evm",
        adapter="evm",
        version=_PROGRAM.version.removeprefix("v"),
        nodes=NODES,
        finality=Finality("instant (Istanbul BFT)"),
        ledger_class=LedgerClass(
            fault_model=FaultModel.BYZANTINE,
            tolerated_faults=(NODES - 1) // 3,
            durability=Durability.WRITTEN,
            crypto=CryptoSuite.SECP256K1,
            operators="one per validator",
        ),
        summary="EVM with Istanbul BFT: four validators, a block is final when it is there",
        download=f"{_PROGRAM.size}, built with go and a C compiler in {_PROGRAM.takes}",
    )

    def installed(self) -> Path | None:
        """The program on PATH when it is the pinned version, else the one that was built."""
        found = shutil.which("kcn")
        if found is not None and self.info.version in _said(Path(found)):
            return Path(found).resolve()
        folder = golang.cached(_PROGRAM)
        return None if folder is None else folder / "kcn"

    def install(self, progress: Progress) -> Path:
        """Build it from its published module, unless the program is there already."""
        return self.installed() or golang.build(_PROGRAM, progress) / "kcn"

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """Start four fresh validators; each sees the three others and a block when this returns."""
        chosen = parse_options(_NAME, KaiaOptions, options)
        program = self.install(progress)
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        funding = Key.named("funding key of kaia")
        validators = [_validator(directory, index) for index in range(NODES)]
        genesis = directory / "genesis.json"
        genesis.write_text(json.dumps(_genesis(validators, funding), indent=1))
        progress(f"{_NAME}: writing keys and the genesis block of {NODES} validators")
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda one: _initialise(program, genesis, one), validators))
        specs = [_spec(program, validator, validators[:at], chosen) for at, validator in enumerate(validators)]
        processes = start_nodes(specs, progress, _NAME)
        progress(f"{_NAME}: ready, chain {CHAIN_ID}, a block every {chosen.block_time_s} s")
        nodes = tuple(
            Node(
                name=validator.name,
                address=validator.address,
                pid=process.pid,
                data_directory=validator.directory,
                command=(program.name, *spec.command[1:]),
                role="validator",
            )
            for validator, spec, process in zip(validators, specs, processes, strict=True)
        )
        first = validators[0]
        flags = (f"genesis: istanbul, base fee {BASE_FEE_WEI} wei", *chosen.flags())
        return replace(
            self.info.network(f"http://{first.address}", nodes, flags),
            links=full_mesh([node.name for node in nodes]),
            secrets={geth_node.FUNDING_KEY: "0x" + funding.secret.hex()},
            adapter_options={"ws_url": f"ws://{first.host}:{first.ws_port}"},
        )

    def down(self, network: Network) -> None:
        """Stop all nodes, also those another process started."""
        stop_nodes(network)


def _validator(directory: Path, index: int) -> _Validator:
    host, name = node_host(index), f"validator-{index + 1}"
    return _Validator(
        name=name,
        directory=directory / name,
        host=host,
        port=free_port(host),
        ws_port=free_port(host),
        peer_port=free_port(_EVERYWHERE),
        key=Key.named(f"key of kaia {name}"),
    )


def _genesis(validators: list[_Validator], funding: Key) -> dict[str, object]:
    fees = {
        "lowerboundbasefee": BASE_FEE_WEI,
        "upperboundbasefee": BASE_FEE_WEI,
        "gastarget": 30_000_000,
        "maxblockgasusedforbasefee": 60_000_000,
        "basefeedenominator": 20,
    }
    config: dict[str, object] = {f"{fork}CompatibleBlock": 0 for fork in _FORKS}
    config |= {
        "chainId": CHAIN_ID,
        "istanbul": {"epoch": 604_800, "policy": 0, "sub": 21},
        "unitPrice": BASE_FEE_WEI,
        "deriveShaImpl": 2,
        "governance": {"governingNode": validators[0].key.address, "governanceMode": "none", "kip71": fees},
    }
    return {
        "config": config,
        "timestamp": "0x0",
        "extraData": "0x" + _extra([validator.key.address for validator in validators]).hex(),
        "blockScore": "0x1",
        "alloc": {funding.address: {"balance": hex(_FUNDS_WEI)}},
    }


def _extra(addresses: list[str]) -> bytes:
    """The network's mark and RLP of (validators, no seal, no committed seals): what Istanbul begins with."""
    listed = b"".join(b"\x94" + bytes.fromhex(address[2:]) for address in sorted(addresses))
    body = _long_list(listed) + b"\xb8\x41" + bytes(65) + b"\xc0"
    return geth_node.network_mark() + _long_list(body)


def _long_list(payload: bytes) -> bytes:
    """RLP of a list of 56 to 255 bytes."""
    assert 56 <= len(payload) < 256
    return b"\xf8" + bytes([len(payload)]) + payload


def _initialise(program: Path, genesis: Path, validator: _Validator) -> None:
    """Key and first block of one node."""
    validator.directory.mkdir(parents=True, exist_ok=True)
    identity = validator.directory / "nodekey"
    identity.touch(mode=0o600)
    identity.write_text(validator.key.secret.hex())
    command = [str(program), "--datadir", str(validator.directory / "data"), "init", str(genesis)]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_INIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        raise LedgerError("kcn init failed", value=said[-300:], remedy=f"see {validator.directory}") from error


def _spec(program: Path, validator: _Validator, earlier: list[_Validator], options: KaiaOptions) -> NodeSpec:
    host, joining = validator.host, _Joining(validator, earlier)
    command = (
        *(
            str(program),
            "--datadir",
            str(validator.directory / "data"),
            "--nodekey",
            str(validator.directory / "nodekey"),
        ),
        *("--networkid", str(CHAIN_ID), "--rewardbase", validator.key.address),
        *(
            "--port",
            str(validator.peer_port),
            "--nodiscover",
            "--nat",
            "none",
            "--netrestrict",
            "127.0.0.0/8",
            "--ntp.disable",
        ),
        *("--ipcdisable", "--maxconnections", "100"),
        *("--rpc", "--rpcaddr", host, "--rpcport", str(validator.port), "--rpcapi", _APIS, "--rpcvhosts", "*"),
        *("--ws", "--wsaddr", host, "--wsport", str(validator.ws_port), "--wsapi", _APIS, "--wsorigins", "*"),
        *options.flags(),
    )
    return NodeSpec(validator.name, command, validator.directory, joining.ready, deadline_s=_READY_S)


class _Joining:
    """Links a node to those that were started earlier, each as soon as both answer: a peer that is dialled before it
    listens is dialled again half a minute later only.
    """

    def __init__(self, validator: _Validator, earlier: list[_Validator]) -> None:
        self._address = validator.address
        self._waiting = list(earlier)

    def ready(self) -> bool:
        """Whether it sees all others and a block."""
        peers = geth_node.ask_number(self._address, "net_peerCount")
        if peers < 0:
            return False
        for other in list(self._waiting):
            if geth_node.ask_number(other.address, "net_peerCount") >= 0:
                geth_node.ask(self._address, "admin_addPeer", other.peer)
                self._waiting.remove(other)
        return peers == NODES - 1 and geth_node.ask_number(self._address, "eth_blockNumber") >= 1


def _said(program: Path) -> str:
    try:
        return subprocess.run([str(program), "version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""

"""litecoind: nodes of a proof-of-work network in regression-test mode, with a miner that keeps the cadence of blocks.

What it is not: in this mode a block costs no work, so the network shows what the software executes, relays and stores,
and nothing of what proof of work secures. The cadence is the harness's: litecoin's own is 150 s.

Tuning and why is in docs/adapters/litecoin.md. Regression-test mode switches consistency checks on that are off in
every other mode (the pool after each transaction, the block index after each block) and admits non-standard
transactions; all of that is set as on the main network, so that speed and rules are the real ones.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from coincurve import PrivateKey
from pydantic import Field

from bench.ledgers import litecoin_program
from bench.ledgers.bitcoin_rpc import NodeRpc, RpcError, all_at
from bench.ledgers.litecoin_program import LitecoinProgram
from bench.ledgers.nodes import NodeSpec, full_mesh, node_host, start_nodes, stop_nodes
from bench.ledgers.options import Options, parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.process import NodeProcess
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.errors import LedgerError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node
from bench.model.values import JsonValue

FUNDING_KEY = "funding_key"
MINED_BEFORE = 150
"""Blocks before the load, 50 coins each: those but the youngest 100 are ripe and pay for everything."""

_USER = "bench"
_MINER = "miner"
_DEADLINE_S = 60.0
_ROOT = Path(__file__).resolve().parents[2]


class LitecoinOptions(Options):
    """`ledger.options` of a scenario; docs/adapters/litecoin.md explains each. `extra` are further flags of litecoind
    as they are.
    """

    nodes: Annotated[int, Field(ge=1, le=8)] = 3
    block_time_s: Annotated[float, Field(ge=0.2, le=3600)] = 1.0
    confirmations: Annotated[int, Field(ge=1, le=10_000)] = 6
    submit: Annotated[str, Field(pattern="^(miner|all)$")] = "miner"
    observe: Annotated[str, Field(pattern="^(miner|last)$")] = "last"
    relay: Annotated[str, Field(pattern="^(trickle|at once)$")] = "at once"
    mempool_mb: Annotated[int, Field(ge=5, le=100_000)] = 300
    chain_limit: Annotated[int, Field(ge=1, le=100_000)] = 25
    mweb: bool = False
    extra: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """What makes a difference to what is measured; printed in every bundle."""
        chosen = ["-regtest", "-txindex=1", "-disablewallet=1", "-dnsseed=0"]
        chosen += ["-checkmempool=0", "-checkblockindex=0", "-acceptnonstdtxn=0"]
        chosen += [f"-maxmempool={self.mempool_mb}"]
        chosen += [f"-limitancestorcount={self.chain_limit}", f"-limitdescendantcount={self.chain_limit}"]
        chosen += ["-rpcthreads=8", "-rpcworkqueue=1024", "-rpcservertimeout=600"]
        if self.relay == "at once":
            chosen.append("-whitelist=noban@127.0.0.0/8")
        if not self.mweb:
            chosen.append("-vbparams=mweb:-2:0")
        return (*chosen, *self.extra)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one node is to run."""

    name: str
    host: str
    rpc_port: int
    port: int
    directory: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.rpc_port}"


class LitecoinLedger:
    """See `bench.ledgers.protocol.Ledger`."""

    info = LedgerInfo(
        name="litecoin",
        family="utxo",
        adapter="utxo",
        version=litecoin_program.VERSION,
        nodes=3,
        finality=Finality("6 confirmations", 5),
        ledger_class=LedgerClass(
            fault_model=FaultModel.NONE,
            tolerated_faults=0,
            durability=Durability.WRITTEN,
            crypto=CryptoSuite.SECP256K1,
            operators="one",
            remarks="proof of work, without difficulty in regtest; flushed hourly",
        ),
        summary="Bitcoin-family network (UTXO) in regression-test mode; the harness owns the cadence of blocks",
        download=litecoin_program.SIZE,
    )

    def installed(self) -> Path | None:
        """The program on PATH when it is the pinned version and not a wrapper, else the cached one."""
        found = litecoin_program.installed()
        return None if found is None else found.path

    def install(self, progress: Progress) -> Path:
        """Fetch the Debian package and its libraries, unless the program is there already."""
        return litecoin_program.install(progress).path

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """Nodes, links, 150 blocks, and then the miner."""
        chosen = parse_options("litecoin", LitecoinOptions, options)
        program = litecoin_program.install(progress)
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        pair = f"{_USER}:{secrets.token_hex(24)}"
        places = [_place(index, directory) for index in range(chosen.nodes)]
        nodes = [NodeRpc(place.host, place.rpc_port, pair) for place in places]
        cookie = directory / "rpc.cookie"
        _write_secret(cookie, pair)
        specs = [_spec(program, place, chosen, node, pair) for place, node in zip(places, nodes, strict=True)]
        running = start_nodes(specs, progress, "litecoin")
        try:
            _link(places, nodes)
            key = secrets.token_bytes(32)
            reward = f"wpkh({PrivateKey(key).public_key.format().hex()})"
            progress(f"litecoin: linked; mining {MINED_BEFORE} blocks")
            nodes[0].call("generatetodescriptor", MINED_BEFORE, reward)
            _until(lambda: all_at(nodes, MINED_BEFORE), "the first blocks did not reach every node")
            miner = _miner_spec(places[0], cookie, reward, chosen, nodes[0])
            running += start_nodes([miner], progress, "litecoin")
        except RpcError as error:
            _stop(running)
            raise LedgerError(f"litecoin: a node failed: {error}", remedy=f"see its log below {directory}") from error
        except BaseException:
            _stop(running)
            raise
        finally:
            for node in nodes:
                node.close()
        progress(f"litecoin: ready, {chosen.nodes} nodes, a block every {chosen.block_time_s:g} s")
        return _network(places, specs, miner, running, chosen, key, cookie, program)

    def down(self, network: Network) -> None:
        """Stop miner and nodes, also those that another process started."""
        stop_nodes(network)


def _place(index: int, directory: Path) -> _Place:
    host = node_host(index)
    return _Place(f"node-{index + 1}", host, free_port(host), free_port(host), directory / f"node-{index + 1}")


def _spec(program: LitecoinProgram, place: _Place, options: LitecoinOptions, node: NodeRpc, pair: str) -> NodeSpec:
    place.directory.mkdir(parents=True, exist_ok=True)
    _write_secret(place.directory / "litecoin.conf", f"rpcauth={_hashed(pair)}\n")
    command = (
        *(str(program.path), f"-datadir={place.directory}", "-printtoconsole", "-nodebuglogfile"),
        *(f"-bind={place.host}:{place.port}", f"-port={place.port}", "-discover=0", "-upnp=0", "-listenonion=0"),
        *(f"-rpcbind={place.host}", f"-rpcport={place.rpc_port}", "-rpcallowip=127.0.0.0/8"),
        *options.flags(),
    )
    return NodeSpec(place.name, command, place.directory, node.answers, program.environment(), _DEADLINE_S)


def _miner_spec(place: _Place, cookie: Path, reward: str, options: LitecoinOptions, node: NodeRpc) -> NodeSpec:
    command = (
        *(sys.executable, "-m", "bench.ledgers.litecoin_miner", "--url", place.url, "--cookie", str(cookie)),
        *("--reward", reward, "--interval", f"{options.block_time_s:g}"),
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.getenv("PYTHONPATH")]))}
    directory = place.directory.parent / _MINER
    return NodeSpec(_MINER, command, directory, lambda: all_at([node], MINED_BEFORE + 1), environment, _DEADLINE_S)


def _link(places: list[_Place], nodes: list[NodeRpc]) -> None:
    """Every node calls those before it, now, and again whenever a link is lost."""
    for index, node in enumerate(nodes):
        for other in places[:index]:
            node.call("addnode", f"{other.host}:{other.port}", "onetry")
    whole = len(nodes) - 1
    _until(lambda: all(node.call("getconnectioncount") >= whole for node in nodes), "the nodes did not link up")
    for index, node in enumerate(nodes):
        for other in places[:index]:
            node.call("addnode", f"{other.host}:{other.port}", "add")


def _network(
    places: list[_Place],
    specs: list[NodeSpec],
    miner: NodeSpec,
    running: list[NodeProcess],
    options: LitecoinOptions,
    key: bytes,
    cookie: Path,
    program: LitecoinProgram,
) -> Network:
    described = [
        Node(spec.name, f"{place.host}:{place.rpc_port}", process.pid, place.directory, _shown(spec), role)
        for place, spec, process, role in zip(
            places, specs, running, ["mining node", *["node"] * len(places)], strict=False
        )
    ]
    described.append(Node(_MINER, "", running[-1].pid, miner.directory, _shown(miner), "miner"))
    adapter_options: dict[str, JsonValue] = {"cookie_file": str(cookie), "confirmations": options.confirmations}
    if options.observe == "last":
        adapter_options["observe_url"] = places[-1].url
    if options.submit == "all":
        adapter_options["submit_urls"] = [place.url for place in places]
    info = LitecoinLedger.info
    cadence = f"block every {options.block_time_s:g} s by a miner of the harness"
    flags = (*options.flags(), cadence, f"submit={options.submit}", f"observe={options.observe}")
    return replace(
        info.network(places[0].url, described, flags),
        version=program.version() or litecoin_program.VERSION,
        finality=Finality(
            f"{options.confirmations} confirmation{'s' if options.confirmations > 1 else ''}",
            options.confirmations - 1,
        ),
        links=full_mesh([place.name for place in places]),
        secrets={FUNDING_KEY: key.hex()},
        adapter_options=adapter_options,
    )


def _shown(spec: NodeSpec) -> tuple[str, ...]:
    return (Path(spec.command[0]).name, *spec.command[1:])


def _hashed(pair: str) -> str:
    """A line for rpcauth: salt and HMAC-SHA-256 instead of the password."""
    user, _, password = pair.partition(":")
    salt = secrets.token_hex(16)
    return f"{user}:{salt}${hmac.new(salt.encode(), password.encode(), hashlib.sha256).hexdigest()}"


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not done():
        if time.monotonic() > deadline:
            raise LedgerError(f"litecoin: {otherwise}", value=f"after {_DEADLINE_S:g} s", remedy="see the nodes' logs")
        time.sleep(0.05)


def _stop(running: list[NodeProcess]) -> None:
    for process in reversed(running):
        process.stop()

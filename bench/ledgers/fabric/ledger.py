"""Fabric as a managed ledger: two organisations with a peer each, Raft orderers, chaincodes as services of their own.

What it is not: one machine holds it all, so links cost nothing and an organisation's chaincode runs beside its peer.
Everything lies below the run's directory, keys included (made for this network, worth nothing elsewhere).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.ledgers.fabric import channel, configuration, programs
from bench.ledgers.fabric.layout import CHANNEL, Chaincode, Layout, Member, lay_out
from bench.ledgers.fabric.options import FabricOptions
from bench.ledgers.fabric.programs import Programs
from bench.ledgers.nodes import NodeSpec, full_mesh, start_nodes, stop_nodes
from bench.ledgers.options import parse_options
from bench.ledgers.process import NodeProcess, ended_while_starting
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.errors import LedgerError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node
from bench.model.values import JsonValue

FINALITY = Finality("commit (VALID in a block)")
_READY_S = 60.0
_PROBE_TIMEOUT_S = 1.0
_CLASS = LedgerClass(
    fault_model=FaultModel.CRASH_OF_ORDERERS,  # both organisations must endorse, with one peer each
    tolerated_faults=1,
    durability=Durability.FSYNC,
    crypto=CryptoSuite.P256,
    operators="two organisations",
)


class FabricLedger:
    """See `bench.ledgers.protocol.Ledger`. Options: `FabricOptions`."""

    info = LedgerInfo(
        name="fabric",
        family="fabric",
        adapter="fabric",
        version=programs.VERSION,
        nodes=5,
        finality=FINALITY,
        ledger_class=_CLASS,
        summary="execute-order-validate: two organisations, three Raft orderers, chaincode as a service",
        download="about 165 MB of source with go, 3 to 5 minutes to build",
    )

    def installed(self) -> Path | None:
        """The peer, when all programs are in the cache."""
        found = programs.installed()
        return None if found is None else Path(found["peer"])

    def install(self, progress: Progress) -> Path:
        """Build the programs of Fabric, the chaincodes and the client."""
        return Path(programs.install(progress)["peer"])

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A network with its channel and chaincodes committed; every node healthy when this returns."""
        chosen = parse_options("fabric", FabricOptions, options)
        own = None if chosen.fabric_bin is None else Path(chosen.fabric_bin)
        built = programs.install(progress, own)
        began = time.monotonic()
        layout = lay_out(directory.absolute(), chosen.orderers, chosen.chaincodes)
        _refuse_used(layout)
        configuration.write_all(layout, chosen)
        progress("fabric: making keys and the channel's first block")
        channel.make_keys(layout, built)
        configuration.write_profile(layout)
        package_ids = {one.name: channel.package(layout, one) for one in layout.chaincodes}
        running = start_nodes(_specs(layout, built, package_ids), progress, "fabric")
        try:
            progress(f"fabric: joining channel {CHANNEL}, installing and approving {', '.join(chosen.chaincodes)}")
            channel.deploy(layout, built, package_ids)
        except BaseException as error:
            guilty = next((process for process in running if not process.alive()), None)
            for process in running:
                process.stop()
            if guilty is not None:
                raise ended_while_starting(guilty, f"fabric, node {guilty.name},") from error
            raise
        progress(f"fabric: ready after {time.monotonic() - began:.1f} s")
        return _network(layout, built, chosen, running)

    def down(self, network: Network) -> None:
        """Stop every node."""
        stop_nodes(network)


def _refuse_used(layout: Layout) -> None:
    if layout.crypto.exists():
        raise LedgerError("a network was made in this directory before", value=str(layout.root), remedy="take another")


def _specs(layout: Layout, built: Programs, package_ids: Mapping[str, str]) -> list[NodeSpec]:
    members = [_member(built["orderer"], orderer) for orderer in layout.orderers]
    members += [_member(built["peer"], peer, "node", "start") for peer in layout.peers]
    return members + [_chaincode(built, one, package_ids[one.name]) for one in layout.chaincodes]


def _member(program: str, member: Member, *words: str) -> NodeSpec:
    environment = {"FABRIC_CFG_PATH": str(member.directory), "FABRIC_LOGGING_SPEC": "warning", "PATH": _path()}
    ports = [port for port in (member.port, member.admin_port) if port]

    def ready() -> bool:  # a node calls itself healthy before it listens
        return channel.healthy(member) and all(_listens(member.host, port) for port in ports)

    return NodeSpec(member.name, (program, *words), member.directory, ready, environment, _READY_S)


def _chaincode(built: Programs, one: Chaincode, package_id: str) -> NodeSpec:
    environment = {"CHAINCODE_ID": package_id, "CHAINCODE_SERVER_ADDRESS": one.address, "PATH": _path()}
    command = (str(built.chaincodes[one.workload]),)
    return NodeSpec(one.name, command, one.directory, lambda: _listens(one.host, one.port), environment, _READY_S)


def _path() -> str:
    return os.environ.get("PATH", os.defpath)  # the external builder is a shell script


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _PROBE_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _network(layout: Layout, built: Programs, options: FabricOptions, running: list[NodeProcess]) -> Network:
    pids = {process.name: process for process in running}
    nodes = [
        _node(member.name, member.address, pids, role, member.metrics_url)
        for role, members in (("orderer", layout.orderers), ("peer", layout.peers))
        for member in members
    ]
    nodes += [_node(one.name, one.address, pids, "chaincode", None) for one in layout.chaincodes]
    user, peer = layout.peers[0].user("User1") / "msp", layout.peers[0]
    known: dict[str, JsonValue] = {
        "profile": str(layout.profile),
        "cert": str(_only(user / "signcerts")),
        "key": str(_only(user / "keystore")),
        "client": str(built.client),
        "submit_path": options.submit_path,
    }
    tolerated = (options.orderers - 1) // 2
    return replace(
        FabricLedger.info.network(f"grpcs://{peer.address}", nodes, options.flags()),
        version=built.version,
        ledger_class=replace(_CLASS, tolerated_faults=tolerated),
        adapter_options=known,
        links=full_mesh([member.name for member in (*layout.orderers, *layout.peers)]),
    )


def _node(name: str, address: str, running: Mapping[str, NodeProcess], role: str, metrics_url: str | None) -> Node:
    process = running[name]
    return Node(name, address, process.pid, process.directory, (name,), role, metrics_url)


def _only(directory: Path) -> Path:
    (found,) = directory.iterdir()
    return found

"""etcd: Raft among nodes that trust each other; crash faults only, each write on the disks of a majority.

Flags and why: a token of the run's own, so that no node ever joins another run's cluster; room for 8 GiB, because the
default of 2 GiB ends a long run with an alarm; no compaction, so that a watch can start anywhere in the run; fsync
stays on (there is a flag to leave it out, and it is not offered). Heartbeat and election are etcd's defaults. All nodes
are ended at once, so the leader's attempt to hand over is cut short: what was acknowledged is on disk by then.
"""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bench.ledgers.file_system import durability_on, file_system_of
from bench.ledgers.install import debian
from bench.ledgers.install.debian import DebianPackage, Program
from bench.ledgers.nodes import NodeSpec, full_mesh, node_host, start_nodes, stop_nodes
from bench.ledgers.options import Options, parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.process import NodeProcess
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node

VERSION = "3.4.23"
PROGRAM = Program(
    ("etcd",),
    DebianPackage(
        "etcd-server",
        "3.4.23-4+b4",
        {"amd64": "3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d"},
        "8.4 MB",
    ),
)
_QUOTA_BYTES = 8 * 1024**3
_READY_S = 30.0
_PROBE_S = 1.0
_STOP_S = 1.5


class EtcdOptions(Options):
    """`nodes` of the cluster; `heartbeat_ms` and `election_ms` are Raft's own clocks."""

    nodes: Literal[1, 3, 5] = 3
    heartbeat_ms: Annotated[int, Field(ge=10, le=10_000)] = 100
    election_ms: Annotated[int, Field(ge=50, le=50_000)] = 1000

    def flags(self) -> tuple[str, ...]:
        """What every node is told, beyond who and where it is."""
        clocks = ("--heartbeat-interval", str(self.heartbeat_ms), "--election-timeout", str(self.election_ms))
        return (*clocks, "--quota-backend-bytes", str(_QUOTA_BYTES), "--logger", "zap")


class EtcdLedger:
    """See `bench.ledgers.protocol.Ledger`. Options: `EtcdOptions`."""

    info = LedgerInfo(
        name="etcd",
        family="etcd",
        adapter="etcd",
        version=VERSION,
        nodes=3,
        finality=Finality("response (quorum fsync)"),
        ledger_class=LedgerClass(FaultModel.CRASH, 1, Durability.FSYNC, CryptoSuite.NONE, "one", "on a majority"),
        summary="replicated key-value store (Raft), three nodes that trust each other",
        download="8.4 MB with apt",
    )

    def installed(self) -> Path | None:
        """On PATH, else the cached one."""
        found = debian.installed(PROGRAM)
        return None if found is None else found.path

    def install(self, progress: Progress) -> Path:
        """Fetch Debian's package, unless etcd is there."""
        return debian.install(PROGRAM, progress).path

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A fresh cluster; every node says that it is healthy, which takes a leader, when this returns."""
        chosen = parse_options("etcd", EtcdOptions, options)
        program = self.install(progress)
        directory = directory.absolute()
        members = [_Member(index, directory) for index in range(chosen.nodes)]
        cluster = ",".join(f"{member.name}={member.peer_url}" for member in members)
        token = secrets.token_hex(8)
        specs = [
            NodeSpec(
                member.name,
                (str(program), *member.flags(cluster, token), *chosen.flags()),
                member.directory,
                member.healthy,
                deadline_s=_READY_S,
            )
            for member in members
        ]
        processes = start_nodes(specs, progress, "etcd")
        nodes = tuple(
            member.node(process, spec.command) for member, process, spec in zip(members, processes, specs, strict=True)
        )
        return self._network(program, chosen, members, nodes)

    def down(self, network: Network) -> None:
        """All nodes at once, also those another process started."""
        stop_nodes(network, _STOP_S)

    def _network(self, program: Path, options: EtcdOptions, members: list[_Member], nodes: tuple[Node, ...]) -> Network:
        file_system = file_system_of(members[0].directory)
        flags = (*options.flags(), f"file_system={file_system}")
        return replace(
            self.info.network(members[0].client_url, nodes, flags),
            version=_version(program),
            ledger_class=replace(
                self.info.ledger_class,
                tolerated_faults=(options.nodes - 1) // 2,
                durability=durability_on(file_system),
            ),
            links=full_mesh([node.name for node in nodes]),
            adapter_options={"endpoints": [member.client_url for member in members], "keep": True},
        )


class _Member:
    """One node before and while it runs: its name, addresses and directory."""

    def __init__(self, index: int, directory: Path) -> None:
        self.name = f"etcd{index}"
        self.host = node_host(index)
        self.client_port, peer_port = free_port(self.host), free_port(self.host)
        self.client_url = f"http://{self.host}:{self.client_port}"
        self.peer_url = f"http://{self.host}:{peer_port}"
        self.directory = directory / self.name

    def flags(self, cluster: str, token: str) -> tuple[str, ...]:
        """Who it is, and with whom."""
        return (
            *("--name", self.name, "--data-dir", str(self.directory / "data")),
            *("--listen-client-urls", self.client_url, "--advertise-client-urls", self.client_url),
            *("--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url),
            *("--initial-cluster", cluster, "--initial-cluster-token", token, "--initial-cluster-state", "new"),
        )

    def healthy(self) -> bool:
        """What the node says of itself: false without a leader."""
        connection = http.client.HTTPConnection(self.host, self.client_port, timeout=_PROBE_S)
        try:
            connection.request("GET", "/health")
            return str(json.loads(connection.getresponse().read())["health"]) == "true"
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return False
        finally:
            connection.close()

    def node(self, process: NodeProcess, command: tuple[str, ...]) -> Node:
        """As a value."""
        address = f"{self.host}:{self.client_port}"
        return Node(
            self.name,
            address,
            process.pid,
            self.directory,
            command,
            role="member",
            metrics_url=f"{self.client_url}/metrics",
        )


def _version(program: Path) -> str:
    """The version the program reports; "unknown" when it does not run."""
    try:
        done = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.split("\n", 1)[0].rpartition(" ")[2] or "unknown"

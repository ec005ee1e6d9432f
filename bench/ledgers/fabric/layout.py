"""Who is where in a Fabric network of ours: organisations, hosts, ports and folders, fixed before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.nodes import node_host
from bench.ledgers.ports import free_port

CHANNEL = "bench"
ORDERER_DOMAIN = "orderers.bench"
ORDERER_MSP = "OrdererMSP"
ORGANISATIONS = (1, 2)


@dataclass(frozen=True, slots=True)
class Member:
    """A peer or an orderer. `admin_port` is the orderers' own, `chaincode_port` (where chaincodes could register) the
    peers'; 0 where there is none.
    """

    name: str
    domain: str
    msp_id: str
    host: str
    port: int
    operations_port: int
    admin_port: int
    directory: Path
    organisation: Path  # the folder cryptogen makes for it
    chaincode_port: int = 0

    @property
    def address(self) -> str:
        """host:port of its gRPC service."""
        return f"{self.host}:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Its Prometheus page."""
        return f"http://{self.host}:{self.operations_port}/metrics"

    @property
    def full_name(self) -> str:
        """As cryptogen calls it."""
        return f"{self.name.split('-')[0]}.{self.domain}"

    @property
    def home(self) -> Path:
        """Its own key material: msp/ and tls/."""
        return self.organisation / ("orderers" if self.admin_port else "peers") / self.full_name

    @property
    def tls_ca(self) -> Path:
        """Who vouches for its TLS certificate."""
        return self.home / "tls" / "ca.crt"

    def user(self, name: str) -> Path:
        """Folder of a member of its organisation: "Admin" or "User1"."""
        return self.organisation / "users" / f"{name}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Chaincode:
    """One organisation's process of one chaincode."""

    workload: str
    organisation: int
    host: str
    port: int
    directory: Path

    @property
    def name(self) -> str:
        """Of the node."""
        return f"chaincode-{self.workload}-org{self.organisation}"

    @property
    def address(self) -> str:
        """Where its peer finds it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Layout:
    """All members; peers in the order of `ORGANISATIONS`."""

    root: Path
    orderers: tuple[Member, ...]
    peers: tuple[Member, ...]
    chaincodes: tuple[Chaincode, ...]

    @property
    def crypto(self) -> Path:
        """Where cryptogen writes."""
        return self.root / "crypto"

    @property
    def block(self) -> Path:
        """The channel's first block."""
        return self.root / "channel.block"

    @property
    def profile(self) -> Path:
        """The connection profile of the network, as applications use it."""
        return self.root / "connection.json"

    def package(self, chaincode: Chaincode) -> Path:
        """What its organisation installs."""
        return self.root / "packages" / f"{chaincode.name}.tar.gz"


def lay_out(root: Path, orderers: int, workloads: tuple[str, ...]) -> Layout:
    """Free ports on loopback addresses, one address per orderer and per organisation."""
    peers = tuple(_peer(root, number, orderers + number - 1) for number in ORGANISATIONS)
    chaincodes = tuple(
        Chaincode(name, number, peer.host, free_port(peer.host), root / f"chaincode-{name}-org{number}")
        for name in workloads
        for number, peer in zip(ORGANISATIONS, peers, strict=True)
    )
    return Layout(root, tuple(_orderer(root, index) for index in range(orderers)), peers, chaincodes)


def _orderer(root: Path, index: int) -> Member:
    host, name = node_host(index), f"orderer{index}"
    ports = [free_port(host) for _ in range(3)]
    organisation = root / "crypto" / "ordererOrganizations" / ORDERER_DOMAIN
    return Member(name, ORDERER_DOMAIN, ORDERER_MSP, host, ports[0], ports[1], ports[2], root / name, organisation)


def _peer(root: Path, number: int, index: int) -> Member:
    host, domain = node_host(index), f"org{number}.bench"
    ports = [free_port(host) for _ in range(3)]
    organisation = root / "crypto" / "peerOrganizations" / domain
    name = f"peer0-org{number}"
    msp_id = f"Org{number}MSP"
    return Member(name, domain, msp_id, host, ports[0], ports[1], 0, root / name, organisation, ports[2])

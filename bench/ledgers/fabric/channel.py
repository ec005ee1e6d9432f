"""Bringing a channel and its chaincodes into being: keys, first block, joining, and the lifecycle both organisations
go through. Each step is one short program run or one HTTP request; independent ones run at the same time.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.ledgers.fabric.configuration import PROFILE
from bench.ledgers.fabric.layout import CHANNEL, Chaincode, Layout, Member
from bench.ledgers.fabric.programs import Programs
from bench.model.errors import LedgerError

_STEP_TIMEOUT_S = 90
_PROBE_TIMEOUT_S = 2.0
_PAUSE_S = 0.05
_LINES_SHOWN = 6
_VERSION = ("--version", "1.0", "--sequence", "1")


def make_keys(layout: Layout, programs: Programs) -> None:
    """Certificates and keys of every organisation, then the channel's first block, which carries them."""
    config = str(layout.root / "crypto-config.yaml")
    _run([programs["cryptogen"], "generate", f"--config={config}", f"--output={layout.crypto}"], layout.root)
    arguments = ["-profile", PROFILE, "-channelID", CHANNEL, "-outputBlock", str(layout.block)]
    _run([programs["configtxgen"], *arguments, "-configPath", str(layout.root)], layout.root)


def package(layout: Layout, chaincode: Chaincode) -> str:
    """Write the chaincode package of one organisation; returns its id."""
    connection = {"address": chaincode.address, "dial_timeout": "10s", "tls_required": False}
    code = _archive({"connection.json": json.dumps(connection).encode()})
    metadata = json.dumps({"type": "ccaas", "label": chaincode.workload}).encode()
    content = _archive({"metadata.json": metadata, "code.tar.gz": code})
    path = layout.package(chaincode)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"{chaincode.workload}:{hashlib.sha256(content).hexdigest()}"


def join_orderers(layout: Layout) -> None:
    """Tell every orderer of the channel, and wait until they have a leader."""
    in_parallel([_joining(orderer, layout.block.read_bytes()) for orderer in layout.orderers])
    wait_until(lambda: leader(layout) is not None, 30.0, "the orderers elected no leader")


def leader(layout: Layout) -> int | None:
    """Index of the orderer that leads the channel."""
    for index, orderer in enumerate(layout.orderers):
        if metric(orderer, "consensus_etcdraft_is_leader") == 1:
            return index
    return None


def deploy(layout: Layout, programs: Programs, package_ids: Mapping[str, str]) -> None:
    """Peers join the channel; every organisation installs and approves every chaincode; each is committed."""
    cli = _Cli(layout, programs)
    installing: list[Callable[[], object]] = [lambda peer=peer: cli.join(peer) for peer in layout.peers]  # type: ignore[misc]
    installing += [lambda one=one: cli.install(one) for one in layout.chaincodes]  # type: ignore[misc]
    in_parallel([*installing, lambda: join_orderers(layout)])
    in_parallel([lambda one=one: cli.approve(one, package_ids[one.name]) for one in layout.chaincodes])  # type: ignore[misc]
    workloads = dict.fromkeys(one.workload for one in layout.chaincodes)
    in_parallel([lambda name=name: cli.commit(name) for name in workloads])  # type: ignore[misc]
    for peer in layout.peers:  # the gateway finds the other organisation's peer by gossip
        wait_until(lambda peer=peer: (metric(peer, "gossip_membership_total_peers_known") or 0) >= 1, 30.0,  # type: ignore[misc]
                   "the peers did not find each other")  # fmt: skip


def healthy(member: Member) -> bool:
    """Whether a node says so itself."""
    answer = _get(member, "/healthz")
    return answer is not None and answer[0] == 200


def metric(member: Member, name: str) -> float | None:
    """Value of the first sample of `name` on the node's own Prometheus page."""
    answer = _get(member, "/metrics")
    if answer is None:
        return None
    for line in answer[1].splitlines():
        if line.startswith((name + "{", name + " ")):
            return float(line.rsplit(" ", 1)[1])
    return None


def wait_until(condition: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Raises LedgerError that begins with `what` when it has not come true by the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise LedgerError(f"{what} within {deadline_s:g} s", remedy="see the logs of the orderers and peers")
        time.sleep(_PAUSE_S)


def in_parallel(actions: Sequence[Callable[[], object]]) -> None:
    """All at once; waits for all; raises what the first failing one raised."""
    with ThreadPoolExecutor(max(len(actions), 1)) as pool:
        for done in [pool.submit(action) for action in actions]:
            done.result()


class _Cli:
    """The `peer` program in the hands of each organisation's administrator."""

    def __init__(self, layout: Layout, programs: Programs) -> None:
        self._layout = layout
        self._program = programs["peer"]

    def join(self, peer: Member) -> None:
        self._peer(peer, "channel", "join", "-b", str(self._layout.block))

    def install(self, chaincode: Chaincode) -> None:
        self._peer(self._of(chaincode), "lifecycle", "chaincode", "install", str(self._layout.package(chaincode)))

    def approve(self, chaincode: Chaincode, package_id: str) -> None:
        what = ("--name", chaincode.workload, *_VERSION, "--package-id", package_id)
        self._lifecycle(self._of(chaincode), "approveformyorg", what)

    def commit(self, workload: str) -> None:
        peers = [word for peer in self._layout.peers for word in _reached(peer)]
        self._lifecycle(self._layout.peers[0], "commit", ("--name", workload, *_VERSION, *peers))

    def _of(self, chaincode: Chaincode) -> Member:
        return self._layout.peers[chaincode.organisation - 1]

    def _lifecycle(self, peer: Member, step: str, words: tuple[str, ...]) -> None:
        orderer = self._layout.orderers[leader(self._layout) or 0]
        ordering = ("-o", orderer.address, "--tls", "--cafile", str(orderer.tls_ca), "--channelID", CHANNEL)
        self._peer(peer, "lifecycle", "chaincode", step, *ordering, *words)

    def _peer(self, peer: Member, *words: str) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CORE_", "FABRIC_"))},
            "FABRIC_CFG_PATH": str(peer.directory),
            "FABRIC_LOGGING_SPEC": "error",
            "CORE_PEER_ADDRESS": peer.address,
            "CORE_PEER_LOCALMSPID": peer.msp_id,
            "CORE_PEER_MSPCONFIGPATH": str(peer.user("Admin") / "msp"),
            "CORE_PEER_TLS_ROOTCERT_FILE": str(peer.tls_ca),
        }
        _run([self._program, *words], self._layout.root, environment)


def _reached(peer: Member) -> tuple[str, ...]:
    return ("--peerAddresses", peer.address, "--tlsRootCertFiles", str(peer.tls_ca))


def _joining(orderer: Member, block: bytes) -> Callable[[], None]:
    def join() -> None:
        boundary = "ledger-bench-boundary"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="config-block"; filename="block"\r\n\r\n'
        body = head.encode() + block + f"\r\n--{boundary}--\r\n".encode()
        connection = http.client.HTTPConnection(orderer.host, orderer.admin_port, timeout=_STEP_TIMEOUT_S)
        try:
            headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
            connection.request("POST", "/participation/v1/channels", body, headers)
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise LedgerError(f"{orderer.name} did not take the channel: {error}", remedy="see its log") from error
        finally:
            connection.close()
        if answer.status != http.client.CREATED:
            raise LedgerError(f"{orderer.name} refused the channel: {said.strip()}", value=answer.status)

    return join


def _get(member: Member, path: str) -> tuple[int, str] | None:
    connection = http.client.HTTPConnection(member.host, member.operations_port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz that depends on nothing but its files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def _run(command: list[str], directory: Path, environment: Mapping[str, str] | None = None) -> None:
    step = " ".join([Path(command[0]).name, *(word for word in command[1:4] if not word.startswith("-"))])
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_STEP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LedgerError(f"{step} did not end: {error}", remedy="see the logs below the run's directory") from error
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise LedgerError(f"{step} failed: {' / '.join(said[-_LINES_SHOWN:])}", value=done.returncode)

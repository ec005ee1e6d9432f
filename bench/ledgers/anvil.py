"""anvil: one EVM development node, kept in memory, a block every `block_time_s`.

What it is not: it has no peers, no consensus and no disk, so it shows what an EVM executes, not what a network agrees
on. Its funding key is derived by anvil from a fixed seed: the same for everybody, so contract addresses repeat from
trial to trial, and worth nothing elsewhere.

Flags and why: interval mining (mining on every transaction leaves transactions behind under concurrency); a gas limit
no block reaches, so that the limit measured is the node's and not a parameter's — with it the base fee starts at 1 gwei
and only falls; states of past blocks are dropped (`--prune-history`), which keeps memory flat, while blocks and
receipts stay readable.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.ledgers.install import npm
from bench.ledgers.install.npm import NpmProgram
from bench.ledgers.nodes import stop_nodes
from bench.ledgers.options import Options, parse_options
from bench.ledgers.ports import free_port
from bench.ledgers.process import NodeProcess, spawn, wait_ready
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.errors import LedgerError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node

VERSION = "1.7.1"
FUNDING_KEY = "funding_key"
_HOST = "127.0.0.1"
_NODE = "anvil"
_FAMILY = "evm"
_KEY_SEED = 31337
_FUNDS_ETHER = 1_000_000_000_000
_READY_S = 20.0
_PROBE_TIMEOUT_S = 2.0
_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe")  # ELF and Mach-O: a real program, not a wrapper that would hide its pid

_PROGRAMS = {
    ("linux", "x86_64"): NpmProgram(
        package="@foundry-rs/anvil-linux-amd64",
        version=VERSION,
        integrity=("sha512-+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg=="),
        member="package/bin/anvil",
        size="18.9 MB",
    ),
}


class AnvilOptions(Options):
    """`ledger.options` of a scenario. `base_fee` is the first block's in wei (None: anvil's own, 1 gwei); 0 stays 0.
    `keep_states` keeps the states of past blocks readable. `extra` are further flags of anvil as they are.
    """

    block_time_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    gas_limit: Annotated[int, Field(ge=21_000, lt=2**63)] = 1_000_000_000_000
    chain_id: Annotated[int, Field(ge=1, lt=2**53)] = 31337
    base_fee: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    keep_states: bool = False
    extra: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """The node's flags that make a difference to what is measured; all of them are printed in every bundle."""
        chosen = ["--block-time", f"{self.block_time_s:g}", "--gas-limit", str(self.gas_limit)]
        chosen += ["--chain-id", str(self.chain_id)]
        if self.base_fee is not None:
            chosen += ["--block-base-fee-per-gas", str(self.base_fee)]
        if not self.keep_states:
            chosen.append("--prune-history")
        return (*chosen, *self.extra)


class AnvilLedger:
    """See `bench.ledgers.protocol.Ledger`. Keeps nothing: one object may run several networks at a time."""

    info = LedgerInfo(
        name="anvil",
        family=_FAMILY,
        adapter="evm",
        version=VERSION,
        nodes=1,
        finality=Finality("inclusion"),
        ledger_class=LedgerClass(
            fault_model=FaultModel.NONE,
            tolerated_faults=0,
            durability=Durability.MEMORY,
            crypto=CryptoSuite.SECP256K1,
            operators="one",
        ),
        summary="EVM development node, one process, no consensus",
        download="18.9 MB with npm",
    )

    def installed(self) -> Path | None:
        """The program on PATH when it is the pinned version and not a wrapper, else the cached one."""
        found = shutil.which("anvil")
        if found is not None and _is_program(Path(found)) and _version(Path(found)) == VERSION:
            return Path(found).resolve()
        program = _program_here()
        return None if program is None else npm.cached(program)

    def install(self, progress: Progress) -> Path:
        """Fetch the pinned npm package of this platform, unless the program is there already."""
        if found := self.installed():
            return found
        program = _program_here()
        if program is None:
            raise LedgerError(
                "no package of anvil is pinned for this platform",
                value=f"{sys.platform} {platform.machine()}",
                remedy=f"put the program anvil {VERSION} on PATH",
            )
        return npm.fetch(program, progress)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """Start one fresh node on a free loopback port; it answers `eth_chainId` when this returns."""
        chosen = parse_options("anvil", AnvilOptions, options)
        program = self.install(progress)
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port(_HOST)
        keys = directory / "keys.json"
        command = _command(program, port, keys, directory, chosen)
        progress(f"anvil: starting on {_HOST}:{port}")
        process = spawn(command, directory=directory, name=_NODE)
        try:
            wait_ready(process, lambda: _written(keys) and _chain_id(port) == chosen.chain_id, _READY_S, "anvil")
            network = _network(process, program, port, command, chosen, _read_key(keys))
        except BaseException:
            process.stop()
            raise
        progress(f"anvil: ready, chain {chosen.chain_id}, a block every {chosen.block_time_s:g} s")
        return network

    def down(self, network: Network) -> None:
        """Stop the node, also one that another process started."""
        stop_nodes(network)


def _command(program: Path, port: int, keys: Path, directory: Path, options: AnvilOptions) -> list[str]:
    return [
        str(program),
        *("--host", _HOST, "--port", str(port), "--quiet", "--cache-path", str(directory / "states")),
        *("--accounts", "1", "--balance", str(_FUNDS_ETHER), "--mnemonic-seed-unsafe", str(_KEY_SEED)),
        *("--config-out", str(keys)),
        *options.flags(),
    ]


def _network(
    process: NodeProcess, program: Path, port: int, command: list[str], options: AnvilOptions, key: str
) -> Network:
    endpoint = f"http://{_HOST}:{port}"
    node = Node(
        name=_NODE,
        address=f"{_HOST}:{port}",
        pid=process.pid,
        data_directory=process.directory,
        command=(program.name, *command[1:]),
    )
    return replace(
        AnvilLedger.info.network(endpoint, [node], options.flags()),
        version=_version(program) or VERSION,
        secrets={FUNDING_KEY: key},
        adapter_options={"dev_funding": True},
    )


def _chain_id(port: int) -> int | None:
    """What the node answers to `eth_chainId`; None while it does not answer."""
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("POST", "/", call, {"Content-Type": "application/json"})
        return int(json.loads(connection.getresponse().read())["result"], 16)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def _written(path: Path) -> bool:
    """Whether anvil has finished its list of keys; under load it may answer calls before."""
    try:
        json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return True


def _read_key(path: Path) -> str:
    """The node's one funded key; the file goes, so that it is in no data directory afterwards."""
    try:
        key: str = json.loads(path.read_text())["private_keys"][0]
        path.unlink()
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise LedgerError(
            f"anvil did not tell its funding key: {error}", value=str(path), remedy=f"use anvil {VERSION}"
        ) from error
    return key


def _program_here() -> NpmProgram | None:
    machine = {"amd64": "x86_64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    return _PROGRAMS.get((sys.platform, machine))


def _is_program(path: Path) -> bool:
    try:
        with path.open("rb") as content:
            return content.read(4) in _MAGIC
    except OSError:
        return False


def _version(program: Path) -> str | None:
    """The version the program reports, without build suffix; None when it does not run."""
    try:
        done = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, timeout=_READY_S, check=True, env=os.environ
        )
    except (OSError, subprocess.SubprocessError):
        return None
    words = done.stdout.split("\n", 1)[0].split()
    return words[-1].split("-")[0] if words else None

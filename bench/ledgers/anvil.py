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

import difflib
import http.client
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from bench.ledgers import install
from bench.ledgers.install import NpmProgram
from bench.ledgers.ports import free_port
from bench.ledgers.process import NodeProcess, recorded, spawn, wait_ready
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Finality, LedgerClass, Network, Node

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


@dataclass(frozen=True, slots=True)
class AnvilOptions:
    """`ledger.options` of a scenario. `base_fee` is the first block's in wei (None: anvil's own, 1 gwei); 0 stays 0.
    `extra` are further flags of anvil as they are.
    """

    block_time_s: float = 1.0
    gas_limit: int = 1_000_000_000_000
    chain_id: int = 31337
    base_fee: int | None = None
    keep_states: bool = False
    extra: tuple[str, ...] = ()

    @classmethod
    def parse(cls, options: Mapping[str, object]) -> AnvilOptions:
        """Check every key and value; raises ConfigurationError that names the first mistake and its remedy."""
        known = [f.name for f in fields(cls)]
        for key in options:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ConfigurationError(
                    "unknown option of ledger anvil", value=key, remedy=f"{hint}known: {', '.join(known)}"
                )
        defaults = cls()
        base_fee = options.get("base_fee")
        return cls(
            block_time_s=_number(options, "block_time_s", defaults.block_time_s),
            gas_limit=_integer(options, "gas_limit", defaults.gas_limit, least=21_000),
            chain_id=_integer(options, "chain_id", defaults.chain_id, least=1),
            base_fee=None if base_fee is None else _integer(options, "base_fee", 0, least=0),
            keep_states=_flag(options, "keep_states", defaults.keep_states),
            extra=_words(options, "extra"),
        )

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
    """See `bench.ledgers.protocol.Ledger`. One object may run several networks at a time; not for several threads."""

    info = LedgerInfo(
        name="anvil",
        family=_FAMILY,
        adapter="evm",
        version=VERSION,
        nodes=1,
        finality=Finality("inclusion"),
        ledger_class=LedgerClass(
            fault_model="none", tolerated_faults=0, durability="memory only", crypto="secp256k1", operators="one"
        ),
        summary="EVM development node, one process, no consensus",
        download="18.9 MB with npm",
    )

    def __init__(self) -> None:
        self._running: dict[int, NodeProcess] = {}

    def installed(self) -> Path | None:
        """The program on PATH when it is the pinned version and not a wrapper, else the cached one."""
        found = shutil.which("anvil")
        if found is not None and _is_program(Path(found)) and _version(Path(found)) == VERSION:
            return Path(found).resolve()
        program = _program_here()
        return None if program is None else install.cached(program)

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
        return install.fetch(program, progress)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """Start one fresh node on a free loopback port; it answers `eth_chainId` when this returns."""
        chosen = AnvilOptions.parse(options)
        program = self.install(progress)
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port(_HOST)
        keys = directory / "keys.json"
        command = _command(program, port, keys, directory, chosen)
        progress(f"anvil: starting on {_HOST}:{port}")
        process = spawn(command, directory=directory, name=_NODE)
        try:
            wait_ready(process, lambda: _chain_id(port) == chosen.chain_id, _READY_S, "anvil")
            network = _network(process, program, port, command, chosen, _read_key(keys))
        except BaseException:
            process.stop()
            raise
        self._running[process.pid] = process
        progress(f"anvil: ready, chain {chosen.chain_id}, a block every {chosen.block_time_s:g} s")
        return network

    def down(self, network: Network) -> None:
        """Stop the node, also one that another process started."""
        for node in network.nodes:
            process = self._running.pop(node.pid, None) if node.pid is not None else None
            if process is None and node.data_directory is not None:
                process = recorded(node.data_directory, node.name)
            if process is not None:
                process.stop()


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
    info = AnvilLedger.info
    return Network(
        ledger=info.name,
        family=info.family,
        adapter=info.adapter,
        version=_version(program) or VERSION,
        endpoint=endpoint,
        nodes=(node,),
        finality=info.finality,
        ledger_class=info.ledger_class,
        flags=options.flags(),
        secrets={FUNDING_KEY: key},
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


def _number(options: Mapping[str, object], key: str, default: float) -> float:
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 3600:
        raise _wrong(key, value, "a number of seconds above 0")
    return float(value)


def _integer(options: Mapping[str, object], key: str, default: int, *, least: int) -> int:
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**64:
        raise _wrong(key, value, f"a whole number of at least {least}")
    return value


def _flag(options: Mapping[str, object], key: str, default: bool) -> bool:
    value = options.get(key, default)
    if not isinstance(value, bool):
        raise _wrong(key, value, "true or false")
    return value


def _words(options: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = options.get(key, ())
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise _wrong(key, value, "a list of flags, for example ['--order', 'fifo']")
    return tuple(value)


def _wrong(key: str, value: object, wanted: str) -> ConfigurationError:
    return ConfigurationError(f"ledger.options.{key} of anvil must be {wanted}", value=value)

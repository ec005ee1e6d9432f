"""How each contender is prepared on a fresh anvil, and the command that then loads it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from bench.adapters.evm.adapter import EvmAdapter
from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.ledgers.install.cache import cache_directory
from bench.model.ledger import Network
from bench.model.workload import Workload
from benchmarks.goodput.chain import Rpc
from benchmarks.goodput.flooder import Orders

HERE = Path(__file__).resolve().parent.parent
PLUGIN = HERE / "deposit_workload"
CALIPER = HERE / "caliper"
CALIPER_VERSION = "0.6.0"
ACCOUNTS = 200
_PRESIGNED_PER_S = 12_000
_RICH_WEI = 10**24


@dataclass(frozen=True, slots=True)
class Load:
    """What contenders are given alike. Caliper knows no batches and bounds what is in flight by its rate controller."""

    seconds: float
    batch: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start. `orders` go to its standard input; having printed `last_words`, it need not be waited for."""

    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    orders: str = ""
    last_words: str = ""


class Contender(Protocol):
    """One load generator. `ahead` names the process whose CPU counts from its birth, because it signs ahead."""

    @property
    def name(self) -> str:
        """A row of the table."""

    @property
    def ahead(self) -> str:
        """As `Watch` names processes; empty when there is none."""

    def prepare(self, network: Network, directory: Path, load: Load) -> Command:
        """Put on the chain what its process expects there."""


@dataclass(slots=True)
class Flooder:
    """`benchmarks.goodput.flooder`."""

    connections: int
    name: str = "flooder"
    ahead: str = ""

    def prepare(self, network: Network, directory: Path, load: Load) -> Command:  # noqa: ARG002
        """Contract, customers and accounts are made by our adapter."""
        presigned = int(load.seconds * _PRESIGNED_PER_S)
        fixture, customers = prepared(network, presigned)
        orders = Orders(
            network.endpoint,
            asdict(fixture),
            customers,
            load.seconds,
            self.connections,
            load.batch,
            load.in_flight,
            presigned,
        )
        return Command(
            [sys.executable, "-m", "benchmarks.goodput.flooder"], HERE.parent, {}, json.dumps(asdict(orders))
        )


@dataclass(slots=True)
class Ours:
    """`bench.py run` with the plug-in `deposit`, offered `rate` per second."""

    rate: float
    name: str = "ours"
    ahead: str = "bench.load.encoder"

    def prepare(self, network: Network, directory: Path, load: Load) -> Command:
        """Only the scenario; the command does all else itself."""
        scenario = directory / "scenario.yaml"
        endpoint = {"adapter": network.adapter, "url": network.endpoint, "options": dict(network.adapter_options)}
        content: dict[str, Any] = {
            "name": "evm-goodput",
            "endpoint": endpoint,
            "workload": "deposit",
            "arrival": {"process": "constant", "rate": self.rate},
            "phases": {"duration": load.seconds, "warm_up": load.seconds / 5},
            "load": {
                "workers": 1,
                "batch": load.batch,
                "linger": "20ms",
                "lanes": 4,  # as many connections as the flooder has
                "max_lanes": 4,
                "accounts": ACCOUNTS,
                "in_flight": load.in_flight,
            },
        }
        scenario.write_text(yaml.safe_dump(content))
        arguments = [sys.executable, "bench.py", "run", str(scenario), "--out", str(directory / "results"), "--json"]
        path = os.pathsep.join([str(PLUGIN), str(publish_plugin(directory))])
        return Command(
            arguments, HERE.parent, {"PYTHONPATH": path, "BENCH_FUNDING_KEY": network.secrets["funding_key"]}
        )


@dataclass(slots=True)
class Caliper:
    """Hyperledger Caliper with one of its rate controllers."""

    workers: int
    controller: str
    value: int
    program: Path
    ahead: str = ""

    @property
    def name(self) -> str:
        """As it is given to `--caliper`."""
        return f"caliper {self.workers}:{self.controller}:{self.value}"

    def prepare(self, network: Network, directory: Path, load: Load) -> Command:
        """A workspace of its own; contract and customers as for the flooder, money for each worker's account."""
        fixture, customers = prepared(network, 0)
        workspace = directory / "caliper"
        shutil.copytree(CALIPER, workspace)
        (workspace / "node_modules").symlink_to(self.program / "node_modules")
        chain = json.loads((workspace / "networkconfig.json").read_text())
        self._fund(network, workspace, chain["ethereum"]["fromAddressSeed"])
        data: Any = fixture.data
        chain["ethereum"] |= {"url": network.endpoint.replace("http", "ws", 1), "gasPrice": data["fees"]["max_wei"]}
        chain["ethereum"]["contracts"]["bank"] = {
            "address": "0x" + data["contract"],
            "abi": data["abi"],
            "gas": {"depositChecking": data["gas"]["deposit_checking"]},
        }
        (workspace / "networkconfig.json").write_text(json.dumps(chain))
        plan = yaml.safe_load((workspace / "benchmark.yaml").read_text())
        plan["test"]["workers"]["number"] = self.workers
        plan["test"]["rounds"][0] |= {"txDuration": load.seconds, "rateControl": self.rate_control()}
        plan["test"]["rounds"][0]["workload"]["arguments"]["customers"] = customers
        (workspace / "benchmark.yaml").write_text(yaml.safe_dump(plan))
        arguments = ["node", "node_modules/@hyperledger/caliper-cli/caliper.js", "launch", "manager"]
        arguments += ["--caliper-workspace", ".", "--caliper-networkconfig", "networkconfig.json"]
        arguments += ["--caliper-benchconfig", "benchmark.yaml", "--caliper-flow-only-test"]
        return Command(arguments, workspace, last_words="Benchmark finished in")

    def rate_control(self) -> dict[str, Any]:
        """The `rateControl` mapping of its round."""
        if self.controller == "fixed-load":
            return {"type": "fixed-load", "opts": {"transactionLoad": self.value, "startTps": self.value}}
        return {"type": "fixed-rate", "opts": {"tps": self.value}}

    def _fund(self, network: Network, workspace: Path, seed: str) -> None:
        command = ["node", "accounts.js", seed, str(self.workers)]
        found = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=True)
        rpc = Rpc(network.endpoint)
        for address in found.stdout.split():
            rpc.call("anvil_setBalance", address, hex(_RICH_WEI))
        rpc.close()


def prepared(network: Network, writes: int) -> tuple[Fixture, int]:
    """The bank deployed and opened and the accounts funded, by the product's adapter; and the number of customers."""
    workload = deposit()
    adapter = EvmAdapter()
    adapter.open(Endpoint(network.endpoint, options=network.adapter_options))
    try:
        setup = Setup(workload, workload.defaults, ACCOUNTS, writes, 1, network.secrets)
        return adapter.prepare(setup), int(workload.defaults["customers"])
    finally:
        adapter.close()


def deposit() -> Workload:
    """The plug-in's workload."""
    if str(PLUGIN) not in sys.path:
        sys.path.append(str(PLUGIN))
    from deposit_workload import WORKLOAD  # type: ignore[import-not-found]  # a plug-in from outside the package

    assert isinstance(WORKLOAD, Workload)
    return WORKLOAD


def publish_plugin(directory: Path) -> Path:
    """A directory that makes the plug-in known to Python without installing it: what pip would write for it."""
    site = directory / "site"
    facts = site / "deposit_workload-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: deposit-workload\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[bench.workloads]\ndeposit = deposit_workload:WORKLOAD\n")
    return site


def install_caliper() -> Path:
    """Caliper in our cache directory, fetched once by npm; some 150 MB."""
    folder = cache_directory() / "caliper" / CALIPER_VERSION
    if not (folder / "node_modules" / "@hyperledger" / "caliper-cli").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(CALIPER / "package.json", folder)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, check=True, stdout=sys.stderr)
    return folder

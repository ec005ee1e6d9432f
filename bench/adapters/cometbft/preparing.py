"""Preparing a chain: which application it runs, how large a batch its nodes take, accounts, funds, customers."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bench.adapters.cometbft import application, kvstore
from bench.adapters.cometbft.application import FUND, OPEN_CUSTOMERS, Signer, Wallet, domain
from bench.adapters.cometbft.heights import watching_path
from bench.adapters.cometbft.options import CometBftOptions
from bench.adapters.cometbft.rpc import Rpc
from bench.adapters.cometbft.state import ApplicationReader
from bench.adapters.cometbft.statuses import classify_check
from bench.adapters.jsonrpc.rpc import RpcFault
from bench.adapters.protocol import Fixture, JsonValue, Setup
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.operation import Kind
from bench.model.transaction import ACCEPTED

SALT_BYTES = 8
_BATCH_LIMITS = (1000, 100, 10)
"""Tried in this order; 10 is CometBFT's own limit, 0.37 has none."""

_RECIPIENTS = 500
_CUSTOMERS = 100_000
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Chain:
    """What `open` learnt. `genesis` is the first block's id, empty where a node has pruned it."""

    application: str
    chain_id: str
    genesis: str
    version: str


def probe(rpc: Rpc) -> Chain:
    """Three requests. LedgerError for a chain that runs neither application."""
    status: Any = rpc.call("status")
    info: Any = rpc.call("abci_info")
    try:
        node, response = status["node_info"], info["response"]
        chain_id, version = str(node["network"]), str(node["version"])
        data, app_version = str(response.get("data", "")), str(response.get("version", ""))
    except (KeyError, TypeError) as error:
        raise LedgerError(
            f"{rpc.current.target.shown} is no CometBFT node",
            value=str(status)[:200],
            remedy="check that the endpoint is the RPC port of a CometBFT node",
        ) from error
    name = _recognise(data, app_version)
    try:
        first: Any = rpc.attempt("block", height="1")
        genesis = str(first["block_id"]["hash"])
    except (RpcFault, KeyError, TypeError):
        genesis = ""
    return Chain(name, chain_id, genesis, version)


def prepare(rpc: Rpc, chain: Chain, options: CometBftOptions, setup: Setup) -> Fixture:
    """Everything the chain needs before load. Sends nothing that it has already."""
    _check_operations(chain, setup)
    salt, limit = secrets.token_bytes(SALT_BYTES), batch_limit(rpc)
    data: dict[str, JsonValue] = {
        "application": chain.application,
        "chain_id": chain.chain_id,
        "genesis": chain.genesis,
        "salt": salt.hex(),
        "batch_limit": limit,
    }
    disclosed: dict[str, JsonValue] = {
        "application": chain.application,
        "node_version": chain.version,
        "chain_id": chain.chain_id,
        "batch_limit": data["batch_limit"],
        "paths": _paths(rpc, options, limit),
    }
    if chain.application == application.NAME:
        key = _funding_seed(setup)
        secret = sha256(f"bench accounts {setup.seed} ".encode() + (key or b"")).digest()
        treasury = None if key is None else Signer(key)
        work = _Preparation(rpc, chain, options, salt=secrets.token_bytes(SALT_BYTES))
        funded = work.fund(setup, treasury, Wallet(secret))
        opened = work.open_customers(setup, treasury or Wallet(secret)[0])
        addresses = [Wallet(secret).address(index) for index in range(setup.accounts)]
        data |= {"secret": secret.hex(), "money_at_start": ApplicationReader(rpc).money(addresses)}
        disclosed |= {"accounts_funded": funded, "customers_opened": opened}
    return Fixture(accounts=setup.accounts, data=data, disclosed=disclosed)


def _paths(rpc: Rpc, options: CometBftOptions, limit: int) -> list[JsonValue]:
    """What the adapter does with these nodes, in sentences."""
    together = f"requests joined by up to {limit}" if limit > 1 else "one request each, as batches are refused"
    nodes = "one node" if rpc.size == 1 else f"{rpc.size} nodes in turn"
    return [
        watching_path(options.subscribe, options.poll_interval_s),
        "statuses: block and block_results, one exchange per block",
        f"sending: broadcast_tx_sync to {nodes}, {together}",
    ]


def batch_limit(rpc: Rpc) -> int:
    """How many requests a node takes in one exchange, as far as we would use it; 1 where it takes no batches."""
    for limit in _BATCH_LIMITS:
        try:
            rpc.batch([("health", {})] * limit)
        except (RpcFault, LedgerError):
            continue
        return limit
    return 1


def _recognise(data: str, version: str) -> str:
    if data == application.NAME:
        if version != application.VERSION:
            raise LedgerError(
                "the chain runs another version of our application",
                value=version,
                remedy=f"run version {application.VERSION}, that of this checkout",
            )
        return application.NAME
    if data.startswith('{"size":'):
        return kvstore.NAME
    raise LedgerError(
        "the chain runs an application this adapter does not know",
        value=data[:100] or "(it tells no name)",
        remedy="it speaks ledger-bench (bench/ledgers/cometbft/application) and kvstore; what another application's "
        "transactions mean is its own business: write an adapter (docs/write-an-adapter.md)",
    )


def _check_operations(chain: Chain, setup: Setup) -> None:
    ours = chain.application == application.NAME
    writes, reads = (frozenset(application.WRITES), application.READS) if ours else (kvstore.WRITES, kvstore.READS)
    for operation in setup.workload.operations:
        if operation.name not in (reads if operation.kind is Kind.READ else writes):
            raise ConfigurationError(
                f"workload {setup.workload.name} has an operation that application {chain.application} cannot express",
                value=operation.name,
                remedy="choose ledger cometbft, or a workload of writes "
                f"{', '.join(sorted(writes))} and reads {', '.join(sorted(reads))}",
            )


def _funding_seed(setup: Setup) -> bytes | None:
    text = setup.secrets.get("funding_key", "").strip().removeprefix("0x")
    if not text:
        return None
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise ConfigurationError(
            "the funding key is not a private key",
            value="(not shown)",
            remedy="it is the treasury's ed25519 seed, 64 hexadecimal digits",
        )
    return seed


class _Preparation:
    """Sends the transactions of a preparation and waits until they are executed."""

    def __init__(self, rpc: Rpc, chain: Chain, options: CometBftOptions, salt: bytes) -> None:
        self._rpc = rpc
        self._reader = ApplicationReader(rpc)
        self._domain = domain(chain.chain_id)
        self._patience_s = options.setup_timeout_s
        self._salt = salt

    def fund(self, setup: Setup, treasury: Signer | None, wallet: Wallet) -> int:
        """Give every account what it could spend if it sent everything; returns how many needed it."""
        amount = setup.parameters.get("amount")
        pays = any(operation.name == "transfer" for operation in setup.workload.operations)
        if not pays or not isinstance(amount, int) or amount <= 0:
            return 0
        need = amount * max(1, setup.writes)
        addresses = [wallet.address(index) for index in range(setup.accounts)]
        poor = [address for address in addresses if self._reader.number("/balance", address) < need]
        if not poor:
            return 0
        if treasury is None:
            raise LedgerError(
                "no funding key was given",
                remedy="pass --key-file (or set BENCH_FUNDING_KEY) with the hex seed of the treasury in genesis",
            )
        have = self._reader.number("/balance", treasury.address)
        if have < need * len(poor):
            raise LedgerError(
                f"the treasury cannot fund {len(poor)} accounts with {need} each",
                value=have,
                remedy="lower the amount, the number of accounts or the length of the run",
            )
        grants = [address + need.to_bytes(8, "big") for address in poor]
        self._execute(
            treasury,
            FUND,
            [b"".join(grants[start : start + _RECIPIENTS]) for start in range(0, len(grants), _RECIPIENTS)],
        )
        if any(self._reader.number("/balance", address) < need for address in poor):
            raise LedgerError("accounts were not funded", remedy="is somebody else spending the treasury's money?")
        return len(poor)

    def open_customers(self, setup: Setup, signer: Signer) -> int:
        """The bank's customers that are missing; the balances of those that exist are left alone."""
        wanted = setup.parameters.get("customers")
        if setup.workload.name != "smallbank" or not isinstance(wanted, int):
            return 0
        if wanted < 1:
            raise ConfigurationError("customers must be at least 1", value=wanted)
        first = self._reader.number("/smallbank/customers")
        opening = [int(setup.parameters[name]) for name in ("initial_checking", "initial_savings")]
        calls = [
            b"".join(number.to_bytes(8, "big") for number in (start, min(_CUSTOMERS, wanted - start), *opening))
            for start in range(first, wanted, _CUSTOMERS)
        ]
        self._execute(signer, OPEN_CUSTOMERS, calls)
        return max(0, wanted - first)

    def _execute(self, signer: Signer, operation: int, calls: Sequence[bytes]) -> None:
        """In order: each is in a block before the next is sent."""
        for done, arguments in enumerate(calls, start=self._reader.executed(self._salt) + 1):
            raw = signer.sign(self._domain, operation, self._salt, arguments)
            answer = self._rpc.call("broadcast_tx_sync", tx=base64.b64encode(raw).decode())
            code = answer.get("code") if isinstance(answer, dict) else None
            if not isinstance(code, int) or classify_check(code, "", "") != ACCEPTED:
                raise LedgerError("the chain refused a transaction of the preparation", value=str(answer)[:200])
            self._await(done)

    def _await(self, count: int) -> None:
        deadline = time.monotonic() + self._patience_s
        while self._reader.executed(self._salt) < count:
            if time.monotonic() > deadline:
                raise LedgerError(
                    f"a transaction of the preparation was in no block after {self._patience_s:g} s",
                    remedy="does the chain make blocks? It halts when a third of its validators is gone",
                )
            time.sleep(_POLL_S)

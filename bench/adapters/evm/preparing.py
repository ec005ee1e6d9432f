"""Everything done once before load: fees, contract, gas limits, funding, starting sequence numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.adapters.evm.contracts import Artefact, deploy, gas_limits, read_artefact, transfer_gas
from bench.adapters.evm.encoding import NATIVE_READS, NATIVE_WRITES, Contract
from bench.adapters.evm.fees import Fees, choose_fees
from bench.adapters.evm.funding import Funding, Treasury, fund_accounts, need_per_account
from bench.adapters.evm.money import note_opening
from bench.adapters.evm.options import EvmOptions
from bench.adapters.evm.rpc import Rpc
from bench.adapters.evm.signing import CURVE_ORDER, Signer, TransactionCodec, TransactionType, Wallet
from bench.adapters.evm.statuses import choose_source
from bench.adapters.jsonrpc.channel import Channel
from bench.adapters.protocol import Fixture, JsonValue, Setup
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.keccak import keccak256
from bench.model.operation import Kind


@dataclass(frozen=True, slots=True)
class Chain:
    """The opened ledger: how to ask it, how to send to it, and which one it is."""

    rpc: Rpc
    channel: Channel
    chain_id: int
    genesis: str


def prepare(chain: Chain, options: EvmOptions, setup: Setup) -> Fixture:
    """See `Adapter.prepare`. May be repeated: accounts are derived from key and seed, and funded only when short."""
    artefact = read_artefact(setup.workload.directory / "evm")
    _check_operations(setup, artefact)
    signer = _funding_signer(setup.secrets.get("funding_key"), options)
    fees = choose_fees(chain.rpc, options.fees, options.transaction_type)
    kind = _transaction_type(options, fees)
    salt = _salt(setup, options)
    treasury = None
    if signer is not None:
        codec = TransactionCodec(chain.chain_id, kind, fees)
        treasury = Treasury(chain.rpc, chain.channel, codec, signer, options)
    addresses = ["0x" + wallet_address.hex() for wallet_address in map(Wallet(salt).address, range(setup.accounts))]
    contract, gas = _contract_and_gas(chain, options, setup, artefact, treasury, addresses)
    funding = _fund(chain.rpc, options, setup, treasury, addresses, gas, fees)
    counts = chain.rpc.batch("eth_getTransactionCount", [[address, "pending"] for address in addresses])
    opening = None if contract else note_opening(chain.rpc, addresses)
    return Fixture(
        accounts=setup.accounts,
        sequences=tuple(chain.rpc.quantity("eth_getTransactionCount", count) for count in counts),
        data={
            **_data(chain, salt, kind, fees, gas, contract, artefact),
            "opening": None if opening is None else opening.as_data(),
        },
        disclosed=_disclosed(chain, options, kind, fees, gas, contract, funding),
    )


def _check_operations(setup: Setup, artefact: Artefact | None) -> None:
    functions = artefact.functions if artefact else {}
    for operation in setup.workload.operations:
        function = functions.get(operation.name)
        read = operation.kind is Kind.READ
        native = operation.name in (NATIVE_READS if read else NATIVE_WRITES)
        if not native and (function is None or function.read_only is not read):
            raise ConfigurationError(
                f"workload {setup.workload.name} has an operation that this chain cannot express",
                value=operation.name,
                remedy="give the contract under evm/ a function of that name (camelCase)",
            )
        if function is not None and not read and artefact is not None and operation.name not in artefact.plan.gas:
            raise ConfigurationError(
                "evm/setup.json has no gas sample for an operation", value=operation.name, remedy="add it under gas"
            )


def _funding_signer(text: str | None, options: EvmOptions) -> Signer | None:
    if not text:
        if options.dev_funding:
            return None
        raise LedgerError(
            "no funding key was given",
            remedy="pass --key-file (or set BENCH_FUNDING_KEY) with the hex private key of an account with money",
        )
    try:
        secret = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
        raise ConfigurationError(
            "the funding key is not a private key", value="(not shown)", remedy="it has 64 hexadecimal digits"
        )
    return Signer(secret)


def _salt(setup: Setup, options: EvmOptions) -> bytes:
    """Secret where the funding key is; without one (development chains only) the seed alone."""
    key = setup.secrets.get("funding_key", "") if not options.dev_funding else ""
    return keccak256(f"bench accounts {setup.seed} {key.strip().removeprefix('0x').lower()}".encode())


def _transaction_type(options: EvmOptions, fees: Fees) -> TransactionType:
    if options.transaction_type != "auto":
        return TransactionType(options.transaction_type)
    return TransactionType.DYNAMIC_FEE if fees.dynamic else TransactionType.LEGACY


def _contract_and_gas(
    chain: Chain,
    options: EvmOptions,
    setup: Setup,
    artefact: Artefact | None,
    treasury: Treasury | None,
    addresses: Sequence[str],
) -> tuple[Contract | None, dict[str, int]]:
    sender = treasury.address if treasury else addresses[0]
    gas = {"transfer": transfer_gas(chain.rpc, sender, addresses[-1], options.gas_margin)}
    if artefact is None:
        return None, gas
    if treasury is None:
        raise LedgerError("deploying the contract needs a funding key", remedy="pass --key-file")
    contract = deploy(chain.rpc, treasury, artefact, setup.parameters)
    return contract, gas | gas_limits(chain.rpc, sender, artefact, contract, options.gas_margin)


def _fund(
    rpc: Rpc,
    options: EvmOptions,
    setup: Setup,
    treasury: Treasury | None,
    addresses: Sequence[str],
    gas: Mapping[str, int],
    fees: Fees,
) -> Funding:
    used = [gas[operation.name] for operation in setup.workload.operations if operation.name in gas]
    amount = setup.parameters.get("amount")
    moves_value = any(operation.name == "transfer" for operation in setup.workload.operations)
    value = amount if moves_value and isinstance(amount, int) else 0
    need = need_per_account(setup.writes, setup.accounts, max(used, default=gas["transfer"]), fees.max_wei, value)
    payer = None if options.dev_funding else treasury
    return fund_accounts(rpc, payer, addresses, need, gas["transfer"], fees.max_wei)


def _data(
    chain: Chain,
    salt: bytes,
    kind: TransactionType,
    fees: Fees,
    gas: Mapping[str, int],
    contract: Contract | None,
    artefact: Artefact | None,
) -> dict[str, JsonValue]:
    return {
        "salt": salt.hex(),
        "chain_id": chain.chain_id,
        "genesis": chain.genesis,
        "transaction_type": kind.value,
        "fees": {"max_wei": str(fees.max_wei), "priority_wei": str(fees.priority_wei)},
        "gas": dict(gas),
        "contract": contract.address.hex() if contract else None,
        "abi": list(artefact.abi) if artefact else None,
    }


def _disclosed(
    chain: Chain,
    options: EvmOptions,
    kind: TransactionType,
    fees: Fees,
    gas: Mapping[str, int],
    contract: Contract | None,
    funding: Funding,
) -> dict[str, JsonValue]:
    shown: dict[str, JsonValue] = {
        "client": str(chain.rpc.optional("web3_clientVersion", [])),
        "chain_id": chain.chain_id,
        "transaction_type": kind.value,
        "fee_policy": options.fees.policy,
        "gas_limits": dict(gas),
        "status_source": choose_source(chain.rpc, options.status_source, frozenset()).name,
        "accounts_funded": funding.funded,
        "accounts_left_alone": funding.left_alone,
        "funding_source": funding.source,
    }
    shown.update({f"fee_{name}": value for name, value in fees.disclosed.items()})
    if contract is not None:
        shown["contract"] = "0x" + contract.address.hex()
    return shown

"""Everything done once before load: which operations there are, money, outputs, and where the audit begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from bench.adapters.protocol import Fixture, JsonValue, Setup
from bench.adapters.utxo.encoding import READS, WRITES, cannot_express
from bench.adapters.utxo.funding import COIN, Plan, fan_out
from bench.adapters.utxo.heads import WATCHING_PATH
from bench.adapters.utxo.options import UtxoOptions
from bench.adapters.utxo.rpc import Rpc
from bench.adapters.utxo.signing import PAYMENT_VBYTES, Key, Wallet, parse_secret
from bench.adapters.utxo.slots import Slots, slots_per_account
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.operation import Kind
from bench.model.workload import Parameter


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a fixture says, parsed. `start_height`: blocks above it hold the load. `opening`: what the
    accounts held together there, None where the node did not count.
    """

    wallet: Wallet
    slots: Slots
    amount_unit: int
    start_height: int
    opening: int | None


def prepare(rpc: Rpc, chain: str, options: UtxoOptions, setup: Setup) -> Fixture:
    """See `Adapter.prepare`. Each makes outputs of its own; those of an earlier one are left with their keys."""
    for operation in setup.workload.operations:
        if operation.name not in (READS if operation.kind is Kind.READ else WRITES):
            raise cannot_express(operation.name)
    secret = _funding_secret(setup.secrets.get("funding_key"))
    tip = str(rpc.call("getbestblockhash"))
    salt = sha256(b"bench accounts %d %b %b" % (setup.seed, secret, tip.encode())).digest()
    plan = _plan(options, setup)
    wallet = Wallet(salt)
    slots = fan_out(rpc, Key(secret), wallet, plan)
    opening = held(rpc, [wallet[index].script for index in range(setup.accounts)])
    start = rpc.number("getblockcount") if opening is None else opening.height
    data: dict[str, JsonValue] = {
        "chain": chain,
        "salt": salt.hex(),
        "slots": slots.as_json(),
        "amount_unit": options.amount_unit,
        "start_height": start,
        "opening": None if opening is None else opening.value,
    }
    return Fixture(accounts=setup.accounts, data=data, disclosed=_disclosed(rpc, plan, tip, options))


def restore(data: Mapping[str, JsonValue]) -> Prepared:
    """What `prepare` wrote."""
    try:
        opening = data["opening"]
        return Prepared(
            Wallet(bytes.fromhex(str(data["salt"]))),
            Slots.from_json(data["slots"]),
            int(str(data["amount_unit"])),
            int(str(data["start_height"])),
            None if opening is None else int(str(opening)),
        )
    except (KeyError, ValueError) as error:
        raise LedgerError("the fixture is not one of this adapter", value=str(error), remedy="prepare again") from error


@dataclass(frozen=True, slots=True)
class Held:
    """The sum of unspent outputs, counted at this block."""

    value: int
    height: int
    block_id: str


def held(rpc: Rpc, scripts: Sequence[bytes]) -> Held | None:
    """What these scripts hold in blocks (a pool is left out); None where the node does not count in time."""
    try:
        scan = rpc.record("scantxoutset", ["start", [f"raw({script.hex()})" for script in scripts]])
    except LedgerError:
        return None
    amount, height, block_id = scan.get("total_amount"), scan.get("height"), scan.get("bestblock")
    if not isinstance(amount, int | float) or not isinstance(height, int) or not isinstance(block_id, str):
        return None
    return Held(round(amount * COIN), height, block_id)


def _plan(options: UtxoOptions, setup: Setup) -> Plan:
    fee = options.fee_rate * PAYMENT_VBYTES
    return Plan(
        accounts=setup.accounts,
        per_sender=slots_per_account(setup.writes, setup.accounts),
        value=_paid(setup.parameters, options.amount_unit) + fee + options.change,
        fee=fee,
        per_transaction=options.outputs_per_transaction,
        fee_rate=options.fee_rate,
        timeout_s=options.setup_timeout_s,
    )


def _paid(parameters: Mapping[str, Parameter], unit: int) -> int:
    amount = parameters.get("amount", 0)
    return amount * unit if isinstance(amount, int) else 0


def _funding_secret(text: str | None) -> bytes:
    if not text:
        raise LedgerError(
            "no funding key was given",
            remedy="pass --key-file (or set BENCH_FUNDING_KEY) with a private key, hexadecimal or WIF, "
            "whose P2WPKH address has money",
        )
    secret = parse_secret(text)
    if secret is None:
        raise ConfigurationError(
            "the funding key is not a private key",
            value="(not shown)",
            remedy="it has 64 hexadecimal digits, or is the WIF of a compressed key",
        )
    return secret


def _nodes(count: int) -> str:
    return f"{count} nodes in turn" if count > 1 else "one node"


def _disclosed(rpc: Rpc, plan: Plan, tip: str, options: UtxoOptions) -> dict[str, JsonValue]:
    network = rpc.record("getnetworkinfo")
    return {
        "client": str(network.get("subversion", "")).strip("/"),
        "chain": rpc.record("getblockchaininfo").get("chain"),
        "prepared_above_block": tip,
        "outputs_prepared": plan.accounts * plan.per_sender,
        "output_value": plan.value,
        "fee_per_transaction": plan.fee,
        "fee_rate_per_vbyte": plan.fee_rate,
        "amount_unit": options.amount_unit,
        "paths": [
            WATCHING_PATH,
            "statuses: getblock, one request per block; what is in one is valid",
            f"sending: sendrawtransaction to {_nodes(len(options.submit_urls))}",
        ],
        "unconfirmed_chains": "none: one confirmed output for each write of an even share",
        "confirmations": f"{options.confirmations}, the block itself counted",
    }

"""Money from one key for the load: what it owns, and the fan-out into one output per planned write.

Two levels, so that no transaction is larger than nodes relay and none waits in a pool for more than one other: one
transaction splits the key's money into pieces and is confirmed, then each piece becomes up to `outputs_per_transaction`
outputs of the accounts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.adapters.jsonrpc.rpc import RpcFault
from bench.adapters.protocol import JsonValue
from bench.adapters.utxo.rpc import Rpc
from bench.adapters.utxo.signing import (
    INPUT_VBYTES,
    OUTPUT_VBYTES,
    OVERHEAD_VBYTES,
    Key,
    Outpoint,
    Signed,
    Wallet,
    output,
    shown_id,
)
from bench.adapters.utxo.slots import Slots
from bench.model.errors import LedgerError

COIN = 100_000_000
_MATURITY = 100
_POLL_S = 0.1
_MOST_INPUTS = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made: `accounts` × `per_sender` outputs of `value` each."""

    accounts: int
    per_sender: int
    value: int
    fee: int
    per_transaction: int
    fee_rate: int
    timeout_s: float

    @property
    def counts(self) -> list[int]:
        """Outputs of each fan-out transaction."""
        whole, rest = divmod(self.accounts * self.per_sender, self.per_transaction)
        return [self.per_transaction] * whole + ([rest] if rest else [])

    def fan_out_fee(self, outputs: int) -> int:
        """Of one fan-out transaction."""
        return self.fee_rate * (OVERHEAD_VBYTES + INPUT_VBYTES + outputs * OUTPUT_VBYTES)


def fan_out(rpc: Rpc, key: Key, wallet: Wallet, plan: Plan) -> Slots:
    """Returns when every output is in a block."""
    pieces = [count * plan.value + plan.fan_out_fee(count) for count in plan.counts]
    split = _split(rpc, key, pieces, plan.fee_rate)
    _send_and_wait(rpc, [split], plan.timeout_s)
    transactions = []
    first = 0
    for index, (count, piece) in enumerate(zip(plan.counts, pieces, strict=True)):
        owners = [wallet[slot // plan.per_sender].script for slot in range(first, first + count)]
        outputs = b"".join([output(plan.value, script) for script in owners])
        transactions.append(key.spend([Outpoint(split.tx_id, index, piece)], outputs, count))
        first += count
    _send_and_wait(rpc, transactions, plan.timeout_s)
    return Slots(
        [transaction.tx_id for transaction in transactions],
        plan.per_transaction,
        plan.per_sender,
        plan.value,
        plan.fee,
    )


def _split(rpc: Rpc, key: Key, pieces: Sequence[int], fee_rate: int) -> Signed:
    """Spend as much of the key's money as the pieces need; what is left goes back to the key."""
    outputs = b"".join([output(piece, key.script) for piece in pieces])
    fixed = fee_rate * (OVERHEAD_VBYTES + (len(pieces) + 1) * OUTPUT_VBYTES)
    found, tip = _money(rpc, key)
    chosen: list[Outpoint] = []
    for outpoint in found:
        need = sum(pieces) + fixed + len(chosen) * fee_rate * INPUT_VBYTES
        if sum(each.value for each in chosen) > need or len(chosen) == _MOST_INPUTS:
            break
        chosen.append(outpoint)
    fee = fixed + len(chosen) * fee_rate * INPUT_VBYTES
    have, need = sum(each.value for each in chosen), sum(pieces) + fee
    if have <= need:
        raise LedgerError(
            f"the funding key holds {have / COIN:.8f} coins that can be spent at height {tip}, "
            f"and {need / COIN:.8f} are needed",
            remedy="send it more and wait for a confirmation (mined coins need 100 blocks), "
            "or plan fewer writes: lower rate, duration or accounts",
        )
    return key.spend(chosen, outputs + output(have - need, key.script), len(pieces) + 1)


def _money(rpc: Rpc, key: Key) -> tuple[list[Outpoint], int]:
    """What the key can spend, largest first, and the height at which that was so. Mined coins are ripe after 100
    blocks; which of the young ones were mined is asked for each.
    """
    scan = rpc.record("scantxoutset", ["start", [f"raw({key.script.hex()})"]])
    tip, unspents = scan.get("height"), scan.get("unspents")
    assert isinstance(tip, int)
    assert isinstance(unspents, list)
    ripe: list[Outpoint] = []
    young: list[Outpoint] = []
    for item in unspents:
        assert isinstance(item, dict)
        tx_id, index, amount, height = item["txid"], item["vout"], item["amount"], item["height"]
        assert isinstance(index, int)
        assert isinstance(height, int)
        outpoint = Outpoint(shown_id(bytes.fromhex(str(tx_id))), index, round(float(str(amount)) * COIN))
        (ripe if height <= tip - _MATURITY else young).append(outpoint)
    answers = rpc.answers("gettxout", [[shown_id(each.tx_id).hex(), each.index, False] for each in young])
    for outpoint, answer in zip(young, answers, strict=True):
        if isinstance(answer, dict) and answer.get("coinbase") is False:
            ripe.append(outpoint)
    return sorted(ripe, key=lambda each: -each.value), tip


def _send_and_wait(rpc: Rpc, transactions: Sequence[Signed], timeout_s: float) -> None:
    for transaction in transactions:
        try:
            rpc.attempt("sendrawtransaction", [transaction.raw.hex()])
        except RpcFault as fault:
            raise LedgerError(
                "the node refused a setup transaction",
                value=fault.message,
                remedy="see docs/adapters/utxo.md, refusals; is the same funding key used elsewhere at the same time?",
            ) from fault
    ids: list[list[JsonValue]] = [[shown_id(transaction.tx_id).hex(), 0, False] for transaction in transactions]
    _wait_until(
        lambda: all(isinstance(answer, dict) for answer in rpc.answers("gettxout", ids)),
        timeout_s,
        f"{len(ids)} setup transactions were not confirmed",
    )


def _wait_until(done: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            raise LedgerError(
                otherwise,
                value=f"after {timeout_s:g} s",
                remedy="check that blocks are mined; adapter option setup_timeout_s gives them longer",
            )
        time.sleep(_POLL_S)

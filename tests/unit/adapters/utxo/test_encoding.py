"""Operations to requests, and which output each write spends."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from bench.adapters.utxo.encoding import OperationEncoder, request_id
from bench.adapters.utxo.purses import Purses
from bench.adapters.utxo.rawblock import transactions
from bench.adapters.utxo.signing import Outpoint, Wallet, shown_id
from bench.adapters.utxo.slots import Slots, slots_per_account
from bench.api import Account, ConfigurationError, Kind, LedgerError, Operation, Transaction

FANNED = [sha256(b"%d" % number).digest() for number in range(2)]
SLOTS = Slots(FANNED, per_transaction=4, per_sender=3, value=41_410, fee=1_410)
DOCUMENT = sha256(b"document").digest()


def encoder() -> OperationEncoder:
    return OperationEncoder(Wallet(b"salt"), SLOTS, 10_000)


def pay(amount: object = 1) -> Operation:
    return Operation("transfer", {"to": Account(1), "amount": amount})  # type: ignore[dict-item] # wrong ones too


def raw_of(transaction: Transaction) -> bytes:
    return bytes.fromhex(json.loads(transaction.payload)["params"][0])


def spent_by(transaction: Transaction) -> tuple[bytes, int]:
    raw = raw_of(transaction)
    return raw[7:39], int.from_bytes(raw[39:43], "little")


def outputs_of(transaction: Transaction) -> list[tuple[int, bytes]]:
    (parsed,) = transactions(bytes(80) + b"\x01" + raw_of(transaction))
    return list(parsed.outputs)


def test_slots_are_numbered_through_all_fan_out_transactions() -> None:
    assert SLOTS.outpoint(0, 0) == Outpoint(FANNED[0], 0, 41_410)
    assert SLOTS.outpoint(1, 0) == Outpoint(FANNED[0], 3, 41_410)
    assert SLOTS.outpoint(1, 1) == Outpoint(FANNED[1], 0, 41_410)


def test_slots_survive_json() -> None:
    assert Slots.from_json(json.loads(json.dumps(SLOTS.as_json()))) == SLOTS
    with pytest.raises(LedgerError, match="not one of this adapter"):
        Slots.from_json(None)


@pytest.mark.parametrize(("writes", "accounts"), [(1, 1), (20_000, 200), (500, 4), (999, 15), (10, 1000)])
def test_there_are_slots_however_many_workers_share_the_accounts(writes: int, accounts: int) -> None:
    each = slots_per_account(writes, accounts)
    for workers in range(1, min(accounts, 64) + 1):
        share = -(-writes // workers)  # of the busiest worker
        assert each >= -(-share // (accounts // workers))
    assert each <= 2 * -(-writes // accounts) + 12


def test_the_request_carries_the_signed_transaction_under_its_id() -> None:
    transaction = encoder().encode(pay(), 0)
    request = json.loads(transaction.payload)
    assert request["method"] == "sendrawtransaction"
    assert request["id"] == transaction.tx_id.hex() == request_id(transaction.payload)
    stripped = raw_of(transaction)[:4] + raw_of(transaction)[6 : 6 + 1 + 41 + 1 + 62] + bytes(4)
    assert transaction.tx_id == shown_id(sha256(sha256(stripped).digest()).digest())


def test_a_payment_pays_units_and_returns_the_rest() -> None:
    wallet = Wallet(b"salt")
    assert outputs_of(encoder().encode(pay(2), 0)) == [
        (20_000, wallet[1].script),
        (41_410 - 1_410 - 20_000, wallet[0].script),
    ]


def test_the_n_th_write_of_a_sender_spends_its_n_th_output() -> None:
    one = encoder()
    assert [spent_by(one.encode(pay(), sender)) for sender in (0, 1, 0, 1)] == [
        (FANNED[0], 0),
        (FANNED[0], 3),
        (FANNED[0], 1),
        (FANNED[1], 0),
    ]


def test_beyond_its_share_a_sender_spends_its_oldest_change() -> None:
    one = encoder()
    first = [one.encode(pay(), 0) for _ in range(3)]
    further = one.encode(pay(), 0)
    assert spent_by(further) == (shown_id(first[0].tx_id), 1)
    assert outputs_of(further)[1][0] == 41_410 - 2 * 11_410


def test_a_sender_without_money_is_an_error_that_says_what_to_do() -> None:
    one = encoder()
    for _ in range(9):
        one.encode(pay(), 0)
    with pytest.raises(ConfigurationError, match="7180, and 14410 are needed") as caught:
        one.encode(pay(), 0)
    assert "spread the writes" in caught.value.remedy
    one.encode(pay(), 1)


def test_nothing_is_left_where_nothing_was_put() -> None:
    purses = Purses(Slots(FANNED, 4, 0, 100, 1))
    with pytest.raises(ConfigurationError, match="none is left"):
        purses.take(0, 1)


def test_an_anchor_carries_the_document_and_costs_the_fee() -> None:
    transaction = encoder().encode(Operation("anchor", {"document": DOCUMENT}), 0)
    assert outputs_of(transaction) == [(0, b"\x6a\x20" + DOCUMENT), (40_000, Wallet(b"salt")[0].script)]


def test_verify_asks_for_the_transaction_that_anchored_first() -> None:
    one = encoder()
    verify = Operation("verify", {"document": DOCUMENT}, Kind.READ)
    unknown = json.loads(one.encode(verify, 0).payload)
    anchored = one.encode(Operation("anchor", {"document": DOCUMENT}), 0)
    one.encode(Operation("anchor", {"document": DOCUMENT}), 0)
    known = one.encode(verify, 0)
    request = json.loads(known.payload)
    assert known.tx_id == b""
    assert request["id"] == unknown["id"] == DOCUMENT.hex()
    assert request["params"] == [anchored.tx_id.hex(), True]
    assert unknown["params"][0] != anchored.tx_id.hex()


@pytest.mark.parametrize(
    "operation",
    [
        Operation("deposit_checking", {"customer": 1, "amount": 1}),
        Operation("balance", {"of": Account(1)}, Kind.READ),
        Operation("transfer", {"to": Account(1), "amount": 1}, Kind.READ),
        Operation("transfer", {"to": 1, "amount": 1}),
        pay(0),
        pay("1"),
        pay(True),
        Operation("anchor", {"document": b"short"}),
        Operation("verify", {"document": "text"}, Kind.READ),
    ],
)
def test_what_cannot_be_expressed_is_refused(operation: Operation) -> None:
    with pytest.raises(ConfigurationError):
        encoder().encode(operation, 0)

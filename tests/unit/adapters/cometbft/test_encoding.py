"""Transactions against an independent reading of the format, and what cannot be encoded."""

import base64
import struct
from hashlib import sha256

import orjson
import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.cometbft.application import (
    MAX_AMOUNT,
    WRITES,
    ApplicationEncoder,
    domain,
    query_of,
)
from bench.adapters.cometbft.encoding import read_request, request_id, write_request
from bench.adapters.cometbft.kvstore import KvStoreEncoder
from bench.api import Account, ConfigurationError, Kind, Operation

SALT, SECRET, CHAIN = b"saltsalt", b"secret", "chain-1"
DOCUMENT = bytes(range(32))


def encoder() -> ApplicationEncoder:
    return ApplicationEncoder(CHAIN, SECRET, SALT)


def raw_of(payload: bytes) -> bytes:
    request = orjson.loads(payload)
    assert request["jsonrpc"] == "2.0"
    assert request["method"] == "broadcast_tx_sync"
    return base64.b64decode(request["params"]["tx"], validate=True)


@pytest.mark.parametrize(
    ("operation", "code", "arguments"),
    [
        (Operation("transfer", {"to": Account(3), "amount": 258}), 1, None),
        (Operation("anchor", {"document": DOCUMENT}), 3, DOCUMENT),
        (Operation("amalgamate", {"from": 1, "to": 2}), 6, struct.pack(">QQ", 1, 2)),
        (Operation("deposit_checking", {"customer": 1, "amount": 130}), 7, struct.pack(">QQ", 1, 130)),
        (Operation("send_payment", {"from": 1, "to": 2, "amount": 9}), 8, struct.pack(">QQQ", 1, 2, 9)),
        (Operation("transact_savings", {"customer": 1, "amount": -5}), 9, struct.pack(">Qq", 1, -5)),
        (Operation("write_check", {"customer": 1, "amount": 500}), 10, struct.pack(">QQ", 1, 500)),
    ],
)
def test_a_transaction_is_what_the_format_says_and_its_signature_holds(operation, code, arguments):
    ours = encoder()
    transaction = ours.encode(operation, 7)
    raw = raw_of(transaction.payload)
    if arguments is None:
        arguments = ours.wallet.address(3) + struct.pack(">Q", 258)
    public = raw[2:34]
    assert raw[:2] == bytes((1, code))
    assert ours.wallet.address(7) == sha256(public).digest()[:20]
    assert raw[34:50] == SALT + bytes(8)
    assert raw[50:-64] == arguments
    assert transaction.tx_id == sha256(raw).digest()
    key = eddsa.import_public_key(public)
    assert isinstance(key, ECC.EccKey)
    eddsa.new(key, "rfc8032").verify(domain(CHAIN) + raw[:-64], raw[-64:])
    with pytest.raises(ValueError, match="not authentic"):
        eddsa.new(key, "rfc8032").verify(domain("chain-2") + raw[:-64], raw[-64:])


def test_all_writes_of_the_three_workloads_are_known():
    assert set(WRITES) == {
        *("transfer", "anchor"),
        *("amalgamate", "deposit_checking", "send_payment", "transact_savings", "write_check"),
    }


def test_each_sender_counts_for_itself_and_equal_operations_differ():
    ours = encoder()
    pay = Operation("transfer", {"to": Account(0), "amount": 1})
    raws = [raw_of(ours.encode(pay, sender).payload) for sender in (1, 1, 2)]
    assert [int.from_bytes(raw[42:50], "big") for raw in raws] == [0, 1, 0]
    assert len(set(raws)) == 3


@given(amount=st.integers(0, MAX_AMOUNT), sender=st.integers(0, 2**32))
def test_the_request_id_is_found_again_and_fits_a_float(amount, sender):
    payload = encoder().encode(Operation("transfer", {"to": Account(1), "amount": amount}), sender).payload
    number = orjson.loads(payload)["id"]
    assert request_id(payload) == number
    assert int(float(number)) == number


@pytest.mark.parametrize(
    "operation",
    [
        Operation("transfer", {"to": Account(1), "amount": -1}),
        Operation("transfer", {"to": Account(1), "amount": MAX_AMOUNT + 1}),
        Operation("transfer", {"to": Account(1), "amount": True}),
        Operation("transfer", {"to": 1, "amount": 1}),
        Operation("transfer", {"to": Account(1)}),
        Operation("transfer", {"to": Account(1), "amount": 1, "more": 1}),
        Operation("anchor", {"document": b"short"}),
        Operation("mint", {"amount": 1}),
        Operation("balance", {"whose": 1}, Kind.READ),
    ],
)
def test_what_cannot_be_encoded_is_said(operation):
    with pytest.raises(ConfigurationError):
        encoder().encode(operation, 0)


def test_a_read_of_one_name_is_told_apart_by_its_arguments():
    address = encoder().wallet.address
    assert query_of("balance", {"of": Account(2)}, address) == ("/balance", address(2))
    assert query_of("balance", {"customer": 2}, address) == ("/smallbank/balance", struct.pack(">Q", 2))
    assert query_of("total_of", {"first": 5, "count": 6}, address) == ("/smallbank/total", struct.pack(">QQ", 5, 6))
    assert query_of("penalties", {}, address) == ("/smallbank/penalties", b"")


def test_a_read_is_a_query_without_an_id():
    transaction = read_request("/verify", DOCUMENT)
    request = orjson.loads(transaction.payload)
    assert transaction.tx_id == b""
    assert (request["method"], request["params"]) == ("abci_query", {"path": "/verify", "data": DOCUMENT.hex()})
    assert request_id(transaction.payload) == request["id"]


def test_kvstore_transactions_are_key_and_value_and_never_equal():
    ours = KvStoreEncoder(SALT)
    anchor = Operation("anchor", {"document": DOCUMENT})
    raws = [raw_of(ours.encode(anchor, sender).payload) for sender in (4, 4, 5)]
    salt = SALT.hex()
    assert raws == [f"{DOCUMENT.hex()}={rest}".encode() for rest in (f"4.{salt}.0", f"4.{salt}.1", f"5.{salt}.0")]
    with pytest.raises(ConfigurationError, match="known: anchor, verify"):
        ours.encode(Operation("transfer", {"to": Account(1), "amount": 1}), 0)
    with pytest.raises(ConfigurationError, match="32 bytes"):
        ours.encode(Operation("anchor", {"document": b"x"}), 0)


def test_the_id_is_the_hash_cometbft_gives():
    """From a real node's answer to `a=b`."""
    assert (
        write_request(b"a=b").tx_id.hex().upper() == "42144F3939C3FFBBF0BF8B1F12AFFB5C23A4C5BD41E0FF672D54A5754F062058"
    )

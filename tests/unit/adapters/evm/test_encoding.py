from pathlib import Path

import orjson
import pytest
from eth_abi.abi import encode as abi_encode

from bench.adapters.evm.abi import parse_abi
from bench.adapters.evm.encoding import Contract, OperationEncoder, request_id
from bench.adapters.evm.fees import Fees
from bench.adapters.evm.signing import TransactionCodec, TransactionType, Wallet
from bench.model.errors import ConfigurationError
from bench.model.operation import Account, Kind, Operation
from tests.support.oracle import EthAccount

ROOT = Path(__file__).parents[4]
ABI = orjson.loads((ROOT / "workloads/smallbank/evm/contract.json").read_bytes())["abi"]
ADDRESS = b"\xcc" * 20
CHAIN_ID = 2**40 + 7
WALLET = Wallet(b"test")


def encoder(contract: bool = True) -> OperationEncoder:
    codec = TransactionCodec(CHAIN_ID, TransactionType.DYNAMIC_FEE, Fees(9, 2, 1, dynamic=True))
    gas = {"transfer": 21_000, "send_payment": 60_000, "transact_savings": 61_000}
    return OperationEncoder(codec, WALLET, gas, Contract(ADDRESS, parse_abi(ABI)) if contract else None)


def expected(sender: int, nonce: int, to: bytes, gas: int, value: int = 0, data: bytes = b"") -> tuple[bytes, bytes]:
    fields = {"chainId": CHAIN_ID, "nonce": nonce, "to": to, "gas": gas, "value": value, "data": data, "type": 2}
    prices = {"maxFeePerGas": 9, "maxPriorityFeePerGas": 2}
    signed = EthAccount.sign_transaction(fields | prices, WALLET._secret(sender))
    return bytes(signed.raw_transaction), bytes(signed.hash)


def test_a_transfer_between_accounts():
    done = encoder(contract=False).encode(Operation("transfer", {"to": Account(4), "amount": 1000}), 3, 300)
    raw, tx_id = expected(3, 300, WALLET.address(4), 21_000, value=1000)
    assert done.tx_id == tx_id
    request = orjson.loads(done.payload)
    assert request == {
        "jsonrpc": "2.0",
        "id": int.from_bytes(tx_id[-6:], "big"),
        "method": "eth_sendRawTransaction",
        "params": ["0x" + raw.hex()],
    }
    assert request_id(done.payload) == request["id"]


def test_a_contract_call_takes_arguments_by_name():
    done = encoder().encode(Operation("send_payment", {"amount": 5, "to": 2, "from": 1}), 0, 0)
    data = parse_abi(ABI)["send_payment"].selector + abi_encode(["uint256"] * 3, [1, 2, 5])
    assert done.tx_id == expected(0, 0, ADDRESS, 60_000, data=data)[1]
    done = encoder().encode(Operation("transact_savings", {"customer": 1, "amount": -5}), 0, 1)
    data = parse_abi(ABI)["transact_savings"].selector + abi_encode(["uint256", "int256"], [1, -5])
    assert done.tx_id == expected(0, 1, ADDRESS, 61_000, data=data)[1]


def test_a_filler_pays_nothing_to_its_own_sender():
    assert encoder().filler(2, 9).tx_id == expected(2, 9, WALLET.address(2), 21_000)[1]


def test_reads():
    done = encoder().encode(Operation("balance", {"customer": 3}, Kind.READ), 0, 0)
    assert done.tx_id == b""
    request = orjson.loads(done.payload)
    data = parse_abi(ABI)["balance"].selector + abi_encode(["uint256"], [3])
    assert request["method"] == "eth_call"
    assert request["params"] == [{"to": "0x" + "cc" * 20, "data": "0x" + data.hex()}, "latest"]
    assert request["id"] == request_id(done.payload) < 2**48
    native = encoder(contract=False).encode(Operation("balance", {"of": Account(3)}, Kind.READ), 0, 0)
    assert orjson.loads(native.payload)["params"] == ["0x" + WALLET.address(3).hex(), "latest"]
    assert encoder().encode(Operation("balance", {"customer": 3}, Kind.READ), 5, 7) == done


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (Operation("nonsense"), "cannot encode this operation"),
        (Operation("balance", {"customer": 1}), "cannot encode this operation"),
        (Operation("send_payment", {"customer": 1}, Kind.READ), "no such read"),
        (Operation("transfer", {"to": 3, "amount": 1}), "transfer needs to: an account"),
        (Operation("transfer", {"to": Account(1), "amount": -1}), "transfer takes"),
        (Operation("transfer", {"to": Account(1), "amount": 1, "memo": 2}), "transfer takes"),
        (Operation("send_payment", {"from": -1, "to": 2, "amount": 5}), "send_payment takes"),
    ],
)
def test_what_cannot_be_encoded_is_said(operation, said):
    with pytest.raises(ConfigurationError, match=said):
        encoder().encode(operation, 0, 0)

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.adapters.evm.fees import Fees
from bench.adapters.evm.rlp import encode_bytes, encode_int, encode_list
from bench.adapters.evm.signing import Signer, TransactionCodec, TransactionType, Wallet, value_and_data
from bench.model.keccak import fast_keccak256, keccak256
from tests.support.oracle import EthAccount

WEI = st.integers(0, 2**96)
FIELDS = st.fixed_dictionaries(
    {
        "chain_id": st.one_of(st.integers(1, 300), st.integers(2**32, 2**53), st.integers(1, 2**62)),
        "nonce": st.one_of(st.integers(0, 300), st.integers(0, 2**63)),
        "gas": st.integers(21_000, 2**40),
        "price": WEI,
        "tip": WEI,
        "value": st.one_of(st.just(0), st.integers(0, 2**200)),
        "to": st.binary(min_size=20, max_size=20),
        "data": st.one_of(st.just(b""), st.binary(min_size=1, max_size=70), st.integers(200, 70_000).map(bytes)),
        "secret": st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big")),
    }
)


def ours(kind: TransactionType, fields: dict) -> bytes:
    fees = Fees(fields["price"], min(fields["tip"], fields["price"]), 0, kind is TransactionType.DYNAMIC_FEE)
    codec = TransactionCodec(fields["chain_id"], kind, fees)
    middle = codec.middle(fields["gas"], fields["to"])
    rest = value_and_data(fields["value"], fields["data"])
    return codec.sign(Signer(fields["secret"]).sign, fields["nonce"], middle, rest)


def oracle(kind: TransactionType, fields: dict) -> bytes:
    transaction = {name: fields[name] for name in ("nonce", "gas", "value", "to", "data")}
    transaction["chainId"] = fields["chain_id"]
    if kind is TransactionType.DYNAMIC_FEE:
        tip = min(fields["tip"], fields["price"])
        transaction |= {"type": 2, "maxFeePerGas": fields["price"], "maxPriorityFeePerGas": tip}
    elif kind is TransactionType.ACCESS_LIST:
        transaction |= {"type": 1, "gasPrice": fields["price"], "accessList": []}
    else:
        transaction["gasPrice"] = fields["price"]
    return bytes(EthAccount.sign_transaction(transaction, fields["secret"]).raw_transaction)


@settings(max_examples=60, deadline=None)
@given(fields=FIELDS, kind=st.sampled_from(list(TransactionType)))
def test_transactions_are_byte_identical_to_eth_account(fields, kind):
    assert ours(kind, fields) == oracle(kind, fields)


def test_a_signature_with_leading_zeros_is_stripped_like_eth_account():
    # Nonce 0 … 700 of one key: r or s begins with a zero byte in about five of them.
    fields = {"chain_id": 1, "gas": 21_000, "price": 10, "tip": 1, "value": 1, "to": b"\x11" * 20, "data": b""}
    shorter = 0
    for nonce in range(700):
        case = fields | {"nonce": nonce, "secret": b"\x07" * 32}
        raw = ours(TransactionType.DYNAMIC_FEE, case)
        if raw[1] == 0xF8 and raw[2] < 0x6A + (nonce > 127) + (nonce > 255):
            shorter += 1
            assert raw == oracle(TransactionType.DYNAMIC_FEE, case)
    assert shorter > 0


def test_creation_has_an_empty_recipient():
    secret = b"\x05" * 32
    codec = TransactionCodec(31337, TransactionType.LEGACY, Fees(7, 7, 0, dynamic=False))
    raw = codec.sign(Signer(secret).sign, 3, codec.middle(90_000, b""), value_and_data(0, b"\x60\x00"))
    fields = {"nonce": 3, "gas": 90_000, "gasPrice": 7, "value": 0, "to": "", "data": b"\x60\x00", "chainId": 31337}
    assert raw == bytes(EthAccount.sign_transaction(fields, secret).raw_transaction)


def test_addresses_are_those_of_the_keys_and_depend_on_the_salt():
    wallet = Wallet(b"salt")
    secret = keccak256(b"salt" + (5).to_bytes(8, "big"))
    assert "0x" + wallet.address(5).hex() == EthAccount.from_key(secret).address.lower()
    assert wallet[5] is wallet[5]
    assert Wallet(b"other").address(5) != wallet.address(5)


@given(data=st.binary(max_size=500))
def test_the_fast_hash_is_keccak(data):
    assert FAST(data) == keccak256(data)


FAST = fast_keccak256()


def test_keccak_of_nothing():
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert FAST is not keccak256


def test_rlp_examples_of_the_yellow_paper():
    assert encode_bytes(b"dog") == b"\x83dog"
    assert encode_int(0) == b"\x80"
    assert encode_int(15) == b"\x0f"
    assert encode_int(1024) == b"\x82\x04\x00"
    assert encode_list(encode_bytes(b"cat") + encode_bytes(b"dog")) == b"\xc8\x83cat\x83dog"
    assert encode_list(b"") == b"\xc0"
    assert encode_bytes(bytes(56)) == b"\xb8\x38" + bytes(56)
    assert encode_bytes(bytes(1024)) == b"\xb9\x04\x00" + bytes(1024)
    assert encode_list(bytes(55)) == b"\xf7" + bytes(55)
    assert encode_list(bytes(56)) == b"\xf8\x38" + bytes(56)
    assert encode_list(bytes(256)) == b"\xf9\x01\x00" + bytes(256)

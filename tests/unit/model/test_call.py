import hashlib

import msgpack
import pytest

from bench.model.call import Call, encode_read, encode_write
from bench.model.errors import ConfigurationError
from bench.model.operation import Account, Kind, Operation

PAY = Operation("pay", {"to": Account(3), "amount": 5, "memo": "x", "raw": b"\0", "urgent": True})


def test_a_write_is_named_by_the_hash_of_its_bytes() -> None:
    transaction = encode_write(PAY, b"salt", 1, 2, 7)
    assert transaction.tx_id == hashlib.sha256(transaction.payload).digest()
    arguments = {"to": 3, "amount": 5, "memo": "x", "raw": b"\0", "urgent": True}
    assert Call.unpack(transaction.payload) == Call(b"salt", 1, 2, 7, "pay", arguments)


def test_salt_sender_sequence_and_count_each_make_another_transaction() -> None:
    variants = [(b"a", 0, 0, 0), (b"b", 0, 0, 0), (b"a", 1, 0, 0), (b"a", 0, 1, 0), (b"a", 0, 0, 1)]
    assert len({encode_write(PAY, *variant).tx_id for variant in variants}) == len(variants)


def test_a_read_has_no_id() -> None:
    transaction = encode_read(Operation("look", {"of": Account(4)}, Kind.READ), 2)
    assert transaction.tx_id == b""
    call = Call.unpack(transaction.payload)
    assert call.is_read
    assert (call.sender, call.name, call.arguments) == (2, "look", {"of": 4})


def test_numbers_beyond_64_bits_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="at most 64 bits"):
        encode_write(Operation("pay", {"amount": 2**64}), b"salt", 0, 0, 0)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", msgpack.packb(5), msgpack.packb([1, 2]), msgpack.packb([b"s", "0", 0, 0, "pay", {}])],
)
def test_what_is_no_call_is_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is msgpack's in some cases
        Call.unpack(payload)

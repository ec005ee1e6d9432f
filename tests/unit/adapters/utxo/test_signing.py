"""Keys, scripts, WIF, and signatures checked against a second, naive reading of BIP-143."""

from __future__ import annotations

from hashlib import sha256

import pytest
from coincurve import PublicKey
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.utxo.signing import (
    PAYMENT_VBYTES,
    Key,
    Outpoint,
    Wallet,
    data_script,
    output,
    parse_secret,
    shown_id,
    var_int,
)

ONE = (1).to_bytes(32, "big")


def twice(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def test_the_script_of_the_generator_point_is_that_of_bip_173() -> None:
    assert Key(ONE).script.hex() == "0014751e76e8199196d454941c45d1b3a323f1433bd6"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617",
            "0c28fca386c7a227600b2fe50b7cae11ec86d3bf1fbe471be89827e19d72aa1d",
        ),
        ("0x" + ONE.hex(), ONE.hex()),
        ("  " + ONE.hex() + "\n", ONE.hex()),
    ],
)
def test_a_key_is_hexadecimal_or_wif(text: str, expected: str) -> None:
    secret = parse_secret(text)
    assert secret is not None
    assert secret.hex() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00" * 32,
        "ff" * 32,
        "ab" * 31,
        "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98618",
        "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        "no key 0OIl",
        "z" * 80,
    ],
)
def test_what_is_no_key_is_told_from_one(text: str) -> None:
    assert parse_secret(text) is None


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "00"), (252, "fc"), (253, "fdfd00"), (65535, "fdffff"), (65536, "fe00000100")]
)
def test_compact_sizes(number: int, expected: str) -> None:
    assert var_int(number).hex() == expected


@given(
    values=st.lists(st.integers(1, 21 * 10**14), min_size=1, max_size=4),
    secret=st.binary(min_size=32, max_size=32).filter(lambda each: parse_secret(each.hex()) is not None),
)
def test_every_input_is_signed_as_bip_143_says(values: list[int], secret: bytes) -> None:
    key = Key(secret)
    spent = [Outpoint(sha256(b"%d" % index).digest(), index, value) for index, value in enumerate(values)]
    outputs = output(sum(values), key.script)
    signed = key.spend(spent, outputs, 1)
    points = [each.tx_id + each.index.to_bytes(4, "little") for each in spent]
    stripped = (
        b"\x02\0\0\0"
        + bytes([len(spent)])
        + b"".join(point + b"\0\xff\xff\xff\xff" for point in points)
        + b"\x01"
        + outputs
        + bytes(4)
    )
    assert signed.tx_id == twice(stripped)
    assert signed.raw.startswith(b"\x02\0\0\0\0\x01" + stripped[4:-4])
    at = len(stripped) - 4 + 2
    for each, point in zip(spent, points, strict=True):
        assert signed.raw[at] == 2
        length = signed.raw[at + 1]
        signature, kind = signed.raw[at + 2 : at + 1 + length], signed.raw[at + 1 + length]
        public = signed.raw[at + 3 + length : at + 36 + length]
        preimage = (
            b"\x02\0\0\0"
            + twice(b"".join(points))
            + twice(b"\xff\xff\xff\xff" * len(spent))
            + point
            + b"\x19\x76\xa9\x14"
            + key.script[2:]
            + b"\x88\xac"
            + each.value.to_bytes(8, "little")
            + b"\xff\xff\xff\xff"
            + twice(outputs)
            + bytes(4)
            + b"\x01\0\0\0"
        )
        assert kind == 1
        assert public == key.public
        assert PublicKey(public).verify(signature, twice(preimage), None)
        at += 36 + length
    assert signed.raw[at:] == bytes(4)


def test_a_payment_has_the_size_its_fee_is_computed_from() -> None:
    key = Key(ONE)
    signed = key.spend([Outpoint(bytes(32), 0, 100)], output(1, key.script) + output(2, key.script), 2)
    witness = len(signed.raw) - (4 + 1 + 41 + 1 + 2 * 31 + 4)
    assert PAYMENT_VBYTES - 1 <= (4 * (len(signed.raw) - witness) + witness) / 4 <= PAYMENT_VBYTES


def test_accounts_are_those_of_their_salt() -> None:
    assert Wallet(b"a")[3].script == Wallet(b"a")[3].script
    assert len({Wallet(salt)[index].script for salt in (b"a", b"b") for index in range(3)}) == 6


def test_a_document_is_pushed_by_one_opcode() -> None:
    assert data_script(b"\xab" * 32).hex() == "6a20" + "ab" * 32


def test_ids_are_shown_backwards() -> None:
    assert shown_id(bytes(range(32))) == bytes(range(31, -1, -1))

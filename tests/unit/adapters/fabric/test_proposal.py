"""Proposals byte for byte: read back by a decoder of the wire format, signatures verified by the library."""

import hashlib
from collections import defaultdict

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.adapters.fabric.proposal import NONCE_BYTES, Signer, Target, field, nonce_of, number_field, read_key, varint
from bench.model.errors import ConfigurationError

TARGET = Target("bench", "transfer", "Org1MSP", 1_700_000_000)
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n"
ORDER = int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16)
KEY = ec.derive_private_key(4711, ec.SECP256R1())


def decode(message: bytes) -> dict[int, list[bytes | int]]:
    found: dict[int, list[bytes | int]] = defaultdict(list)
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 0:
            found[key >> 3].append(number())
        else:
            assert key & 7 == 2
            length = number()
            found[key >> 3].append(message[at : at + length])
            at += length
    assert at == len(message)
    return found


def one(message: dict[int, list[bytes | int]], *path: int) -> bytes:
    for position, number in enumerate(path):
        (value,) = message[number]
        assert isinstance(value, bytes)
        if position == len(path) - 1:
            return value
        message = decode(value)
    raise AssertionError("an empty path")


@pytest.mark.parametrize(("value", "encoded"), [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02")])
def test_varints(value: int, encoded: str) -> None:
    assert varint(value).hex() == encoded


def test_fields() -> None:
    assert field(2, b"testing").hex() == "120774657374696e67"  # the examples of the encoding's own documentation
    assert number_field(1, 150).hex() == "089601"
    assert field(16, b"")[:2] == varint(16 << 3 | 2)


def test_a_proposal_holds_what_fabric_reads() -> None:
    nonce = nonce_of(b"saltsalt", 3, 0)
    tx_id, signed = Signer(TARGET, CERTIFICATE, KEY).propose([b"transfer", b"3", b"7", b"1" * 200], nonce)
    proposal = one(decode(signed), 1)
    header = decode(one(decode(proposal), 1))
    channel, signature = decode(one(header, 1)), decode(one(header, 2))
    creator = one(signature, 1)
    assert one(signature, 2) == nonce
    assert len(nonce) == NONCE_BYTES
    assert nonce.startswith(b"saltsalt")
    assert decode(creator) == {1: [b"Org1MSP"], 2: [CERTIFICATE]}
    assert tx_id == hashlib.sha256(nonce + creator).digest()
    assert channel[1] == [3]
    assert decode(one(channel, 3)) == {1: [1_700_000_000]}
    assert one(channel, 4) == b"bench"
    assert one(channel, 5) == tx_id.hex().encode()
    assert one(channel, 7, 2, 2) == b"transfer"
    spec = decode(one(decode(proposal), 2, 1, 1))
    assert one(spec, 2, 2) == b"transfer"
    assert decode(one(spec, 3))[1] == [b"transfer", b"3", b"7", b"1" * 200]


def test_signatures_are_valid_low_and_repeat() -> None:
    signer, again = Signer(TARGET, CERTIFICATE, KEY), Signer(TARGET, CERTIFICATE, KEY)
    for number in range(50):
        nonce = nonce_of(b"saltsalt", number)
        tx_id, signed = signer.propose([b"f"], nonce)
        message = decode(signed)
        KEY.public_key().verify(one(message, 2), one(message, 1), ec.ECDSA(hashes.SHA256()))
        assert decode_dss_signature(one(message, 2))[1] <= ORDER // 2
        assert again.propose([b"f"], nonce) == (tx_id, signed)


def test_nonces_differ_by_every_part() -> None:
    nonces = {
        nonce_of(salt, *parts) for salt in (b"saltsalt", b"other...") for parts in ((1, 23), (12, 3), (1, 2), (2, 1))
    }
    assert len(nonces) == 8


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_keys() -> None:
    assert read_key(pem(KEY)).private_numbers().private_value == 4711
    for wrong in (pem(ed25519.Ed25519PrivateKey.generate()), pem(ec.generate_private_key(ec.SECP384R1()))):
        with pytest.raises(ConfigurationError, match="no P-256 key"):
            read_key(wrong)
    with pytest.raises(ConfigurationError, match="cannot be read") as error:
        read_key(b"secret words")
    assert "secret words" not in str(error.value)

"""Keys, scripts and signed transactions of the Bitcoin family: native segregated witness (P2WPKH), BIP-143 signatures.

Values are in the chain's smallest unit (satoshi, litoshi). Ids here are in the order the chain hashes them;
`shown_id` turns them into what nodes and explorers print. Nothing here knows JSON-RPC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from coincurve import PrivateKey
from Crypto.Hash import RIPEMD160

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PAYMENT_VBYTES = 141
"""One input, two P2WPKH outputs, signature of the usual 72 bytes."""

INPUT_VBYTES = 68
OUTPUT_VBYTES = 31
OVERHEAD_VBYTES = 13
_VERSION = (2).to_bytes(4, "little")
_SEQUENCE = b"\xff\xff\xff\xff"
_LOCK_TIME = bytes(4)
_ALL = b"\x01\x00\x00\x00"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def double_sha256(data: bytes) -> bytes:
    """The hash of ids and signatures."""
    return sha256(sha256(data).digest()).digest()


def shown_id(tx_id: bytes) -> bytes:
    """An id in the byte order in which nodes print it, and back."""
    return tx_id[::-1]


def var_int(number: int) -> bytes:
    """Bitcoin's CompactSize."""
    if number < 0xFD:
        return bytes((number,))
    if number <= 0xFFFF:
        return b"\xfd" + number.to_bytes(2, "little")
    return b"\xfe" + number.to_bytes(4, "little")


def output(value: int, script: bytes) -> bytes:
    """A serialised output."""
    return value.to_bytes(8, "little") + var_int(len(script)) + script


def data_script(data: bytes) -> bytes:
    """OP_RETURN with one push of at most 75 bytes: carries data, can never be spent."""
    return b"\x6a" + bytes((len(data),)) + data


@dataclass(frozen=True, slots=True)
class Outpoint:
    """An unspent output: `tx_id` in hashing order."""

    tx_id: bytes
    index: int
    value: int

    @property
    def serialised(self) -> bytes:
        """As an input names it."""
        return self.tx_id + self.index.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Signed:
    """`tx_id` in hashing order, `raw` with its witness."""

    tx_id: bytes
    raw: bytes


class Key:
    """One private key, its P2WPKH script, and what never changes of the transactions it signs."""

    __slots__ = ("_code", "_key", "_public", "script")

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self._public = self._key.public_key.format()
        digest = RIPEMD160.new(sha256(self._public).digest()).digest()
        self.script = b"\x00\x14" + digest
        self._code = b"\x19\x76\xa9\x14" + digest + b"\x88\xac"

    @property
    def public(self) -> bytes:
        """The compressed public key."""
        return self._public

    def spend(self, spent: Sequence[Outpoint], outputs: bytes, count: int) -> Signed:
        """All of `spent` belong to this key; `outputs` are `count` serialised outputs."""
        inputs = b"".join([each.serialised + b"\x00" + _SEQUENCE for each in spent])
        core = var_int(len(spent)) + inputs + var_int(count) + outputs
        hashed = (
            _VERSION
            + double_sha256(b"".join([each.serialised for each in spent]))
            + double_sha256(_SEQUENCE * len(spent))
        )
        after = _SEQUENCE + double_sha256(outputs) + _LOCK_TIME + _ALL
        witness = b"".join([self._witness(hashed, each, after) for each in spent])
        raw = _VERSION + b"\x00\x01" + core + witness + _LOCK_TIME
        return Signed(double_sha256(_VERSION + core + _LOCK_TIME), raw)

    def _witness(self, hashed: bytes, spent: Outpoint, after: bytes) -> bytes:
        message = hashed + spent.serialised + self._code + spent.value.to_bytes(8, "little") + after
        signature = self._key.sign(double_sha256(message), None) + b"\x01"
        return b"\x02" + var_int(len(signature)) + signature + b"\x21" + self._public


class Wallet:
    """Keys by account index, derived from a secret salt on first use and kept: sha256(salt ‖ index, 8 bytes)."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._keys: dict[int, Key] = {}

    def __getitem__(self, index: int) -> Key:
        key = self._keys.get(index)
        if key is None:
            key = self._keys[index] = Key(_secret(self._salt + index.to_bytes(8, "big")))
        return key


def parse_secret(text: str) -> bytes | None:
    """32 bytes from 64 hexadecimal digits or from WIF of a compressed key (whatever the network); None for neither."""
    text = text.strip().removeprefix("0x")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = _from_wif(text)
    return secret if len(secret) == 32 and 0 < int.from_bytes(secret, "big") < CURVE_ORDER else None


def _from_wif(text: str) -> bytes:
    number = 0
    for character in text:
        digit = _BASE58.find(character)
        if digit < 0:
            return b""
        number = number * 58 + digit
    try:
        data = number.to_bytes(38, "big")
    except OverflowError:
        return b""
    sound = double_sha256(data[:34])[:4] == data[34:] and data[33] == 1
    return data[1:33] if sound else b""


def _secret(seed: bytes) -> bytes:
    secret = sha256(seed).digest()
    while not 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
        secret = sha256(secret).digest()
    return secret

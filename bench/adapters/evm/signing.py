"""Accounts and signed transactions: keys derived from a salt, three transaction types, byte-identical to eth-account.

What stays the same for all transactions of one sender and shape is serialised once; per transaction there are two
hashes, one signature and a few concatenations. Nothing here knows JSON-RPC.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum, unique

from coincurve import PrivateKey

from bench.adapters.evm.fees import Fees
from bench.adapters.evm.rlp import EMPTY_LIST, encode_bytes, encode_int, encode_list
from bench.model.keccak import Hash, fast_keccak256, keccak256

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

Sign = Callable[[bytes], bytes]
"""Maps a 32-byte hash to r ‖ s ‖ recovery id (65 bytes)."""


@unique
class TransactionType(StrEnum):
    """The envelopes of EIP-155, EIP-2930 and EIP-1559, named as the scenario names them."""

    LEGACY = "legacy"
    ACCESS_LIST = "2930"
    DYNAMIC_FEE = "1559"


class Signer:
    """One private key; `sign` takes a hash."""

    __slots__ = ("_key", "address", "sign")

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.address: bytes = keccak256(self._key.public_key.format(compressed=False)[1:])[12:]
        recoverable = self._key.sign_recoverable

        def sign(digest: bytes) -> bytes:
            return bytes(recoverable(digest, None))

        self.sign: Sign = sign


class Wallet:
    """Signers by account index, derived from a secret salt on first use and kept.

    The key of account i is keccak256(salt ‖ i as 8 bytes big-endian), hashed again in the (never observed) case that it
    is no valid scalar.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._signers: dict[int, Signer] = {}

    def __getitem__(self, index: int) -> Signer:
        signer = self._signers.get(index)
        if signer is None:
            signer = self._signers[index] = Signer(self._secret(index))
        return signer

    def address(self, index: int) -> bytes:
        """The 20 bytes of account `index`."""
        return self[index].address

    def _secret(self, index: int) -> bytes:
        secret = keccak256(self._salt + index.to_bytes(8, "big"))
        while not 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
            secret = keccak256(secret)
        return secret


class TransactionCodec:
    """Serialises and signs for one chain, transaction type and fee level. One thread only (`fast_keccak256`)."""

    def __init__(self, chain_id: int, kind: TransactionType, fees: Fees) -> None:
        self.hash: Hash = fast_keccak256()
        self._envelope = {"legacy": b"", "2930": b"\x01", "1559": b"\x02"}[kind.value]
        self._tail = EMPTY_LIST if self._envelope else b""
        self._v_base = 35 + 2 * chain_id
        self._signed_tail = b"" if self._envelope else encode_int(chain_id) + b"\x80\x80"
        self._before_nonce = encode_int(chain_id) if self._envelope else b""
        if kind is TransactionType.DYNAMIC_FEE:
            self._price = encode_int(fees.priority_wei) + encode_int(fees.max_wei)
        else:
            self._price = encode_int(fees.max_wei)

    def middle(self, gas: int, to: bytes) -> bytes:
        """What stands between nonce and value, for a fixed gas limit and recipient (empty: contract creation)."""
        return self._price + encode_int(gas) + encode_bytes(to)

    def sign(self, sign: Sign, nonce: int, middle: bytes, rest: bytes) -> bytes:
        """The raw signed transaction; `rest` is the encoded value followed by the encoded data."""
        body = self._before_nonce + encode_int(nonce) + middle + rest + self._tail
        signature = sign(self.hash(self._envelope + encode_list(body + self._signed_tail)))
        parity = signature[64]
        return self._envelope + encode_list(
            body
            + encode_int(parity if self._envelope else self._v_base + parity)
            + encode_int(int.from_bytes(signature[:32], "big"))
            + encode_int(int.from_bytes(signature[32:64], "big"))
        )


def value_and_data(value: int, data: bytes) -> bytes:
    """The `rest` argument of `TransactionCodec.sign`."""
    return encode_int(value) + encode_bytes(data)

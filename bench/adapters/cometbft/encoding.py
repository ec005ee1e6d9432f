"""Transactions as ready-to-send JSON-RPC requests: after this, submitting only joins bytes.

The request id is the last six bytes of the transaction's hash (of a digest of the request, for a read): unique inside a
batch without a counter, deterministic, and below 2^53, because CometBFT reads it as a floating-point number.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b, sha256

from bench.model.transaction import Transaction

_HEAD = b'{"jsonrpc":"2.0","id":'
_ID_OFFSET = len(_HEAD)


def write_request(raw: bytes) -> Transaction:
    """The request that submits a transaction; CometBFT names it by the SHA-256 of its bytes."""
    tx_id = sha256(raw).digest()
    number = int.from_bytes(tx_id[-6:], "big")
    body = b'%b%d,"method":"broadcast_tx_sync","params":{"tx":"%b"}}' % (_HEAD, number, b64encode(raw))
    return Transaction(tx_id, body)


def read_request(path: str, data: bytes) -> Transaction:
    """The request of a read of the application's state."""
    body = f'"method":"abci_query","params":{{"path":"{path}","data":"{data.hex()}"}}}}'.encode()
    number = int.from_bytes(blake2b(body, digest_size=6).digest(), "big")
    return Transaction(b"", b"%b%d,%b" % (_HEAD, number, body))


def request_id(payload: bytes) -> int:
    """The id inside a payload made here."""
    return int(payload[_ID_OFFSET : payload.index(b",", _ID_OFFSET)])

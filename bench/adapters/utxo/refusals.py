"""What a node's refusal of a transaction means: Bitcoin's reject reasons, which its descendants share.

Sources: validation.cpp (MemPoolAccept), policy/policy.cpp and rpc/protocol.h of Bitcoin Core 0.21, on which Litecoin
Core 0.21 is built. docs/adapters/utxo.md shows the table.
"""

from __future__ import annotations

from bench.adapters.jsonrpc.replies import classify_other
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

_MESSAGE_CHARACTERS = 300
_ALREADY_IN_CHAIN = -27
_WARMING_UP = -28
_NO = frozenset({-3, -8, -22, -25, -26})
"""rpc/protocol.h: wrong type, wrong parameter, cannot be decoded, and two that say the transaction is refused."""

_KNOWN = ("txn-already-in-mempool", "txn-already-known", "already in block chain", "already in utxo set")
"""The node has exactly these bytes: the send succeeded, earlier."""

_WORDS: tuple[tuple[ErrorClass, tuple[str, ...]], ...] = (
    (ErrorClass.POOL_FULL, ("mempool full", "too-long-mempool-chain")),
    (
        ErrorClass.UNDERPRICED,
        ("mempool min fee not met", "min relay fee not met", "insufficient fee", "insufficient priority"),
    ),
    (ErrorClass.CONFLICT, ("txn-mempool-conflict", "txn-same-nonwitness-data", "bad-txns-spends-conflicting-tx")),
    (ErrorClass.INSUFFICIENT_FUNDS, ("bad-txns-in-belowout",)),
    (
        ErrorClass.INVALID_TRANSACTION,
        (
            "missingorspent",
            "missing inputs",
            "decode failed",
            "bad-txns",
            "bad-witness",
            "script-verify-flag",
            "non-mandatory",
            "dust",
            "scriptpubkey",
            "scriptsig",
            "tx-size",
            "version",
            "non-final",
            "non-bip68-final",
            "coinbase",
            "absurdly-high-fee",
            "max-fee-exceeded",
            "fee exceeds maximum",
        ),
    ),
)


def classify_error(code: int, message: str) -> Reply:
    """The reply that a JSON-RPC error to sendrawtransaction stands for."""
    lowered = message.lower()
    if code == _ALREADY_IN_CHAIN or any(word in lowered for word in _KNOWN):
        return ACCEPTED
    shown = message[:_MESSAGE_CHARACTERS]
    for error_class, words in _WORDS if code in _NO else ():
        if any(word in lowered for word in words):
            return Refusal(error_class, shown)
    return Refusal(ErrorClass.UNREACHABLE, shown) if code == _WARMING_UP else classify_other(code, message, _NO)

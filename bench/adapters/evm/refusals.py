"""What a node's error message means. Clients word the same refusal differently, and their numeric codes say little.

Sources: geth core/txpool/errors.go and core/error.go, Besu TransactionInvalidReason, Nethermind AcceptTxResult, Erigon
txpoolcfg DiscardReason, anvil eth/error.rs. docs/adapters/evm.md shows the table.
"""

from __future__ import annotations

from bench.adapters.jsonrpc.replies import INTERNAL_ERROR, classify_other
from bench.adapters.jsonrpc.rpc import METHOD_NOT_FOUND
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

_MESSAGE_CHARACTERS = 300
_LIMIT_EXCEEDED = -32005
_NO = frozenset({-32003})
"""EIP-1474: transaction rejected."""

_KNOWN = (
    "already known",
    "already imported",
    "known transaction",
    "alreadyknown",
    "already exists in pool",
    "existing tx with same hash",
)
"""The node has exactly these bytes: the send succeeded, earlier."""

_WORDS: tuple[tuple[ErrorClass, tuple[str, ...]], ...] = (
    (ErrorClass.SEQUENCE_TOO_LOW, ("nonce too low", "nonce is too low", "oldnonce", "nonce already used")),
    (
        ErrorClass.SEQUENCE_GAP,
        (
            "nonce too high",
            "nonce is too high",
            "noncegap",
            "gapped-nonce",
            "gapped nonce",
            "nonce gap",
            "too distant from current sender nonce",
            "noncetoofarinfuture",
            "invalid transaction with a lower nonce exists",
        ),
    ),
    (
        ErrorClass.POOL_FULL,
        (
            "txpool is full",
            "pool is full",
            "sub-pool is full",
            "account limit exceeded",
            "exceeds max transactions per account",
            "future transaction tries to replace pending",
            "feetoolowtocompete",
            "in-flight transaction limit",
            "transaction pool limit",
            "spammer",
        ),
    ),
    (
        ErrorClass.INSUFFICIENT_FUNDS,
        ("insufficient funds", "insufficientfunds", "upfront cost exceeds account balance", "insufficient balance"),
    ),
    (
        ErrorClass.UNDERPRICED,
        (
            "underpriced",
            "fee too low",
            "feetoolow",
            "replacementnotallowed",
            "max fee per gas less than block base fee",
            "gas price below",
            "gas price is too low",
            "gas price too low",
            "below current base fee",
            "less than the current basefee",
            "below configured minimum",
            "less than block base fee",
            "tip below minimum",
            "replaced by transaction with higher",
            "could not replace existing tx",
        ),
    ),
    (ErrorClass.RATE_LIMITED, ("rate limit", "too many requests", "request limit", "capacity exceeded", "throttled")),
    (
        ErrorClass.UNAUTHORIZED,
        ("unauthorized", "not authorized", "forbidden", "authentication", "invalid api key", "invalid token"),
    ),
    (
        ErrorClass.METHOD_MISSING,
        ("method not found", "does not exist/is not available", "method is not supported", "method not enabled"),
    ),
    (
        ErrorClass.INVALID_TRANSACTION,
        (
            "gas limit",
            "gaslimitexceeded",
            "intrinsic gas",
            "gas too low",
            "gas too high",
            "chain id",
            "chainid",
            "invalid sender",
            "failedtoresolvesender",
            "signature",
            "transaction type not supported",
            "tx type not supported",
            "oversized data",
            "negative value",
            "rlp",
            "decode",
            "max priority fee per gas",
            "exceeds the configured cap",
            "fee cap exceeded",
            "replay-protected",
            "nonce has max value",
            "sender is contract",
            "senderiscontract",
            "sender not an eoa",
            "initcode",
        ),
    ),
)


_TOO_GENERAL = frozenset({ErrorClass.UNAUTHORIZED, ErrorClass.METHOD_MISSING, ErrorClass.INVALID_TRANSACTION})
"""Classes whose words may as well tell of a fault inside the node, when its code says that there was one."""


def classify_error(code: int, message: str) -> Reply:
    """The reply that a JSON-RPC error to eth_sendRawTransaction stands for."""
    lowered = message.lower()
    if any(word in lowered for word in _KNOWN):
        return ACCEPTED
    shown = message[:_MESSAGE_CHARACTERS]
    for error_class, words in () if code == METHOD_NOT_FOUND else _WORDS:
        if any(word in lowered for word in words) and not (code == INTERNAL_ERROR and error_class in _TOO_GENERAL):
            return Refusal(error_class, shown)
    return Refusal(ErrorClass.RATE_LIMITED, shown) if code == _LIMIT_EXCEEDED else classify_other(code, message, _NO)

"""What a node's error message means. Clients word the same refusal differently, and their numeric codes say little.

Sources: geth core/txpool/errors.go and core/error.go, Besu TransactionInvalidReason, Nethermind AcceptTxResult, Erigon
txpoolcfg DiscardReason, anvil eth/error.rs. docs/adapters/evm.md shows the table.
"""

from __future__ import annotations

from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

_MESSAGE_CHARACTERS = 300
_METHOD_NOT_FOUND = -32601
_LIMIT_EXCEEDED = -32005

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


def classify_error(code: int, message: str) -> Reply:
    """The reply that a JSON-RPC error to eth_sendRawTransaction stands for."""
    lowered = message.lower()
    if any(word in lowered for word in _KNOWN):
        return ACCEPTED
    shown = message[:_MESSAGE_CHARACTERS]
    if code == _METHOD_NOT_FOUND:
        return Refusal(ErrorClass.METHOD_MISSING, shown)
    for error_class, words in _WORDS:
        if any(word in lowered for word in words):
            return Refusal(error_class, shown)
    return Refusal(ErrorClass.RATE_LIMITED if code == _LIMIT_EXCEEDED else ErrorClass.NODE_ERROR, shown)


def classify_status(status: int, message: str) -> Refusal:
    """The refusal that an HTTP status without a JSON-RPC answer stands for."""
    classes = {401: ErrorClass.UNAUTHORIZED, 403: ErrorClass.UNAUTHORIZED, 429: ErrorClass.RATE_LIMITED}
    return Refusal(classes.get(status, ErrorClass.NODE_ERROR), f"HTTP {status} {message[:_MESSAGE_CHARACTERS]}".strip())

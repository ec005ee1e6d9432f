"""What CometBFT's and its application's codes and words mean: at submission, and in a block.

Sources: mempool/errors.go and rpc/core/mempool.go of CometBFT 0.38 for the words, our application's ledger/state.go and
the example's code.go for the codes. docs/adapters/cometbft.md shows the table.
"""

from __future__ import annotations

from bench.adapters.jsonrpc.replies import classify_other
from bench.adapters.jsonrpc.rpc import RpcFault
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply

CODESPACE = "ledger-bench"
DUPLICATE = 3
FIRST_BUSINESS_CODE = 10

_INVALID_PARAMS = -32602
_WORDS: tuple[tuple[ErrorClass, tuple[str, ...]], ...] = (
    (ErrorClass.POOL_FULL, ("mempool is full", "still rechecking")),
    (ErrorClass.INVALID_TRANSACTION, ("tx too large", "batch request exceeds")),
    (ErrorClass.RATE_LIMITED, ("rate limit", "too many requests")),
)


def classify_check(code: int, codespace: str, log: str) -> Reply:
    """The reply that a result of CheckTx stands for. What was executed before needs not be sent again."""
    if code == 0 or (codespace == CODESPACE and code == DUPLICATE):
        return ACCEPTED
    return Refusal(ErrorClass.INVALID_TRANSACTION, f"CheckTx code {code} {log}".strip())


def classify_fault(fault: RpcFault) -> Reply:
    """The reply that a JSON-RPC error to broadcast_tx_sync stands for."""
    lowered = fault.message.lower()
    if "already exists in cache" in lowered:
        return ACCEPTED
    for error_class, words in _WORDS:
        if any(word in lowered for word in words):
            return Refusal(error_class, fault.message)
    if fault.code == _INVALID_PARAMS:
        return Refusal(ErrorClass.INVALID_TRANSACTION, fault.message)
    return classify_other(fault.code, fault.message)


def classify_result(code: int, codespace: str) -> ErrorClass:
    """How a transaction in a block ended."""
    if code == 0:
        return ErrorClass.NONE
    business = codespace == CODESPACE and code >= FIRST_BUSINESS_CODE
    return ErrorClass.BUSINESS_REFUSAL if business else ErrorClass.INVALID_IN_BLOCK

"""The hot path: one exchange per call of `submit`, and what its answer says of each transaction.

The usual answer to a single transaction begins with its own id as the result; that is recognised without parsing JSON.
Nothing here logs, formats or locks before the bytes are out.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError
from bench.adapters.jsonrpc.replies import parse, refused_read, without_json
from bench.adapters.utxo.encoding import request_id
from bench.adapters.utxo.refusals import classify_error
from bench.adapters.utxo.rpc import NOT_FOUND
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction, Unanswered

_QUEUE_IS_FULL = b"Work queue depth exceeded"
"""The node's own words before it looks at a request, in plain text: HTTP 500 up to Bitcoin Core 0.21, then 503."""


def submit(channel: Channel, batch: Sequence[Transaction]) -> list[Reply]:
    """One reply per transaction, in order; never raises for what a node or network does."""
    if len(batch) == 1:
        return [_submit_one(channel, batch[0])]
    if not batch:
        return []
    try:
        answer = channel.exchange(b"[" + b",".join([each.payload for each in batch]) + b"]", ())
    except NotSentError as error:
        return [Refusal(ErrorClass.UNREACHABLE, str(error))] * len(batch)
    except LostError as error:
        return [Unanswered(str(error))] * len(batch)
    return _read_batch(answer, batch)


def _submit_one(channel: Channel, transaction: Transaction) -> Reply:
    try:
        answer = channel.exchange(transaction.payload, ())
    except NotSentError as error:
        return Refusal(ErrorClass.UNREACHABLE, str(error))
    except LostError as error:
        return Unanswered(str(error))
    if transaction.tx_id and answer.body.startswith(b'{"result":"%b"' % transaction.tx_id.hex().encode()):
        return ACCEPTED
    item = _parse(answer)
    if isinstance(item, dict):
        return _interpret(item, transaction)
    reply = Unanswered("the answer is a batch") if isinstance(item, list) else item
    return without_json(transaction, reply, answer.status)


def _read_batch(answer: Answer, batch: Sequence[Transaction]) -> list[Reply]:
    """Answers may come in any order, be fewer than asked for, or be one error for the whole batch."""
    parsed = _parse(answer)
    if isinstance(parsed, Refusal | Unanswered):
        return [without_json(transaction, parsed, answer.status) for transaction in batch]
    if isinstance(parsed, dict):
        one_for_all = parsed if parsed.get("error") else {}
        return [_interpret(one_for_all, transaction) for transaction in batch]
    by_id = {item.get("id"): item for item in parsed if isinstance(item, dict)}
    missing: Reply = Unanswered("the batch's answer leaves this transaction out")
    return [
        missing if (item := by_id.get(request_id(each.payload))) is None else _interpret(item, each) for each in batch
    ]


def _interpret(item: dict[str, object], transaction: Transaction) -> Reply:
    error, result = item.get("error"), item.get("result")
    if error is None:
        if result is None:
            return Unanswered("the answer has neither result nor error")
        return ACCEPTED if transaction.tx_id or confirmations(result, transaction) is not None else _WRONG_ANSWER
    code, message = 0, str(error)
    if isinstance(error, dict):
        given = error.get("code")
        code = given if isinstance(given, int) else 0
        message = str(error.get("message") or "")
    if not transaction.tx_id and code == NOT_FOUND:
        return ACCEPTED  # the answer is 0: not anchored
    reply = classify_error(code, message)
    return reply if transaction.tx_id else refused_read(reply, message)


def confirmations(result: object, read: Transaction) -> int | None:
    """What a read's answer says: how deep the transaction found is, its own block counted; 0, not anchored, while it
    only waits in a pool; None for one in a block that does not carry the document it was to carry.
    """
    if not isinstance(result, dict) or not isinstance(depth := result.get("confirmations", 0), int):
        return None
    if depth < 1:
        return 0
    script = "6a20" + request_id(read.payload)
    return depth if any(each["scriptPubKey"]["hex"] == script for each in result.get("vout") or ()) else None


_WRONG_ANSWER = Refusal(ErrorClass.READ_REFUSED, "the transaction found does not carry the document")


def _parse(answer: Answer) -> dict[str, object] | list[object] | Refusal | Unanswered:
    if answer.body.startswith(_QUEUE_IS_FULL):
        return Refusal(ErrorClass.RATE_LIMITED, f"HTTP {answer.status} {_QUEUE_IS_FULL.decode()}")
    return parse(answer)

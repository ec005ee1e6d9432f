"""The hot path: one exchange per call of `submit`, and what its answer says of each transaction.

The usual answer to a single transaction begins with its own id as the result; that is recognised without parsing JSON.
Nothing here logs, formats or locks before the bytes are out.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError
from bench.adapters.utxo.encoding import request_id
from bench.adapters.utxo.refusals import classify_error, classify_status
from bench.adapters.utxo.rpc import NOT_FOUND
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction, Unanswered

_ABOUT_THE_CALLER = frozenset({401, 403, 429, 503})
_UNKNOWN_FATE = frozenset({502, 504})
_READ_KEEPS = frozenset(
    {ErrorClass.UNREACHABLE, ErrorClass.RATE_LIMITED, ErrorClass.UNAUTHORIZED, ErrorClass.METHOD_MISSING}
)


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
    return _for_kind(transaction, Unanswered("the answer is a batch") if isinstance(item, list) else item)


def _read_batch(answer: Answer, batch: Sequence[Transaction]) -> list[Reply]:
    """Answers may come in any order, be fewer than asked for, or be one error for the whole batch."""
    parsed = _parse(answer)
    if isinstance(parsed, Refusal | Unanswered):
        return [_for_kind(transaction, parsed) for transaction in batch]
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
        return ACCEPTED if transaction.tx_id or _holds_document(result, transaction) else _WRONG_ANSWER
    code, message = 0, str(error)
    if isinstance(error, dict):
        given = error.get("code")
        code = given if isinstance(given, int) else 0
        message = str(error.get("message") or "")
    if not transaction.tx_id and code == NOT_FOUND:
        return ACCEPTED  # the answer is: not anchored
    return _for_kind(transaction, classify_error(code, message))


def _holds_document(result: object, transaction: Transaction) -> bool:
    """Whether a transaction that a read found carries the document it was to carry."""
    outputs = result.get("vout") if isinstance(result, dict) else None
    script = "6a20" + request_id(transaction.payload)
    return any(each["scriptPubKey"]["hex"] == script for each in outputs or ())


_WRONG_ANSWER = Refusal(ErrorClass.READ_REFUSED, "the transaction found does not carry the document")


def _for_kind(transaction: Transaction, reply: Reply) -> Reply:
    """What refused a read is kept only where it is about the connection."""
    if transaction.tx_id or not isinstance(reply, Refusal) or reply.error_class in _READ_KEEPS:
        return reply
    return Refusal(ErrorClass.READ_REFUSED, reply.message)


def _parse(answer: Answer) -> dict[str, object] | list[object] | Refusal | Unanswered:
    """The JSON-RPC answer where there is one, whatever the HTTP status (errors come as 200, 404 and 500)."""
    text = answer.body[:200].decode("utf-8", "replace")
    if answer.status in _ABOUT_THE_CALLER:
        return classify_status(answer.status, text)
    try:
        parsed = orjson.loads(answer.body)
    except ValueError:
        parsed = None
    if isinstance(parsed, list) or (isinstance(parsed, dict) and ("error" in parsed or "result" in parsed)):
        return parsed
    if answer.status in _UNKNOWN_FATE:
        return Unanswered(f"HTTP {answer.status} from a gateway")
    if answer.status == 200:
        return Unanswered(f"the answer is not JSON-RPC: {text}")
    return classify_status(answer.status, text)

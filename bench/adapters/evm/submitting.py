"""The hot path: one exchange per call of `submit`, and what its answer says of each transaction.

The usual answer to a single transaction carries its own hash as the result; that is recognised without parsing JSON.
Nothing here logs, formats or locks before the bytes are out.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from bench.adapters.evm.encoding import request_id
from bench.adapters.evm.refusals import classify_error, classify_status
from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction, Unanswered

_UNKNOWN_FATE = frozenset({502, 504})
"""A gateway's answers that leave open whether the node behind it took the request."""

_ABOUT_THE_CALLER = frozenset({401, 403, 429})
_READ_KEEPS = frozenset(
    {ErrorClass.UNREACHABLE, ErrorClass.RATE_LIMITED, ErrorClass.UNAUTHORIZED, ErrorClass.METHOD_MISSING}
)


def submit(channel: Channel, batch: Sequence[Transaction]) -> list[Reply]:
    """One reply per transaction, in order; never raises for what a node or network does."""
    if len(batch) == 1:
        return [_submit_one(channel, batch[0])]
    if not batch:
        return []
    payloads = [transaction.payload for transaction in batch]
    ids = [request_id(payload) for payload in payloads]
    try:
        answer = channel.exchange(b"[" + b",".join(payloads) + b"]", ids)
    except NotSentError as error:
        return [Refusal(ErrorClass.UNREACHABLE, str(error))] * len(batch)
    except LostError as error:
        return [Unanswered(str(error))] * len(batch)
    return _read_batch(answer, batch, ids)


def _submit_one(channel: Channel, transaction: Transaction) -> Reply:
    payload = transaction.payload
    try:
        answer = channel.exchange(payload, (request_id(payload),))
    except NotSentError as error:
        return Refusal(ErrorClass.UNREACHABLE, str(error))
    except LostError as error:
        return Unanswered(str(error))
    tx_id = transaction.tx_id
    if tx_id and answer.status == 200 and f'"result":"0x{tx_id.hex()}"'.encode() in answer.body:
        return ACCEPTED
    item = _parse(answer)
    if isinstance(item, dict):
        return _interpret(item, transaction)
    return _for_kind(transaction, Unanswered("the answer is a batch") if isinstance(item, list) else item)


def _read_batch(answer: Answer, batch: Sequence[Transaction], ids: Sequence[int]) -> list[Reply]:
    """Answers may come in any order, be fewer than asked for, or be one error for the whole batch."""
    parsed = _parse(answer)
    if isinstance(parsed, Refusal | Unanswered):
        return [_for_kind(transaction, parsed) for transaction in batch]
    if isinstance(parsed, dict):
        one_for_all = parsed if parsed.get("error") else {}
        return [_interpret(one_for_all, transaction) for transaction in batch]
    by_id: dict[object, dict[str, object]] = {}
    for item in parsed:
        if isinstance(item, dict):
            by_id[item.get("id")] = item
    if len(by_id) == 1 and _is_batch_refusal(parsed[0]):
        return [_interpret(item, transaction) for item in by_id.values() for transaction in batch]
    missing: Reply = Unanswered("the batch's answer leaves this transaction out")
    return [
        missing if (item := by_id.get(number)) is None else _interpret(item, transaction)
        for number, transaction in zip(ids, batch, strict=True)
    ]


def _interpret(item: dict[str, object], transaction: Transaction) -> Reply:
    error = item.get("error")
    if error is None:
        answered = item.get("result") is not None if transaction.tx_id else "result" in item
        return ACCEPTED if answered else Unanswered("the answer has neither result nor error")
    code, message = 0, str(error)
    if isinstance(error, dict):
        given = error.get("code")
        code = given if isinstance(given, int) else 0
        message = str(error.get("message") or error.get("data") or "")
    return _for_kind(transaction, classify_error(code, message), message)


def _for_kind(transaction: Transaction, reply: Reply, message: str = "") -> Reply:
    """A read has no sequence number, gas or pool: what refused it is kept only where it is about the connection."""
    if transaction.tx_id or isinstance(reply, Unanswered):
        return reply
    if isinstance(reply, Refusal) and reply.error_class in _READ_KEEPS:
        return reply
    return Refusal(ErrorClass.READ_REFUSED, reply.message if isinstance(reply, Refusal) else message)


def _parse(answer: Answer) -> dict[str, object] | list[object] | Refusal | Unanswered:
    """The JSON-RPC answer where there is one, whatever the HTTP status (nodes send errors as 200, 400 and 500)."""
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


def _is_batch_refusal(item: object) -> bool:
    error = item.get("error") if isinstance(item, dict) else None
    return isinstance(error, dict) and "batch" in str(error.get("message", "")).lower()

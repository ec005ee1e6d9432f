"""The hot path: one exchange per call of `submit`, and what its answer says of each transaction.

The usual answer to a single transaction carries its own hash as the result; that is recognised without parsing JSON.
Nothing here logs, formats or locks before the bytes are out.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.adapters.evm.encoding import request_id
from bench.adapters.evm.refusals import classify_error
from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError
from bench.adapters.jsonrpc.replies import parse, refused_read, without_json
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction, Unanswered


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
    item = parse(answer)
    if isinstance(item, dict):
        return _interpret(item, transaction)
    reply = Unanswered("the answer is a batch") if isinstance(item, list) else item
    return without_json(transaction, reply, answer.status)


def _read_batch(answer: Answer, batch: Sequence[Transaction], ids: Sequence[int]) -> list[Reply]:
    """Answers may come in any order, be fewer than asked for, or be one error for the whole batch."""
    parsed = parse(answer)
    if isinstance(parsed, Refusal | Unanswered):
        return [without_json(transaction, parsed, answer.status) for transaction in batch]
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
    reply = classify_error(code, message)
    return reply if transaction.tx_id else refused_read(reply, message)


def _is_batch_refusal(item: object) -> bool:
    error = item.get("error") if isinstance(item, dict) else None
    return isinstance(error, dict) and "batch" in str(error.get("message", "")).lower()

"""What the answers of a node mean, from a channel that plays the node."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest

from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError
from bench.adapters.utxo.encoding import OperationEncoder
from bench.adapters.utxo.refusals import classify_error
from bench.adapters.utxo.signing import Wallet
from bench.adapters.utxo.slots import Slots
from bench.adapters.utxo.submitting import confirmations, submit
from bench.api import ACCEPTED, Account, ErrorClass, Kind, Operation, Refusal, Reply, Transaction, Unanswered

DOCUMENT = sha256(b"document").digest()
ENCODER = OperationEncoder(Wallet(b"salt"), Slots([bytes(32)], 100, 50, 41_410, 1_410), 10_000)
WRITES = [ENCODER.encode(Operation("transfer", {"to": Account(1), "amount": 1}), 0) for _ in range(3)]
READ = ENCODER.encode(Operation("verify", {"document": DOCUMENT}, Kind.READ), 0)


class Played:
    def __init__(self, answer: Callable[[bytes], Answer]) -> None:
        self._answer = answer

    def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
        return self._answer(body)

    def close(self) -> None: ...


def one(transaction: Transaction, status: int, body: object) -> Reply:
    text = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return submit(Played(lambda _: Answer(status, text)), [transaction])[0]


def result(transaction: Transaction) -> dict[str, object]:
    return {"result": transaction.tx_id.hex(), "error": None, "id": transaction.tx_id.hex()}


def error(transaction: Transaction, code: int, message: str) -> dict[str, object]:
    return {"result": None, "error": {"code": code, "message": message}, "id": transaction.tx_id.hex()}


def test_its_own_id_is_the_usual_answer() -> None:
    assert one(WRITES[0], 200, result(WRITES[0])) == ACCEPTED


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (-26, "mempool full", ErrorClass.POOL_FULL),
        (-26, "too-long-mempool-chain, too many descendants for tx 00 [limit: 25]", ErrorClass.POOL_FULL),
        (-26, "mempool min fee not met, 141 < 705", ErrorClass.UNDERPRICED),
        (-26, "min relay fee not met, 1 < 141", ErrorClass.UNDERPRICED),
        (-26, "insufficient fee, rejecting replacement 00", ErrorClass.UNDERPRICED),
        (-26, "txn-mempool-conflict", ErrorClass.CONFLICT),
        (-25, "bad-txns-inputs-missingorspent", ErrorClass.INVALID_TRANSACTION),
        (-25, "Missing inputs", ErrorClass.INVALID_TRANSACTION),
        (-26, "bad-txns-in-belowout, value in (1) < value out (2)", ErrorClass.INSUFFICIENT_FUNDS),
        (-22, "TX decode failed. Make sure the tx has at least one input.", ErrorClass.INVALID_TRANSACTION),
        (-26, "dust", ErrorClass.INVALID_TRANSACTION),
        (-25, "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)", ErrorClass.INVALID_TRANSACTION),
        (-26, "non-mandatory-script-verify-flag (Witness program hash mismatch)", ErrorClass.INVALID_TRANSACTION),
        (-28, "Loading block index...", ErrorClass.UNREACHABLE),
        (-32601, "Method not found", ErrorClass.METHOD_MISSING),
        (-26, "something new", ErrorClass.NODE_ERROR),
        (-8, "a parameter", ErrorClass.NODE_ERROR),
    ],
)
def test_refusals_have_their_class(code: int, message: str, expected: ErrorClass) -> None:
    assert one(WRITES[0], 500, error(WRITES[0], code, message)) == Refusal(expected, message)


@pytest.mark.parametrize(("code", "message"), [(-1, "bad-txns by name only"), (-32603, ""), (0, "oops")])
def test_an_error_that_is_no_rejection_leaves_it_open(code: int, message: str) -> None:
    assert isinstance(one(WRITES[0], 500, error(WRITES[0], code, message)), Unanswered)


@pytest.mark.parametrize(
    ("code", "message"),
    [(-27, "Transaction already in block chain"), (-26, "txn-already-in-mempool"), (-26, "txn-already-known")],
)
def test_what_the_node_has_already_is_accepted(code: int, message: str) -> None:
    assert classify_error(code, message) == ACCEPTED


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"", Refusal(ErrorClass.UNAUTHORIZED, "HTTP 401")),
        (503, b"Work queue depth exceeded", Refusal(ErrorClass.RATE_LIMITED, "HTTP 503 Work queue depth exceeded")),
        (500, b"Work queue depth exceeded", Refusal(ErrorClass.RATE_LIMITED, "HTTP 500 Work queue depth exceeded")),
        (404, b"oops", Refusal(ErrorClass.NODE_ERROR, "HTTP 404 oops")),
        (500, b"oops", Unanswered("HTTP 500 oops")),
        (503, b"<html>", Unanswered("HTTP 503 <html>")),
        (504, b"<html>", Unanswered("HTTP 504 <html>")),
        (200, b"<html>", Unanswered("the answer is not JSON-RPC: <html>")),
        (200, b"[]", Unanswered("the answer is a batch")),
        (200, b'{"result":null,"error":null}', Unanswered("the answer has neither result nor error")),
    ],
)
def test_answers_that_are_none_of_a_node_s(status: int, body: bytes, expected: Reply) -> None:
    assert one(WRITES[0], status, body) == expected


def test_a_batch_is_matched_by_id_whatever_its_order() -> None:
    answers = [error(WRITES[2], -26, "mempool full"), result(WRITES[0])]
    replies = submit(Played(lambda _: Answer(200, json.dumps(answers).encode())), WRITES)
    assert replies == [
        ACCEPTED,
        Unanswered("the batch's answer leaves this transaction out"),
        Refusal(ErrorClass.POOL_FULL, "mempool full"),
    ]


def test_a_batch_goes_out_as_one_array_of_the_payloads() -> None:
    bodies: list[bytes] = []

    def answer(body: bytes) -> Answer:
        bodies.append(body)
        return Answer(200, b"[]")

    submit(Played(answer), WRITES)
    assert bodies == [b"[" + b",".join(each.payload for each in WRITES) + b"]"]
    assert submit(Played(answer), []) == []


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (NotSentError("no"), Refusal(ErrorClass.UNREACHABLE, "no")),
        (LostError("lost"), Unanswered("lost")),
    ],
)
def test_what_was_never_sent_is_told_from_what_was_lost(failure: Exception, expected: Reply) -> None:
    def fail(_: bytes) -> Answer:
        raise failure

    assert submit(Played(fail), WRITES) == [expected] * 3
    assert submit(Played(fail), WRITES[:1]) == [expected]


def found(script: str, depth: int = 1) -> dict[str, object]:
    carried = {"vout": [{"scriptPubKey": {"hex": script}}], "confirmations": depth}
    return {"result": carried, "error": None, "id": DOCUMENT.hex()}


def test_a_document_is_anchored_when_a_block_holds_it() -> None:
    ours, other = "6a20" + DOCUMENT.hex(), "6a20" + "00" * 32
    assert confirmations(found(ours, 3)["result"], READ) == 3
    assert confirmations(found(other, 3)["result"], READ) is None
    assert confirmations({"vout": [{"scriptPubKey": {"hex": ours}}]}, READ) == 0, "it waits in a pool"
    assert confirmations(found(ours, 0)["result"], READ) == 0
    assert confirmations("?", READ) is None


def test_a_read_is_answered_when_it_finds_the_document_or_nothing() -> None:
    assert one(READ, 200, found("6a20" + DOCUMENT.hex())) == ACCEPTED
    absent = {"result": None, "error": {"code": -5, "message": "No such mempool or blockchain transaction"}}
    assert one(READ, 500, absent) == ACCEPTED


def test_a_read_that_finds_something_else_is_not_answered() -> None:
    wrong = one(READ, 200, found("6a20" + "00" * 32))
    assert isinstance(wrong, Refusal)
    assert wrong.error_class is ErrorClass.READ_REFUSED
    refused = one(READ, 500, {"result": None, "error": {"code": -1, "message": "busy"}})
    assert refused == Refusal(ErrorClass.READ_REFUSED, "busy")
    assert one(READ, 401, b"") == Refusal(ErrorClass.UNAUTHORIZED, "HTTP 401")

"""What nodes answer, as replies: bodies are those of real nodes, or spoilt ones no real node sends on demand."""

from collections.abc import Sequence

import orjson
import pytest

from bench.adapters.cometbft.encoding import read_request, request_id, write_request
from bench.adapters.cometbft.rpc import Peer, Rpc
from bench.adapters.cometbft.statuses import classify_check, classify_fault, classify_result
from bench.adapters.cometbft.submitting import Submitter
from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError, parse_target
from bench.adapters.jsonrpc.rpc import RpcFault, UnreachedError
from bench.api import ACCEPTED, ErrorClass, LedgerError, Refusal, Unanswered


class Node:
    """Answers from a list; an exception in it is raised. Remembers what it was asked."""

    def __init__(self, *answers: bytes | Exception, status: int = 200) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.status = status

    def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
        self.asked.append(body)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Answer(self.status, answer)

    def close(self) -> None:
        pass


def peers(*nodes: Node) -> list[Peer]:
    return [Peer(parse_target(f"http://127.0.0.{number}:1", {}), node) for number, node in enumerate(nodes, 2)]


TX = write_request(b"a=b")
OTHER = write_request(b"a=c")
READ = read_request("", b"a")


def checked(transaction, code=0, codespace="", log=""):
    result = {"code": code, "data": "", "log": log, "codespace": codespace, "hash": transaction.tx_id.hex().upper()}
    return {"jsonrpc": "2.0", "id": request_id(transaction.payload), "result": result}


def failed(message, code=-32603, data=""):
    return {"jsonrpc": "2.0", "id": request_id(TX.payload), "error": {"code": code, "message": message, "data": data}}


def reply_to(item, transaction=TX, status=200):
    body = item if isinstance(item, bytes) else orjson.dumps(item)
    return Submitter(peers(Node(body, status=status)), 100).submit([transaction])[0]


@pytest.mark.parametrize(
    ("item", "error_class"),
    [
        (checked(TX), None),
        (checked(TX, 3, "ledger-bench", "duplicate"), None),
        (failed("Internal error", data="tx already exists in cache"), None),
        (checked(TX, 3, "sdk"), ErrorClass.INVALID_TRANSACTION),
        (checked(TX, 2, "ledger-bench", "bad_signature"), ErrorClass.INVALID_TRANSACTION),
        (failed("Internal error", data="mempool is full: number of txs 5 (max: 5)"), ErrorClass.POOL_FULL),
        (
            failed("Internal error", data="mempool is still rechecking after a new committed block"),
            ErrorClass.POOL_FULL,
        ),
        (failed("Internal error", data="Tx too large. Max size is 1, but got 2"), ErrorClass.INVALID_TRANSACTION),
        (failed("Invalid params", -32602, "illegal base64 data"), ErrorClass.INVALID_TRANSACTION),
        (failed("Method not found", -32601), ErrorClass.METHOD_MISSING),
        (failed("Invalid Request", -32600), ErrorClass.NODE_ERROR),
    ],
)
def test_an_answer_is_the_reply_it_stands_for(item, error_class):
    reply = reply_to(item)
    assert (reply.error_class if isinstance(reply, Refusal) else reply) == (error_class or ACCEPTED)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"who", ErrorClass.UNAUTHORIZED),
        (429, b"slow down", ErrorClass.RATE_LIMITED),
        (404, b"oops", ErrorClass.NODE_ERROR),
        (500, b"oops", None),
        (503, b"<html>", None),
        (200, orjson.dumps(failed("Internal error", data="the disk is on fire")), None),
        (502, b"<html>", None),
        (200, b"<html>", None),
        (200, b"[]", None),
        (200, b'{"jsonrpc":"2.0","id":1,"result":{}}', None),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_its_status_or_leaves_the_fate_open(status, body, expected):
    reply = reply_to(body, status=status)
    assert isinstance(reply, Unanswered) if expected is None else reply.error_class is expected


def test_a_hash_of_another_transaction_is_not_taken_for_ours_by_the_short_cut():
    assert reply_to({**checked(OTHER), "id": request_id(TX.payload)}) == ACCEPTED  # by parsing: the id is ours
    assert isinstance(reply_to(b'{"result":{"code":0,}}'), Unanswered)


@pytest.mark.parametrize(("code", "expected"), [(0, ACCEPTED), (12, ErrorClass.READ_REFUSED)])
def test_a_read_is_answered_or_refused(code, expected):
    reply = reply_to({"id": request_id(READ.payload), "result": {"response": {"code": code, "log": "no"}}}, READ)
    assert (reply.error_class if isinstance(reply, Refusal) else reply) == expected


def test_a_read_that_a_node_fails_is_no_refusal_of_a_transaction():
    assert reply_to(failed("Internal error", data="x"), READ).error_class is ErrorClass.READ_REFUSED
    assert reply_to(failed("Method not found", -32601), READ).error_class is ErrorClass.METHOD_MISSING


def test_a_batch_is_matched_by_id_and_cut_to_what_a_node_takes():
    node = Node(orjson.dumps([checked(OTHER, 1), checked(TX)]), orjson.dumps(checked(TX)))
    replies = Submitter(peers(node), 2).submit([TX, OTHER, TX])
    assert [type(reply).__name__ for reply in replies] == ["Accepted", "Refusal", "Accepted"]
    assert [len(orjson.loads(body)) for body in node.asked] == [2, 1]


def test_one_error_for_a_batch_is_everybodys():
    body = (
        b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"batch request exceeds maximum"}}'
    )
    replies = Submitter(peers(Node(body)), 100).submit([TX, OTHER])
    assert [reply.error_class for reply in replies] == [ErrorClass.INVALID_TRANSACTION] * 2


def test_what_a_batch_leaves_out_is_unanswered():
    replies = Submitter(peers(Node(orjson.dumps([checked(TX)]))), 100).submit([TX, OTHER])
    assert replies[0] == ACCEPTED
    assert isinstance(replies[1], Unanswered)


def test_nodes_take_turns_and_a_dead_one_is_left_out_for_a_while():
    good = orjson.dumps(checked(TX))
    one, dead, three = Node(*[good] * 9), Node(*[NotSentError("refused")] * 9), Node(*[good] * 9)
    submitter = Submitter(peers(one, dead, three), 100)
    assert [submitter.submit([TX]) for _ in range(6)] == [[ACCEPTED]] * 6
    assert len(dead.asked) == 1
    assert len(one.asked) + len(three.asked) == 6


def test_a_broken_connection_is_tried_elsewhere_and_a_silent_node_is_not():
    good = orjson.dumps(checked(TX))
    assert Submitter(peers(Node(LostError("closed")), Node(good)), 9).submit([TX]) == [ACCEPTED]
    silent = LostError("no answer")
    silent.__cause__ = TimeoutError()
    second = Node(good)
    assert isinstance(Submitter(peers(Node(silent), second), 9).submit([TX])[0], Unanswered)
    assert second.asked == []


def test_when_nobody_is_there_it_depends_on_whether_anything_was_sent():
    gone = Submitter(peers(Node(NotSentError("a")), Node(NotSentError("b"))), 9).submit([TX])[0]
    assert isinstance(gone, Refusal)
    assert gone.error_class is ErrorClass.UNREACHABLE
    assert isinstance(Submitter(peers(Node(LostError("a")), Node(NotSentError("b"))), 9).submit([TX])[0], Unanswered)


def test_results_in_a_block():
    assert classify_result(0, "") is ErrorClass.NONE
    assert classify_result(10, "ledger-bench") is ErrorClass.BUSINESS_REFUSAL
    assert classify_result(2, "ledger-bench") is ErrorClass.INVALID_IN_BLOCK
    assert classify_result(10, "sdk") is ErrorClass.INVALID_IN_BLOCK


def test_words_reach_whoever_reads_them():
    assert classify_check(2, "ledger-bench", "bad_signature") == Refusal(
        ErrorClass.INVALID_TRANSACTION, "CheckTx code 2 bad_signature"
    )
    assert classify_fault(RpcFault(-1, "Internal error: what")).message.endswith("Internal error: what")


def test_a_client_asks_the_next_node_and_stays_with_it():
    class Echo(Node):
        def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
            self.asked.append(body)
            return Answer(200, orjson.dumps({"id": ids[0], "result": "here"}))

    dead, alive = Node(LostError("gone")), Echo()
    rpc = Rpc(peers(dead, alive))
    assert [rpc.call("status"), rpc.call("status")] == ["here", "here"]
    assert len(dead.asked) == 1


def test_a_client_tells_faults_from_silence():
    with pytest.raises(RpcFault) as fault:
        Rpc(peers(Node(b'{"error":{"code":-3,"message":"no","data":"more"}}'))).attempt("block", height="9")
    assert fault.value == RpcFault(-3, "no: more")
    with pytest.raises(UnreachedError):
        Rpc(peers(Node(b"<html>"))).call("status")
    with pytest.raises(UnreachedError):
        Rpc(peers(Node(b"{}", status=503))).call("status")
    with pytest.raises(LedgerError, match="credentials"):
        Rpc(peers(Node(b"", status=401))).call("status")
    with pytest.raises(LedgerError, match="refused block"):
        Rpc(peers(Node(b'{"error":{"code":-3,"message":"no"}}'))).call("block")

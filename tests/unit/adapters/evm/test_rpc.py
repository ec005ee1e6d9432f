import pytest

from bench.adapters.evm.rpc import Rpc
from bench.adapters.jsonrpc.channel import parse_target
from bench.adapters.jsonrpc.http import HttpChannel
from bench.adapters.jsonrpc.rpc import RpcFault
from bench.model.errors import LedgerError
from tests.support.fake_node import FakeNode, NodeSays
from tests.support.scripted_server import CLOSE, ok, result, scripted_server


def over_http(url: str, patience_s: float = 0.0) -> tuple[Rpc, HttpChannel]:
    channel = HttpChannel(parse_target(url, {}), 5)
    return Rpc(channel, "node", patience_s), channel


def test_results_batches_and_quantities():
    node = FakeNode({"double": lambda number: hex(2 * number), "none": lambda: None})
    assert node.rpc.call("double", [4]) == "0x8"
    assert node.rpc.hex_int("double", [4]) == 8
    assert node.rpc.batch("double", [[number] for number in range(250)]) == [hex(2 * n) for n in range(250)]
    assert node.rpc.batch("double", []) == []
    with pytest.raises(LedgerError, match="answered none with something else"):
        node.rpc.hex_int("none", [])


def test_a_nodes_error_is_said_or_left_to_the_caller():
    def fail():
        raise NodeSays("out of disk")

    node = FakeNode({"fail": fail})
    with pytest.raises(LedgerError, match=r"fake refused fail .got 'out of disk'"):
        node.rpc.call("fail", [])
    with pytest.raises(LedgerError, match="enable the method"):
        node.rpc.call("missing", [])
    with pytest.raises(LedgerError, match="refused fail"):
        node.rpc.batch("fail", [[]])
    with pytest.raises(RpcFault) as caught:
        node.rpc.attempt("missing", [])
    assert caught.value.code == -32601
    assert node.rpc.optional("missing", []) is None


GATEWAY = b"<html>bad gateway</html>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ok(GATEWAY, status="502 Bad Gateway"), "too busy to answer .got 'HTTP 502: <html>bad gateway"),
        (ok(b'{"error":{"code":-32005}}', status="429 Too Many Requests"), "too busy to answer .got 'HTTP 429"),
        (ok(b"<html>"), "does not answer with JSON"),
        (ok(b"[]"), "something else than a result"),
        (ok(b"no", status="401 Unauthorized"), "refuses these credentials"),
        (ok(b"no", status="403 Forbidden"), "refuses these credentials"),
        (CLOSE, "connection closed"),
    ],
)
def test_what_is_no_result_is_a_ledger_error(answer, said):
    with scripted_server([answer]) as server:
        rpc, channel = over_http(server.url)
        with pytest.raises(LedgerError, match=said):
            rpc.call("eth_chainId", [])
        channel.close()


def test_a_batch_with_holes_is_an_error():
    with scripted_server([ok(b'[{"id":1,"result":"0x1"}]')]) as server:
        rpc, channel = over_http(server.url)
        with pytest.raises(LedgerError, match=r"unanswered .got '1 of 2'"):
            rpc.batch("m", [[], []])
        channel.close()


@pytest.mark.parametrize(
    "hiccups",
    [
        [CLOSE, CLOSE],
        [ok(GATEWAY, status="502 Bad Gateway"), ok(GATEWAY, status="503 Service Unavailable")],
        [ok(b'{"error":{"code":-32005,"message":"limit exceeded"}}', status="429 Too Many Requests")],
        [ok(b'{"jsonrpc":"2.0","id":1,"resu')],
    ],
)
def test_patience_repeats_what_failed_on_its_way(hiccups, monkeypatch):
    monkeypatch.setattr("bench.adapters.jsonrpc.rpc._RETRY_S", 0.0)
    with scripted_server([*hiccups, result("0x7")]) as server:
        rpc, channel = over_http(server.url, patience_s=5)
        assert rpc.call("eth_chainId", []) == "0x7"
        channel.close()


def test_lost_patience_ends_the_repeating():
    with scripted_server([CLOSE]) as server:
        rpc, channel = over_http(server.url, patience_s=60)
        rpc.lose_patience()
        with pytest.raises(LedgerError, match="connection closed"):
            rpc.call("eth_chainId", [])
        channel.close()

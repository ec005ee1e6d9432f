import threading
import time

import pytest

from bench.adapters.evm.receipts import FULL_BACKLOG, ReceiptFetcher, duty_at
from bench.adapters.evm.statuses import Receipts, Statuses, Traces, choose_source
from bench.model.errors import LedgerError
from bench.model.transaction import ErrorClass, Settled
from tests.support.fake_node import FakeNode, NodeSays

TX = [bytes([number]) * 32 for number in range(4)]
BLOCK = "0x" + "0b" * 32
OK, REVERTED, OUT = ErrorClass.NONE, ErrorClass.REVERTED, ErrorClass.OUT_OF_GAS


def receipt(status: str = "0x1", gas: int = 30_000, block: str = BLOCK) -> dict[str, object]:
    return {"status": status, "gasUsed": hex(gas), "blockHash": block}


def trace(position: int, error: str | None = None, block: str = BLOCK, **fields: object) -> dict[str, object]:
    shape = {"traceAddress": [], "transactionHash": "0x", "transactionPosition": position, "blockHash": block}
    return shape | ({"error": error} if error else {}) | fields


def test_receipts_tell_reverts_and_exhausted_gas():
    node = FakeNode({"eth_getBlockReceipts": lambda _: [receipt(), receipt("0x0"), receipt("0x0", 60_000), receipt()]})
    statuses = Receipts(node.rpc, frozenset({60_000})).read(BLOCK, 5, TX)
    assert statuses == Statuses(bytes([OK, REVERTED, OUT, OK]), [30_000, 30_000, 60_000, 30_000])
    assert node.calls == [("eth_getBlockReceipts", [BLOCK])]


def test_nodes_without_block_receipts_are_asked_per_transaction_in_batches():
    node = FakeNode({"eth_getTransactionReceipt": lambda tx_id: receipt("0x0" if tx_id[2:4] == "01" else "0x1")})
    source = Receipts(node.rpc, frozenset())
    assert source.read(BLOCK, 5, TX).error_classes == bytes([OK, REVERTED, OK, OK])
    source.read(BLOCK, 6, TX)
    assert node.count("eth_getBlockReceipts") == 1


@pytest.mark.parametrize("found", [None, [], [receipt()], [receipt(), receipt(block="0x1"), receipt(), receipt()]])
def test_receipts_that_are_not_all_there_are_asked_again(found):
    assert Receipts(FakeNode({"eth_getBlockReceipts": lambda _: found}).rpc, frozenset()).read(BLOCK, 5, TX) is None


def test_a_passing_fault_does_not_switch_the_method():
    def busy(_):
        raise NodeSays("header not found")

    node = FakeNode({"eth_getBlockReceipts": busy})
    source = Receipts(node.rpc, frozenset())
    assert source.read(BLOCK, 5, TX) is None
    assert source.read(BLOCK, 5, TX) is None
    assert node.count("eth_getBlockReceipts") == 2


def test_a_receipt_without_status_is_an_error():
    node = FakeNode({"eth_getBlockReceipts": lambda _: [{"blockHash": BLOCK, "gasUsed": "0x1"}]})
    with pytest.raises(LedgerError, match="no status"):
        Receipts(node.rpc, frozenset()).read(BLOCK, 5, TX[:1])


def traced(traces: list[dict[str, object]], status: str = "0x0") -> tuple[FakeNode, Traces]:
    node = FakeNode({"trace_block": lambda _: traces, "eth_getTransactionReceipt": lambda _: receipt(status)})
    return node, Traces(node.rpc)


def test_traces_tell_the_same_of_top_level_calls_only():
    inner = trace(0, "Reverted", traceAddress=[0])
    reward = {"traceAddress": [], "type": "reward", "blockHash": BLOCK}
    traces = [trace(0), inner, trace(1, "Reverted"), trace(2, "Out of gas"), trace(3, "Bad instruction"), reward]
    node, source = traced(traces)
    assert source.read(BLOCK, 5, TX) == Statuses(bytes([OK, REVERTED, OUT, REVERTED]), None)
    assert node.calls == [("trace_block", ["0x5"]), ("eth_getTransactionReceipt", ["0x" + "01" * 32])]


def test_a_receipt_that_contradicts_its_trace_stops_the_run():
    with pytest.raises(LedgerError, match="contradicts its trace"):
        traced([trace(0)], status="0x0")[1].read(BLOCK, 5, TX[:1])
    with pytest.raises(LedgerError, match="contradicts its trace"):
        traced([trace(0, "Reverted")], status="0x1")[1].read(BLOCK, 5, TX[:1])


@pytest.mark.parametrize("traces", [None, [], [trace(0, block="0x1")], [trace(9)]])
def test_traces_that_are_not_of_this_block_are_asked_again(traces):
    assert traced(traces)[1].read(BLOCK, 5, TX[:1]) is None


@pytest.mark.parametrize("answer", [None, receipt(block="0x1"), receipt("0x0", block="0x1")])
def test_a_receipt_of_no_or_another_block_is_asked_again(answer):
    node, source = traced([trace(0)])
    node.methods["eth_getTransactionReceipt"] = lambda _: answer
    assert source.read(BLOCK, 5, TX[:1]) is None


def test_only_anvil_is_asked_for_traces():
    anvil = FakeNode({"web3_clientVersion": lambda: "anvil/v1.7.1"}).rpc
    geth = FakeNode({"web3_clientVersion": lambda: "Geth/v1.17.5"}).rpc
    assert isinstance(choose_source(anvil, "auto", frozenset()), Traces)
    assert isinstance(choose_source(geth, "auto", frozenset()), Receipts)
    assert isinstance(choose_source(FakeNode().rpc, "auto", frozenset()), Receipts)
    assert isinstance(choose_source(anvil, "receipts", frozenset()), Receipts)
    assert isinstance(choose_source(geth, "traces", frozenset()), Traces)


class Source:
    """Answers when told to."""

    name = "test"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Statuses | Exception | None] = {}
        self.event = threading.Event()

    def read(self, block_id, height, tx_ids):
        self.asked.append(block_id)
        self.event.set()
        answer = self.answers.get(block_id, Statuses(bytes(len(tx_ids)), None))
        if isinstance(answer, Exception):
            raise answer
        return answer


def collect(fetcher: ReceiptFetcher, count: int) -> list[Settled]:
    found: list[Settled] = []
    deadline = time.monotonic() + 5
    while len(found) < count and time.monotonic() < deadline:
        if settled := fetcher.settled():
            found.append(settled)
        else:
            time.sleep(0.001)
    return found


def test_blocks_settle_in_order_and_orphans_never():
    fetcher = ReceiptFetcher(Source(), duty=1.0)
    fetcher.add(0, 5, "a", TX[:1])
    fetcher.add(1, 6, "b", TX[:2])
    fetcher.add(2, 7, "c", TX[:3])
    fetcher.drop(1)
    fetcher.start()
    assert collect(fetcher, 2) == [Settled(0, b"\0"), Settled(2, b"\0\0\0")]
    fetcher.stop()


def test_a_failure_reaches_the_follower():
    source = Source()
    source.answers["a"] = LedgerError("node died")
    fetcher = ReceiptFetcher(source, duty=1.0)
    fetcher.add(0, 5, "a", TX)
    fetcher.start()
    with pytest.raises(LedgerError, match="node died"):
        collect(fetcher, 1)
    fetcher.stop()


def test_the_duty_pauses_while_load_lasts_and_an_empty_block_ends_the_pause(monkeypatch):
    import bench.adapters.evm.receipts as module

    clock = iter(range(0, 10**12, 10**9))  # every look at the clock is a second later: a fetch "takes" one second
    monkeypatch.setattr(module, "monotonic_ns", lambda: next(clock))
    source = Source()
    fetcher = ReceiptFetcher(source, duty=0.01)  # so the pause is 99 s
    fetcher.add(0, 5, "a", TX)
    fetcher.add(1, 6, "b", TX)
    fetcher.start()
    assert collect(fetcher, 1) == [Settled(0, bytes(4))]
    assert source.asked == ["a"]
    fetcher.saw_empty_block()
    assert collect(fetcher, 1) == [Settled(1, bytes(4))]
    fetcher.stop()


def test_what_the_node_never_tells_is_unknown(monkeypatch):
    import bench.adapters.evm.receipts as module

    monkeypatch.setattr(module, "_RETRY_S", 0.0)
    source = Source()
    source.answers["a"] = None
    fetcher = ReceiptFetcher(source, duty=1.0)
    fetcher.add(0, 5, "a", TX[:2])
    fetcher.start()
    assert collect(fetcher, 1) == [Settled(0, bytes([ErrorClass.STATUS_UNKNOWN] * 2))]
    fetcher.stop()


def busy(*_: object) -> object:
    raise NodeSays("server busy")


@pytest.mark.parametrize("answer", [lambda *_: None, lambda *_: [], lambda *_: [receipt(), None], busy])
def test_receipts_that_never_come_whole_leave_the_block_unknown_and_the_next_is_read(answer, monkeypatch):
    import bench.adapters.evm.receipts as module

    monkeypatch.setattr(module, "_RETRY_S", 0.0)
    good = "0x" + "0c" * 32
    told = {BLOCK: answer, good: lambda _: [receipt(block=good)]}
    node = FakeNode({"eth_getBlockReceipts": lambda block_id: told[block_id](block_id)})
    fetcher = ReceiptFetcher(Receipts(node.rpc, frozenset()), duty=1.0)
    fetcher.add(0, 5, BLOCK, TX[:2])
    fetcher.add(1, 6, good, TX[2:3])
    fetcher.start()
    unknown = bytes([ErrorClass.STATUS_UNKNOWN])
    assert collect(fetcher, 2) == [Settled(0, unknown * 2), Settled(1, b"\0", [30_000])]
    assert node.count("eth_getBlockReceipts") == 21
    fetcher.stop()


def test_the_duty_grows_with_the_backlog_from_the_least_to_all_of_the_time():
    assert [duty_at(waiting, 0.1) for waiting in (0, 5, 10, 1000)] == pytest.approx([0.1, 0.55, 1.0, 1.0])
    assert duty_at(0, 1.0) == 1.0


def backlog_after(blocks: int, *, interval_s: int, cost_s: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks waiting after that many came, on a clock that only fetches and pauses move."""
    import bench.adapters.evm.receipts as module

    now, next_block = 0, 0
    fetcher = ReceiptFetcher(Source(), duty=0.1)

    def pass_time(nanoseconds: int) -> None:
        nonlocal now, next_block
        now += nanoseconds
        while next_block < blocks and next_block * interval_s * 10**9 <= now:
            fetcher.add(next_block, next_block, "a", TX[:1])
            next_block += 1
        if next_block == blocks:
            fetcher._stopped.set()

    class Wake(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            until_block = next_block * interval_s * 10**9 - now
            pass_time(until_block if timeout is None else min(until_block, int(timeout * 1e9) + 1))
            return True

    class Slow(Source):
        def read(self, block_id, height, tx_ids):
            pass_time(cost_s * 10**9)
            return super().read(block_id, height, tx_ids)

    monkeypatch.setattr(module, "monotonic_ns", lambda: now)
    monkeypatch.setattr(fetcher, "_source", Slow())
    monkeypatch.setattr(fetcher, "_wake", Wake())
    fetcher._run()
    return len(fetcher._pending)


@pytest.mark.parametrize(("cost_s", "most"), [(1, 1), (3, 4), (5, 6), (9, 10)])
def test_the_backlog_does_not_grow_with_the_run_while_the_node_can_keep_up(cost_s, most, monkeypatch):
    short = backlog_after(200, interval_s=10, cost_s=cost_s, monkeypatch=monkeypatch)
    long = backlog_after(5_000, interval_s=10, cost_s=cost_s, monkeypatch=monkeypatch)
    assert short <= most
    assert long <= most


def test_with_a_full_backlog_a_block_that_cannot_be_read_is_asked_for_once():
    source = Source()
    source.answers["a"] = None
    fetcher = ReceiptFetcher(source, duty=0.1)
    for ordinal in range(FULL_BACKLOG + 1):
        fetcher.add(ordinal, ordinal, "a" if ordinal == 0 else "b", TX[:1])
    fetcher.start()
    assert collect(fetcher, 1) == [Settled(0, bytes([ErrorClass.STATUS_UNKNOWN]))]
    fetcher.stop()
    assert source.asked.count("a") == 1

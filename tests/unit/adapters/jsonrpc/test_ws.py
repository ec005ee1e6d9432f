import socket
import threading
import time

import orjson
import pytest

from bench.adapters.evm.heads import HeadWatcher, Subscription
from bench.adapters.jsonrpc.channel import LostError, NotSentError, parse_target
from bench.adapters.jsonrpc.ws import WsChannel
from bench.model.errors import LedgerError
from tests.support.fake_node import FakeNode
from tests.support.ws_server import ws_server


def request(number: int) -> bytes:
    return orjson.dumps({"id": number})


def reply(number: int, **more: object) -> bytes:
    return orjson.dumps({"id": number, "result": "0x1"} | more)


def in_parallel(channel: WsChannel, numbers: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}

    def one(position: int, number: int) -> None:
        found[position] = channel.exchange(request(number), [number]).body

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(numbers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    return found


def test_answers_in_another_order_reach_their_callers():
    waiting: list[int] = []

    def hold_back(frame: bytes) -> list[bytes]:
        waiting.append(orjson.loads(frame)["id"])
        return [reply(number) for number in reversed(waiting)] if len(waiting) == 3 else []

    with ws_server(hold_back) as url:
        channel = WsChannel(parse_target(url, {}), 5)
        found = in_parallel(channel, [1, 2, 3])
        channel.close()
    assert {position: orjson.loads(body)["id"] for position, body in found.items()} == {0: 1, 1: 2, 2: 3}


def test_the_same_request_twice_at_once_gets_two_answers():
    count = 0

    def hold_back(frame: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        return [reply(7), reply(7)] if count == 2 else []

    with ws_server(hold_back) as url:
        channel = WsChannel(parse_target(url, {}), 5)
        assert in_parallel(channel, [7, 7]) == {0: reply(7), 1: reply(7)}
        channel.close()


def test_a_batch_is_matched_by_any_of_its_ids_and_not_mixed_up_with_a_single():
    frames: list[bytes] = []

    def both(frame: bytes) -> list[bytes]:
        frames.append(frame)
        batch = b"[" + reply(2) + b"," + reply(1) + b"]"
        return [b"noise", reply(99), batch, reply(1, single=True)] if len(frames) == 2 else []

    with ws_server(both) as url:
        channel = WsChannel(parse_target(url, {}), 5)
        found: dict[str, bytes] = {}
        single = threading.Thread(target=lambda: found.update(single=channel.exchange(request(1), [1]).body))
        single.start()
        while not frames:
            pass
        found["batch"] = channel.exchange(b"[" + request(1) + b"," + request(2) + b"]", [1, 2]).body
        single.join(5)
        channel.close()
    assert orjson.loads(found["single"])["single"] is True
    assert [item["id"] for item in orjson.loads(found["batch"])] == [2, 1]


def test_no_answer_and_a_lost_connection():
    with ws_server(lambda frame: None if b"5" in frame else []) as url:
        channel = WsChannel(parse_target(url, {}), 0.05)
        with pytest.raises(LostError, match="no answer from"):
            channel.exchange(request(1), [1])
        with pytest.raises(LostError, match="lost"):
            channel.exchange(request(5), [5])
        with pytest.raises(LostError, match="no answer from"):  # connected again
            channel.exchange(request(2), [2])
        channel.close()
        channel.close()


def test_a_connection_that_fell_silent_is_replaced_and_one_that_is_only_slow_is_not():
    connections: list[int] = []
    silent = True

    def answer(frame: bytes) -> list[bytes]:
        return [] if silent or b"9" in frame else [reply(orjson.loads(frame)["id"])]

    with ws_server(answer, opened=connections.append) as url:
        channel = WsChannel(parse_target(url, {}), 0.2)
        with pytest.raises(LostError, match="no answer from"):
            channel.exchange(request(1), [1])
        silent = False
        assert channel.exchange(request(2), [2]).body == reply(2)
        assert len(connections) == 2
        slow: list[Exception] = []

        def unanswered() -> None:
            try:
                channel.exchange(request(9), [9])
            except LostError as error:
                slow.append(error)

        waiting = threading.Thread(target=unanswered)
        waiting.start()
        while waiting.is_alive():
            channel.exchange(request(3), [3])
        waiting.join()
        assert "no answer from" in str(slow[0])
        assert len(connections) == 2
        channel.close()


def test_who_waits_while_connecting_fails_shares_the_failure(monkeypatch):
    attempts: list[float] = []

    def fail(target, timeout_s):
        attempts.append(timeout_s)
        time.sleep(0.1)
        raise NotSentError("no such host")

    monkeypatch.setattr("bench.adapters.jsonrpc.ws.connect", fail)
    channel = WsChannel(parse_target("ws://127.0.0.1:1", {}), 5)
    failures: list[Exception] = []

    def one() -> None:
        try:
            channel.exchange(request(1), [1])
        except NotSentError as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert [str(error) for error in failures] == ["no such host"] * 5
    assert len(attempts) == 1
    with pytest.raises(NotSentError):
        channel.exchange(request(1), [1])
    assert len(attempts) == 2


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    with pytest.raises(NotSentError, match="cannot be reached"):
        WsChannel(parse_target(f"ws://127.0.0.1:{port}", {}), 1).exchange(b"{}", [1])


def head(number: int) -> bytes:
    result = {"number": hex(number), "hash": f"0x{number:064x}"}
    return orjson.dumps({"method": "eth_subscription", "params": {"result": result}})


def watcher(url: str, *, guessed: bool, node: FakeNode) -> HeadWatcher:
    return HeadWatcher(node.rpc, Subscription(parse_target(url, {}), guessed), 0.01, 5)


def test_heads_come_from_the_subscription_and_from_the_poll():
    node = FakeNode({"eth_blockNumber": lambda: "0x7"})
    with ws_server(lambda _: [b'{"id":1,"result":"0x1"}', head(8), head(9)]) as url:
        heads = watcher(url, guessed=True, node=node)
        heads.start()
        found = {(each.height, each.block_id) for each in (heads.next(5), heads.next(5), heads.next(5)) if each}
        heads.stop()
    assert found == {(7, None), (8, f"0x{8:064x}"), (9, f"0x{9:064x}")}


def test_a_guessed_subscription_may_fail_and_a_given_one_may_not():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        url = f"ws://127.0.0.1:{holder.getsockname()[1]}"
    heights = iter(range(7, 10**6))
    node = FakeNode({"eth_blockNumber": lambda: hex(next(heights))})
    heads = watcher(url, guessed=True, node=node)
    heads.start()
    assert [heads.next(5).height for _ in range(3)] == [7, 8, 9]
    heads.stop()
    heads = watcher(url, guessed=False, node=FakeNode({"eth_blockNumber": lambda: "0x7"}))
    heads.start()
    with pytest.raises(LedgerError, match="cannot be reached"):
        next(head for _ in range(9) if (head := heads.next(5)) is None)  # one polled head may come before
    heads.stop()


def test_a_poll_that_fails_is_raised_where_heads_are_taken():
    with ws_server(lambda _: []) as url:
        heads = watcher(url, guessed=True, node=FakeNode())
        heads.start()
        with pytest.raises(LedgerError, match="refused eth_blockNumber"):
            heads.next(5)
        heads.stop()


def patient(url: str, node: FakeNode) -> HeadWatcher:
    """Polls every 10 ms, or, while the subscription keeps up, so rarely that no test sees it."""
    return HeadWatcher(node.rpc, Subscription(parse_target(url, {}), guessed=True), 0.01, 5)


def take_until(heads: HeadWatcher, wanted: tuple[int, str | None]) -> None:
    for _ in range(1000):
        each = heads.next(5)
        assert each is not None, f"{wanted} never came"
        if (each.height, each.block_id) == wanted:
            return
    raise AssertionError(f"{wanted} was not among the heads")


def test_polling_is_rare_only_while_the_subscription_keeps_up(monkeypatch):
    monkeypatch.setattr("bench.adapters.evm.heads._SLOW_POLL_S", 60.0)
    node = FakeNode({"eth_blockNumber": lambda: "0x8"})
    with ws_server(lambda _: [head(8)]) as url:
        heads = patient(url, node)
        heads.start()
        take_until(heads, (8, f"0x{8:064x}"))
        time.sleep(0.05)
        asked = node.count("eth_blockNumber")
        time.sleep(0.1)  # ten fast polls
        assert node.count("eth_blockNumber") == asked
        heads.stop()


@pytest.mark.parametrize("tells", [[head(8)], [], [b'{"id":1,"result":"0x1"}']])
def test_a_subscription_that_falls_silent_leaves_fast_polling_and_is_begun_anew(tells, monkeypatch):
    monkeypatch.setattr("bench.adapters.evm.heads._SLOW_POLL_S", 0.05)
    monkeypatch.setattr("bench.adapters.evm.heads._SILENCE_S", 0.2)
    monkeypatch.setattr("bench.adapters.evm.heads._RECONNECT_S", 0.0)
    subscribed: list[bytes] = []
    again = threading.Event()

    def tell(frame: bytes) -> list[bytes]:
        subscribed.append(frame)
        if len(subscribed) > 1:
            again.set()
        return tells

    heights = iter(range(8, 10**6))
    node = FakeNode({"eth_blockNumber": lambda: hex(next(heights))})
    with ws_server(tell) as url:
        heads = patient(url, node)
        heads.start()
        take_until(heads, (20, None))
        assert again.wait(5)
        heads.stop()


def test_a_subscription_that_answers_no_ping_is_begun_anew(monkeypatch):
    monkeypatch.setattr("bench.adapters.evm.heads._SILENCE_S", 0.05)
    monkeypatch.setattr("bench.adapters.evm.heads._RECONNECT_S", 0.0)
    told = iter(range(8, 10**6))
    node = FakeNode({"eth_blockNumber": lambda: "0x8"})
    with ws_server(lambda _: [head(next(told))], pongs=False) as url:
        heads = patient(url, node)
        heads.start()
        for number in (8, 9, 10):  # one head per connection
            take_until(heads, (number, f"0x{number:064x}"))
        heads.stop()


def test_a_quiet_subscription_that_answers_pings_is_kept(monkeypatch):
    monkeypatch.setattr("bench.adapters.evm.heads._SILENCE_S", 0.02)
    subscribed: list[bytes] = []

    def tell(frame: bytes) -> list[bytes]:
        subscribed.append(frame)
        return [head(8)]

    with ws_server(tell) as url:
        heads = patient(url, FakeNode({"eth_blockNumber": lambda: "0x8"}))
        heads.start()
        take_until(heads, (8, f"0x{8:064x}"))
        time.sleep(0.3)  # fifteen silences
        heads.stop()
    assert len(subscribed) == 1


def test_a_node_that_refuses_to_subscribe_is_polled_or_named():
    refusal = b'{"id":1,"error":{"code":-32601,"message":"no eth_subscribe here"}}'
    heights = iter(range(7, 10**6))
    with ws_server(lambda _: [refusal]) as url:
        heads = watcher(url, guessed=True, node=FakeNode({"eth_blockNumber": lambda: hex(next(heights))}))
        heads.start()
        assert [heads.next(5).height for _ in range(20)] == list(range(7, 27))
        heads.stop()
        heads = watcher(url, guessed=False, node=FakeNode({"eth_blockNumber": lambda: "0x7"}))
        heads.start()
        with pytest.raises(LedgerError, match="refuses eth_subscribe: no eth_subscribe here"):
            next(each for _ in range(9) if (each := heads.next(5)) is None)
        heads.stop()

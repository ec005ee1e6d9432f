import orjson

from bench.adapters.evm.rpc import Rpc
from bench.adapters.jsonrpc.channel import Answer


class Recording:
    """A channel that keeps the ids of what it is asked."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def exchange(self, body: bytes, ids: list[int]) -> Answer:
        self.ids += ids
        answers = [{"id": number, "result": "0x1"} for number in ids]
        return Answer(200, orjson.dumps(answers if body[:1] == b"[" else answers[0]))

    def close(self) -> None:
        pass


def test_two_that_share_a_channel_never_use_one_id_twice() -> None:
    channel = Recording()
    first, second = Rpc(channel, "node"), Rpc(channel, "node")
    for rpc in (first, second, first):
        rpc.call("eth_chainId", [])
        rpc.batch("eth_getBalance", [["a"], ["b"]])
    assert len(channel.ids) == len(set(channel.ids)) == 9

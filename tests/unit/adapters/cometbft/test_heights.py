"""Which height of a node counts, and what is said of how blocks are learnt."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from bench.adapters.cometbft.heights import latest_height, most_advanced, watching_path
from bench.adapters.cometbft.rpc import Peer, Rpc
from bench.adapters.jsonrpc.channel import Answer, parse_target
from bench.api import LedgerError


class Executing:
    """A node whose block store is one block ahead of its application."""

    def __init__(self, executed: object) -> None:
        self.executed = executed

    def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
        results: dict[str, Any] = {
            "status": {"sync_info": {"latest_block_height": "99"}},
            "abci_info": {"response": {} if self.executed is None else {"last_block_height": self.executed}},
        }
        return Answer(200, orjson.dumps({"id": ids[0], "result": results[orjson.loads(body)["method"]]}))

    def close(self) -> None:
        pass


def peer(executed: object, number: int = 2) -> Peer:
    return Peer(parse_target(f"http://127.0.0.{number}:1", {}), Executing(executed))


@pytest.mark.parametrize(("executed", "height"), [("98", 98), (None, 0)])
def test_a_block_counts_when_it_is_executed(executed: object, height: int) -> None:
    assert latest_height(Rpc([peer(executed)])) == height


def test_what_is_no_height_is_an_error() -> None:
    with pytest.raises(LedgerError, match="height of the node's application cannot be read"):
        latest_height(Rpc([peer("many")]))


def test_audits_ask_the_node_that_has_executed_most() -> None:
    behind, ahead = peer("97"), peer("98", 3)
    assert most_advanced(Rpc([behind, ahead]), [behind, ahead]).current is ahead


def test_the_path_is_told_with_its_interval() -> None:
    assert "polled every 0.1 s" in watching_path(False, 0.1)
    assert watching_path(True, 0.25).startswith("blocks: NewBlockHeader over WebSocket")
    assert "every 0.25 s while the subscription is behind" in watching_path(True, 0.25)

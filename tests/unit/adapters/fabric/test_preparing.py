"""Opening transactions that are not taken at the first try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from bench.adapters.fabric import preparing
from bench.adapters.fabric.process import FabricClient
from bench.adapters.fabric.proposal import Signer
from bench.model.errors import LedgerError
from bench.model.transaction import ACCEPTED, Block, ErrorClass, Refusal, Reply, Transaction


class Channel:
    """A client whose channel gives `replies` in turn, then accepts; what it accepts is VALID in a block of its own."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[bytes] = []
        self.taken: list[bytes] = []

    def ask(self, _message: list[Any]) -> int:
        return 7

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        (transaction,) = batch
        self.asked.append(transaction.tx_id)
        reply = self.replies.pop(0) if self.replies else ACCEPTED
        if reply == ACCEPTED:
            self.taken.append(transaction.tx_id)
        return [reply]

    def follow(self, after: int) -> Iterator[Block]:
        for ordinal, tx_id in enumerate(self.taken):
            yield Block(ordinal, after + 1 + ordinal, b"id", 0, [tx_id], b"\0", size_bytes=-1)


class Numbered:
    """Signs nothing: the nonce is the id."""

    def propose(self, _arguments: list[bytes], nonce: bytes) -> tuple[bytes, bytes]:
        return nonce, b"proposal"


def open_in(channel: Channel, calls: int) -> None:
    preparing.open_entries(cast(FabricClient, channel), cast(Signer, Numbered()), [[b"open"]] * calls)


def test_peers_a_block_apart_are_asked_again_with_another_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "_APART_S", 0.0)
    apart = Refusal(ErrorClass.CONFLICT, "different results")
    channel = Channel(apart, apart)
    open_in(channel, 2)
    assert len(channel.asked) == len(set(channel.asked)) == 4
    assert channel.taken == channel.asked[2:]


def test_peers_that_stay_apart_end_the_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "_APART_S", 0.0)
    monkeypatch.setattr(preparing, "_COMMIT_S", -1.0)
    with pytest.raises(LedgerError, match=r"did not open its entries.*different results"):
        open_in(Channel(Refusal(ErrorClass.CONFLICT, "different results")), 1)


def test_another_refusal_is_not_tried_again() -> None:
    channel = Channel(Refusal(ErrorClass.UNAUTHORIZED, "access denied"))
    with pytest.raises(LedgerError, match="access denied"):
        open_in(channel, 1)
    assert len(channel.asked) == 1

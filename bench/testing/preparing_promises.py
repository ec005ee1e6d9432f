"""Promises of `open`, `prepare`, `encode` and `close`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping

import pytest

from bench.adapters.protocol import Adapter, Endpoint, Setup
from bench.model.errors import BenchError, LedgerError
from bench.model.transaction import ACCEPTED, ID_BYTES
from bench.testing.basis import VALID, ContractBasis, ids, in_threads
from bench.testing.stage import Stage, through_json


class PreparingPromises(ContractBasis):
    """The untimed part of an adapter."""

    # open

    def test_open_raises_ledger_error_when_nobody_listens(
        self, adapter_factory: Callable[[], Adapter], dead_endpoint: Endpoint
    ) -> None:
        adapter = adapter_factory()
        with pytest.raises(LedgerError):
            adapter.open(dead_endpoint)
        adapter.close()

    def test_two_adapters_can_be_open_at_once(self, stage: Stage) -> None:
        follower, other = stage.follow(), stage.open()
        mine, others = stage.encode([self.write(0)], 0), stage.encode([self.write(1)], 1)
        assert stage.adapter.submit(mine) + other.submit(others) == [ACCEPTED, ACCEPTED]
        included = follower.wait_for(ids(mine + others))
        assert [included[tx_id] for tx_id in ids(mine + others)] == [VALID, VALID]

    def test_a_fixture_of_another_ledger_is_refused(self, stage: Stage, other_endpoint: Endpoint | None) -> None:
        if other_endpoint is not None:
            with pytest.raises(LedgerError):
                stage.open(other_endpoint)

    # prepare

    def test_prepare_makes_the_accounts_asked_for(self, stage: Stage) -> None:
        assert stage.fixture.accounts == self.accounts
        assert len(stage.fixture.sequences) == (self.accounts if stage.sequenced else 0)

    def test_fixture_survives_json(self, stage: Stage) -> None:
        once = through_json(stage.fixture)
        assert through_json(once) == once
        assert once.accounts == stage.fixture.accounts
        assert list(once.sequences) == list(stage.fixture.sequences)

    def test_fixture_is_all_a_fresh_adapter_needs(self, stage: Stage) -> None:
        follower, fresh = stage.follow(), stage.open()
        transaction = fresh.encode(self.write(0), 1, stage.next_sequence(1))
        assert fresh.submit([transaction]) == [ACCEPTED]
        assert follower.wait_for([transaction.tx_id])[transaction.tx_id] == VALID

    def test_prepare_again_leaves_a_usable_ledger(self, stage: Stage, setup: Setup) -> None:
        first = stage.encode([self.write(0)])
        follower = stage.follow()
        assert stage.adapter.submit(first) == [ACCEPTED]
        follower.wait_for(ids(first))
        again = stage.open()
        fixture = again.prepare(setup)
        assert fixture.accounts == self.accounts
        second = again.encode(self.write(0), 0, fixture.sequences[0] if stage.sequenced else 0)
        assert second.tx_id != first[0].tx_id
        assert again.submit([second]) == [ACCEPTED]
        assert follower.wait_for([second.tx_id])[second.tx_id] == VALID

    # encode

    def test_encode_is_deterministic(self, stage: Stage) -> None:
        def encode_all(adapter: Adapter) -> list[tuple[bytes, bytes]]:
            encoded = []
            for sender in range(self.accounts):
                for number in range(3):
                    sequence = stage.next_sequence(sender) + number if stage.sequenced else 0
                    transaction = adapter.encode(self.write(number), sender, sequence)
                    encoded.append((transaction.tx_id, transaction.payload))
            return encoded

        assert encode_all(stage.open()) == encode_all(stage.open())

    def test_equal_operations_are_different_transactions(self, stage: Stage) -> None:
        tx_ids = [tx_id for sender in (0, 1) for tx_id in ids(stage.encode([self.write(0)] * 50, sender))]
        assert len(set(tx_ids)) == 100
        assert all(0 < len(tx_id) <= ID_BYTES for tx_id in tx_ids)

    def test_encode_needs_no_network(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        adapter = stage.open()

        def refuse(*_: object) -> None:
            raise AssertionError("encode used the network")

        with monkeypatch.context() as patch:
            for name in ("connect", "send", "sendall", "sendto", "sendmsg", "recv", "recv_into"):
                patch.setattr(socket.socket, name, refuse)
            assert adapter.encode(self.write(0), 0, stage.next_sequence(0)).payload

    # close and secrets

    def test_close_is_idempotent_also_without_open(self, adapter_factory: Callable[[], Adapter], stage: Stage) -> None:
        unopened, opened = adapter_factory(), stage.open()
        for adapter in (unopened, opened):
            adapter.close()
            adapter.close()

    def test_close_during_submit_ends_it(self, stage: Stage) -> None:
        adapter = stage.open()
        transactions = stage.encode([self.write(number) for number in range(300)])
        started = threading.Event()

        def send() -> None:
            try:
                for transaction in transactions:
                    adapter.submit([transaction])
                    started.set()
            except BenchError:  # allowed once it is closed
                pass

        def close() -> None:
            assert started.wait(self.patience_s)
            adapter.close()

        in_threads([send, close], self.patience_s)

    def test_secrets_are_not_shown(self, stage: Stage, secrets: Mapping[str, str]) -> None:
        shown = " ".join(
            map(repr, (stage.adapter, stage.setup, stage.fixture, stage.fixture.disclosed, stage.endpoint))
        )
        for secret in [*secrets.values(), *stage.endpoint.headers.values()]:
            assert secret not in shown
            assert secret.removeprefix("0x") not in shown

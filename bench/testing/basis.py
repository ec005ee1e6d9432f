"""What the promises are tested with: the ledger, the operations, the prepared stage, and small helpers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import pytest

from bench.adapters.protocol import Adapter, Endpoint, Setup
from bench.model.operation import Operation
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Reply, Transaction
from bench.model.workload import Parameter, Workload
from bench.testing.stage import Stage

VALID = [int(ErrorClass.NONE)]
"""What `Follower.included` says of a transaction that was included once and is valid."""


class ContractBasis:
    """What a subclass of `AdapterContract` gives: fixtures and methods that raise here, and class attributes."""

    accounts: ClassVar[int] = 4
    patience_s: ClassVar[float] = 20.0
    """How long a committed transaction may take; several block intervals."""
    read: ClassVar[Operation | None] = None
    """A read the ledger answers; needed if the adapter claims "reads"."""
    refused: ClassVar[Operation | None] = None
    """A write that business logic rightly refuses."""
    audit_read: ClassVar[tuple[str, Mapping[str, object]] | None] = None
    """Name and arguments of a read of state; needed if the adapter is `Auditable`."""

    @pytest.fixture
    def endpoint(self) -> Endpoint:
        """A running ledger."""
        raise NotImplementedError("override the fixture `endpoint`")

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        """Nobody listens there."""
        raise NotImplementedError("override the fixture `dead_endpoint`")

    @pytest.fixture
    def other_endpoint(self) -> Endpoint | None:
        """Another ledger of the same family, if one is to be had: fixtures must not be mixed up."""
        return None

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        """Makes an adapter that is not open."""
        raise NotImplementedError("override the fixture `adapter_factory`")

    @pytest.fixture
    def workload(self) -> Workload:
        """The workload whose operations `write`, `read` and `refused` are."""
        raise NotImplementedError("override the fixture `workload`")

    @pytest.fixture
    def parameters(self, workload: Workload) -> Mapping[str, Parameter]:
        """The workload's parameters."""
        return workload.defaults

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        """Keys that preparation needs (`Network.secrets`)."""
        return {}

    def write(self, number: int) -> Operation:
        """The `number`-th of any number of writes that are valid whoever sends them, in whatever order."""
        raise NotImplementedError("override write()")

    def malformed(self, transaction: Transaction) -> Transaction:
        """`transaction` spoilt, so that the node refuses it and can still read the rest of its batch. Used where there
        are no sequence numbers to spoil.
        """
        return Transaction(transaction.tx_id, transaction.payload[:-1])

    @pytest.fixture
    def setup(self, workload: Workload, parameters: Mapping[str, Parameter], secrets: Mapping[str, str]) -> Setup:
        """What is prepared."""
        return Setup(workload, parameters, self.accounts, writes=500, seed=7, secrets=secrets)

    @pytest.fixture
    def stage(self, adapter_factory: Callable[[], Adapter], endpoint: Endpoint, setup: Setup) -> Iterator[Stage]:
        """A prepared ledger."""
        stage = Stage(adapter_factory, endpoint, setup, self.patience_s)
        try:
            yield stage
        finally:
            stage.close()


def ids(transactions: list[Transaction]) -> list[bytes]:
    """Ids of transactions, in order."""
    return [transaction.tx_id for transaction in transactions]


def known_or_past(reply: Reply) -> bool:
    """How a node may answer to bytes it has: it knows them, or their sequence number has been used (by them)."""
    return reply == ACCEPTED or (isinstance(reply, Refusal) and reply.error_class is ErrorClass.SEQUENCE_TOO_LOW)


def in_threads(actions: list[Callable[[], None]], patience_s: float) -> None:
    """Run all at once; raise what the first of them raised."""
    errors: list[BaseException] = []

    def guarded(action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - a thread's edge: raised again by the caller
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience_s)
    assert not any(thread.is_alive() for thread in threads), f"not done after {patience_s:g} s"
    if errors:
        raise errors[0]

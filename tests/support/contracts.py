"""What live tests of the adapter contract have in common: a ledger that is started, and operations of a workload."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.api import Account, Adapter, Endpoint, Kind, Network, Operation, Workload
from bench.ledgers.protocol import Ledger
from bench.testing import AdapterContract
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER


def silent(line: str) -> None:
    """Where no progress is shown."""


@contextlib.contextmanager
def running(ledger: Ledger, directory: Path, options: Mapping[str, object] | None = None) -> Iterator[Network]:
    """A fresh network until the block is left; ended twice, because that must not matter."""
    network = ledger.up(directory, options or {}, silent)
    try:
        yield network
    finally:
        ledger.down(network)
        ledger.down(network)


class Transfers:
    """Operations of `transfer`, for a contract to be mixed with."""

    accounts: int
    read = Operation("balance", {"of": Account(1)}, Kind.READ)
    audit_read: tuple[str, dict[str, object]] = ("transactions_since_start", {})

    @pytest.fixture
    def workload(self) -> Workload:
        return TRANSFER

    def write(self, number: int) -> Operation:
        return Operation("transfer", {"to": Account(number % self.accounts), "amount": 1})


class SmallBank:
    """Operations of `smallbank` on `customers`, for a contract to be mixed with."""

    customers = 20
    read = Operation("balance", {"customer": 1}, Kind.READ)
    refused = Operation("send_payment", {"from": 1, "to": 2, "amount": 10**9}, expects_refusal=True)

    @pytest.fixture
    def workload(self) -> Workload:
        return SMALLBANK

    @pytest.fixture
    def parameters(self) -> Mapping[str, object]:
        return {**SMALLBANK.defaults, "customers": self.customers}

    def write(self, number: int) -> Operation:
        return Operation("deposit_checking", {"customer": number % 10, "amount": 130})


class EvmContract(AdapterContract):
    """On the managed EVM ledger `network`; `ledger` makes another one of the same kind, which is not the same."""

    patience_s = 60.0
    ledger: Callable[[], Ledger]
    options: Mapping[str, object] = {}

    @pytest.fixture
    def endpoint(self, network: Network) -> Endpoint:
        return Endpoint(network.endpoint, options=network.adapter_options)

    @pytest.fixture
    def other_endpoint(self, tmp_path: Path) -> Iterator[Endpoint]:
        with running(type(self).ledger(), tmp_path / "other", self.options) as network:
            yield Endpoint(network.endpoint, options=network.adapter_options)

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        return Endpoint("http://127.0.0.1:9")

    @pytest.fixture
    def secrets(self, network: Network) -> Mapping[str, str]:
        return network.secrets

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return EvmAdapter


class EvmSmallBank(SmallBank, EvmContract):
    """Both."""

    audit_read = ("total_of", {"first": 0, "count": 10})

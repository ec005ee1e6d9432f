"""The contract every adapter must pass, on a journal of this test's own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bench.api import Account, Adapter, Endpoint, Operation, Workload
from bench.testing import AdapterContract
from workloads.transfer import WORKLOAD


@contextmanager
def journal(path: Path) -> Iterator[Endpoint]:
    command = [sys.executable, "-m", "bench_journal.server", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield Endpoint(f"tcp://127.0.0.1:{server.stdout.readline().strip()}")
        finally:
            server.terminate()


class TestJournal(AdapterContract):
    @pytest.fixture
    def endpoint(self, tmp_path: Path) -> Iterator[Endpoint]:
        with journal(tmp_path / "journal") as endpoint:
            yield endpoint

    @pytest.fixture
    def other_endpoint(self, tmp_path: Path) -> Iterator[Endpoint]:
        with journal(tmp_path / "other") as endpoint:
            yield endpoint

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        return Endpoint("tcp://127.0.0.1:9")

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        (found,) = entry_points(group="bench.adapters", name="journal")
        return found.load()

    @pytest.fixture
    def workload(self) -> Workload:
        return WORKLOAD

    def write(self, number: int) -> Operation:
        return Operation("transfer", {"to": Account(number % self.accounts), "amount": 1})

"""Several nodes at once. The nodes are small programs of this test; what they show is in files."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.ledgers.nodes import NodeSpec, full_mesh, node_host, start_nodes, stop_nodes
from bench.model.errors import LedgerError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Link, Network, Node

SLEEPS = "import time, pathlib; pathlib.Path('up').touch(); time.sleep(60)"
FAILS = "import sys; sys.exit('no room left for my blocks')"
NEVER = "import time; print('still thinking', flush=True); time.sleep(60)"


def spec(directory: Path, name: str, program: str = SLEEPS, deadline_s: float = 20.0) -> NodeSpec:
    place = directory / name
    return NodeSpec(name, (sys.executable, "-c", program), place, (place / "up").exists, deadline_s=deadline_s)


def network(directory: Path, pids: dict[str, int]) -> Network:
    nodes = tuple(Node(name, "x", pid, directory / name) for name, pid in pids.items())
    kind = LedgerClass(FaultModel.NONE, 0, Durability.MEMORY, CryptoSuite.NONE, "one")
    return Network("model", "model", "model", "1", "x", nodes, Finality("block"), kind)


def test_all_are_ready_when_it_returns_and_gone_when_stopped(tmp_path: Path) -> None:
    said: list[str] = []
    running = start_nodes([spec(tmp_path, "a"), spec(tmp_path, "b")], said.append, "model")
    try:
        assert [process.name for process in running] == ["a", "b"]
        assert all((tmp_path / name / "up").exists() for name in "ab")
        assert said[0] == "model: starting a, b"
        assert sorted(line.split(" is ready")[0] for line in said[1:]) == ["model: a", "model: b"]
    finally:
        made = network(tmp_path, {process.name: process.pid for process in running})
        stop_nodes(made)
    assert not any(psutil.pid_exists(process.pid) for process in running)
    stop_nodes(made)  # idempotent


def test_a_node_that_ends_ends_the_others_and_its_last_words_are_shown(tmp_path: Path) -> None:
    specs = [spec(tmp_path, "good"), spec(tmp_path, "bad", FAILS), spec(tmp_path, "late", NEVER)]
    with pytest.raises(LedgerError, match="model, node bad, ended while starting") as caught:
        start_nodes(specs, lambda line: None, "model")
    assert "no room left for my blocks" in caught.value.remedy
    assert not list(tmp_path.glob("*/*.process.json")), "no node is left, and none is on record"


def test_a_node_that_is_not_ready_by_its_deadline_is_named(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(LedgerError, match=r"model, node slow, was not ready after 0.5 s") as caught:
        start_nodes([spec(tmp_path, "good"), spec(tmp_path, "slow", NEVER, 0.5)], lambda line: None, "model")
    assert "still thinking" in caught.value.remedy
    assert time.monotonic() - began < 15


def test_a_program_that_is_not_there_ends_those_already_started(tmp_path: Path) -> None:
    absent = NodeSpec("absent", (str(tmp_path / "nothing"),), tmp_path / "absent", lambda: False)
    with pytest.raises(LedgerError, match="absent could not be started"):
        start_nodes([spec(tmp_path, "good"), absent], lambda line: None, "model")
    assert not list(tmp_path.glob("*/*.process.json"))


def test_addresses_and_links() -> None:
    assert [node_host(index) for index in range(3)] == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert full_mesh(["a", "b", "c"]) == (Link("a", "b"), Link("a", "c"), Link("b", "c"))

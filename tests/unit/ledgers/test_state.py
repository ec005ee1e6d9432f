from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.ledgers import state
from bench.ledgers.process import outliving, spawn
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network, Node

KEY = "0x" + "5a" * 32
CLASS = LedgerClass(FaultModel.CRASH, 1, Durability.MEMORY, CryptoSuite.ED25519, "two organisations")


class SleepyLedger:
    """Its node does nothing; what matters is that it is a process."""

    info = LedgerInfo("sleepy", "f", "a", "1", 1, Finality("inclusion", 2), CLASS, "sleeps", "nothing")

    def __init__(self, *, own_process: bool = True) -> None:
        self.own_process = own_process
        self.stopped: list[Network] = []

    def installed(self) -> Path | None:
        return Path(sys.executable)

    def install(self, progress: Progress) -> Path:
        return Path(sys.executable)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        pid = spawn(["sleep", "600"], directory=directory, name="node").pid if self.own_process else None
        node = Node("node", "127.0.0.1:1", pid, directory, ("sleep", "600"))
        return Network(
            *("sleepy", "f", "a", "1", "http://127.0.0.1:1", (node,), self.info.finality, CLASS, ("--deep",)),
            secrets={"funding_key": KEY},
            adapter_options={"window": 3},
        )

    def down(self, network: Network) -> None:
        self.stopped.append(network)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BENCH_STATE", str(tmp_path))
    yield tmp_path
    state.end(SleepyLedger())


def quiet(line: str) -> None:
    """Nobody watches."""


def test_a_ledger_is_left_found_and_ended() -> None:
    left = state.leave_running(SleepyLedger(), {}, quiet)
    found = state.find("sleepy")
    assert found == left, "what is written is what was there, secrets and types included"
    assert state.left_running() == [left]
    assert left.running()
    ledger = SleepyLedger()
    assert state.end(ledger)
    assert ledger.stopped == [left.network]
    assert not left.running()
    assert state.find("sleepy") is None
    assert state.left_running() == []
    assert not state.end(ledger)


def test_the_key_is_in_a_file_for_its_owner_only(home: Path) -> None:
    left = state.leave_running(SleepyLedger(), {}, quiet)
    assert left.key_file is not None
    assert left.key_file.read_text() == KEY + "\n"
    for path in (left.key_file, home / "ledgers" / "sleepy" / "running.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    state.end(SleepyLedger())
    assert not left.key_file.exists()


def test_a_ledger_that_is_up_is_not_started_again() -> None:
    left = state.leave_running(SleepyLedger(), {}, quiet)
    with pytest.raises(ConfigurationError, match="sleepy is up already"):
        state.leave_running(SleepyLedger(), {}, quiet)
    assert left.running()


def test_a_ledger_that_ended_by_itself_is_told_and_replaced() -> None:
    first = state.leave_running(SleepyLedger(), {}, quiet)
    state.recorded(first.network.nodes[0].data_directory, "node").stop()  # type: ignore[arg-type, union-attr]
    assert [left.running() for left in state.left_running()] == [False]
    second = state.leave_running(SleepyLedger(), {}, quiet)
    assert second.running()
    assert second.processes != first.processes


class CutShort(SleepyLedger):
    """Its node runs, and then its `up` fails, as when nobody reads what it says any more."""

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        super().up(directory / "deep", options, progress)
        raise BrokenPipeError


def test_what_runs_when_up_fails_is_ended(home: Path) -> None:
    with pytest.raises(BrokenPipeError):
        state.leave_running(CutShort(), {}, quiet)
    assert not list(home.rglob("*.process.json")), "stopping a node removes its record"
    assert not state.end(SleepyLedger())


def test_nodes_of_an_up_that_was_killed_are_ended(home: Path) -> None:
    with outliving():
        process = spawn(["sleep", "600"], directory=home / "ledgers" / "sleepy" / "nodes" / "deep", name="node")
    assert process.node.running()
    assert state.end(SleepyLedger())
    assert not process.node.running()
    assert not state.end(SleepyLedger())


def test_a_ledger_inside_this_process_cannot_stay() -> None:
    ledger = SleepyLedger(own_process=False)
    with pytest.raises(ConfigurationError, match="no process of its own"):
        state.leave_running(ledger, {}, quiet)
    assert len(ledger.stopped) == 1
    assert state.find("sleepy") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"network": {"nodes": []}}'])
def test_a_broken_record_is_told(home: Path, content: str) -> None:
    path = home / "ledgers" / "sleepy" / "running.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(LedgerError, match="record of the running sleepy cannot be read"):
        state.find("sleepy")
    path.unlink()


def rewritten(home: Path, **ledger_class: str) -> None:
    path = home / "ledgers" / "sleepy" / "running.json"
    record = json.loads(path.read_text())
    record["network"]["ledger_class"] |= ledger_class
    path.write_text(json.dumps(record))


def test_a_record_of_an_earlier_version_is_understood_and_ended(home: Path) -> None:
    left = state.leave_running(SleepyLedger(), {}, quiet)
    rewritten(home, durability="fsync per block", fault_model="as our lawyers say")
    (found,) = state.left_running()
    declared = found.network.ledger_class
    assert (declared.durability, declared.fault_model) == (Durability.FSYNC, FaultModel.OTHER)
    assert declared.remarks == "as our lawyers say"
    assert state.end(SleepyLedger())
    assert not left.running()


def test_a_broken_record_hides_no_other_and_its_ledger_can_be_ended(home: Path) -> None:
    left = state.leave_running(SleepyLedger(), {}, quiet)
    other = home / "ledgers" / "awake" / "running.json"
    other.parent.mkdir()
    other.write_text("{")
    assert state.left_running() == [left]
    assert state.unreadable() == ["awake"]
    rewritten(home, crypto="no such suite")
    assert state.left_running() == []
    assert state.unreadable() == ["awake", "sleepy"]
    assert state.end(SleepyLedger())
    assert not left.running()
    assert left.key_file is not None
    assert not left.key_file.exists()
    assert state.unreadable() == ["awake"]
    assert not state.end(SleepyLedger())

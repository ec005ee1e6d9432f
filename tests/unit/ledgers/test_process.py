"""Against real processes, because that is what the module is about; all of them end within milliseconds."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from bench.ledgers import process as process_module
from bench.ledgers.process import NodeProcess, ProcessId, outliving, recorded, spawn, wait_ready
from bench.model.errors import LedgerError

# Says which process it is, then waits to be told to end.
TALKER = "import os, signal; print('pid', os.getpid(), flush=True); signal.pause()"


def start(directory: Path, code: str, name: str = "node") -> NodeProcess:
    return spawn([sys.executable, "-S", "-c", code], directory=directory, name=name)


def said(node: NodeProcess, text: str) -> bool:
    return text in node.log_tail()


def gone(pid: int) -> bool:
    """Ended, if not yet collected by its parent."""
    found = ProcessId.of(pid)
    return found is None or not found.running()


def test_a_node_runs_until_it_is_stopped(tmp_path: Path) -> None:
    node = start(tmp_path, TALKER)
    try:
        wait_ready(node, lambda: said(node, "pid"), 10, "talker")
        assert node.log_tail() == f"pid {node.pid}", "the pid is the program's, not the guard's"
        assert node.alive()
        assert node.returncode is None
    finally:
        node.stop()
    assert not node.alive()
    assert node.returncode == -signal.SIGTERM
    assert not node.node.running()
    node.stop()


def test_a_node_that_will_not_end_is_killed(tmp_path: Path) -> None:
    node = start(tmp_path, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + TALKER)
    wait_ready(node, lambda: said(node, "pid"), 10, "talker")
    node.stop(grace_s=0.05)
    assert node.returncode == -signal.SIGKILL


def test_children_of_a_node_that_ended_are_ended_too(tmp_path: Path) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); sys.exit(7)"
    node = start(tmp_path, code)
    node._child.wait(10)  # type: ignore[union-attr]
    assert node.returncode == 7
    orphan = int(node.log_tail())
    process_module._wait_until(lambda: gone(orphan), 5)
    assert gone(orphan)
    node.stop()


def test_output_and_errors_go_to_the_log_and_the_tail_is_short(tmp_path: Path) -> None:
    node = start(tmp_path, "import sys; [print('line', i) for i in range(100)]; sys.stderr.write('oops\\n')", "chatty")
    node._child.wait(10)  # type: ignore[union-attr]
    assert node.log_path == tmp_path / "chatty.log"
    assert sorted(node.log_tail(3).splitlines())[0] != ""
    assert len(node.log_tail(3).splitlines()) == 3
    assert len(node.log_path.read_text().splitlines()) == 101
    node.stop()
    node.log_path.unlink()
    assert node.log_tail() == ""


def test_a_program_that_does_not_exist_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="node could not be started") as caught:
        spawn(["/no/such/program", "--flag"], directory=tmp_path, name="node")
    assert caught.value.value == "/no/such/program"
    assert "No such file" in caught.value.what


def test_a_relative_program_is_found_from_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\npwd\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    node = spawn(["./program"], directory=tmp_path / "elsewhere", name="node")
    node._child.wait(10)  # type: ignore[union-attr]
    assert node.log_tail() == str(tmp_path / "elsewhere")
    node.stop()


def test_the_environment_can_be_replaced(tmp_path: Path) -> None:
    node = spawn(["/bin/sh", "-c", "echo $CITY"], directory=tmp_path, name="node", environment={"CITY": "Graz"})
    node._child.wait(10)  # type: ignore[union-attr]
    assert node.log_tail() == "Graz"
    node.stop()


def test_waiting_ends_at_once_when_the_node_has_ended(tmp_path: Path) -> None:
    node = start(tmp_path, "print('port is taken'); raise SystemExit(3)")
    with pytest.raises(LedgerError, match="node ended while starting") as caught:
        wait_ready(node, lambda: False, 60, "node")
    assert caught.value.value == 3
    assert "port is taken" in caught.value.remedy
    node.stop()


def test_waiting_ends_at_the_deadline(tmp_path: Path) -> None:
    node = start(tmp_path, TALKER)
    try:
        with pytest.raises(LedgerError, match=r"node was not ready after 0\.05 s"):
            wait_ready(node, lambda: False, 0.05, "node")
    finally:
        node.stop()


def test_a_ready_answer_of_somebody_else_does_not_count(tmp_path: Path) -> None:
    node = start(tmp_path, "raise SystemExit(1)")
    node._child.wait(10)  # type: ignore[union-attr]
    with pytest.raises(LedgerError, match="ended while starting"):
        wait_ready(node, lambda: True, 10, "node")
    node.stop()


def test_a_killed_guard_takes_its_node_along(tmp_path: Path) -> None:
    node = start(tmp_path, TALKER)
    os.kill(node._guard.pid, signal.SIGKILL)
    process_module._wait_until(lambda: not node.node.running(), 5)
    assert not node.node.running()
    assert not node.alive()
    node.stop()


def test_a_node_may_outlive_us_and_be_found_again(tmp_path: Path) -> None:
    with outliving():
        left = start(tmp_path, TALKER)
    assert left.alive()
    assert left._guard.pid != left.pid
    found = recorded(tmp_path, "node")
    assert found is not None
    assert found.pid == left.pid
    found.stop()
    assert not left.alive()
    assert not left.node.running()
    assert recorded(tmp_path, "node") is None


def test_a_recycled_process_id_is_nobody_we_know(tmp_path: Path) -> None:
    me = ProcessId.of(os.getpid())
    assert me is not None
    assert me.running()
    other = ProcessId(me.pid, me.started_at_s - 60)
    assert not other.running()
    (tmp_path / "node.process.json").write_text(json.dumps({"node": [me.pid, 1.0], "guard": [me.pid, 1.0]}))
    assert recorded(tmp_path, "node") is None


@pytest.mark.parametrize("content", ["", "{}", '{"node": 3}', "[]", '{"node": [1], "guard": [2]}'])
def test_an_unreadable_record_is_no_node(tmp_path: Path, content: str) -> None:
    (tmp_path / "node.process.json").write_text(content)
    assert recorded(tmp_path, "node") is None

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks.goodput.usage import MACHINE, Usage, kind_of, role_of


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["/x/python", "-m", "bench.load.worker", "--master=1"], "bench.load.worker"),
        (["/x/python", "/y/bench.py", "run"], "bench.py"),
        (["/cache/fabric-client"], "fabric-client"),
        ([], ""),
    ],
)
def test_processes_are_named_by_what_they_run(command: list[str], kind: str) -> None:
    assert kind_of(command) == kind


@pytest.mark.parametrize(
    ("node", "role"),
    [
        ("peer0-org1", "peer"),
        ("orderer2", "orderer"),
        ("chaincode-transfer-org1", "chaincode-transfer-org"),
        ("7", "7"),
    ],
)
def test_nodes_of_a_kind_are_one(node: str, role: str) -> None:
    assert role_of(node) == role


def test_a_busy_child_shows_and_a_node_is_not_counted_twice() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    usage = Usage({os.getpid(): "node"}, child.pid)
    try:
        time.sleep(1.7)
    finally:
        usage.stop()
        child.kill()
        child.wait()
    last = usage.samples[-1].used_s
    assert set(last) == {"node", MACHINE, os.path.basename(sys.executable)}
    assert 0.1 < last[os.path.basename(sys.executable)] < 3.0

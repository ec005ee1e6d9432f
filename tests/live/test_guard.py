"""However the harness ends, its nodes end with it. A second Python plays the harness and is killed in several ways."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.ledgers.process import ProcessId

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
# The node listens, starts a child that listens too, and both ignore polite requests to end.
NODE = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    child = socket.create_server(("127.0.0.1", int(sys.argv[2])))
    print("child", os.getpid(), flush=True)
    time.sleep(600)
print("node", os.getpid(), flush=True)
time.sleep(600)
"""
HARNESS = """
import sys, time
from pathlib import Path
from bench.ledgers.ports import free_port
from bench.ledgers.process import spawn, wait_ready
directory, program = Path(sys.argv[1]), sys.argv[2]
ports = [free_port(), free_port()]
node = spawn([sys.executable, "-S", "-c", program, *map(str, ports)], directory=directory, name="node")
wait_ready(node, lambda: node.log_tail().count("\\n") == 1, 20, "node")
print(node.pid, node._guard.pid, *ports, flush=True)
{then}
"""
SLEEP = "time.sleep(600)"


class Harness:
    """The other Python, its node, and what must be gone afterwards."""

    def __init__(self, directory: Path, then: str = SLEEP) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", HARNESS.format(then=then), str(directory), NODE]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        node, guard, *ports = map(int, self.process.stdout.readline().split())
        self.ports = ports
        lines = (directory / "node.log").read_text().split()
        self.pids = {node, guard, int(lines[1]), int(lines[3])}
        self.ids = [found for found in map(ProcessId.of, self.pids) if found is not None]
        self.guard = guard
        assert node in (int(lines[1]), int(lines[3]))

    def nothing_left(self) -> bool:
        return not any(one.running() for one in self.ids) and not any(map(answers, self.ports))

    def close(self) -> None:
        with self.process:
            self.process.kill()
        for one in self.ids:
            if one.running():
                psutil.Process(one.pid).kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Harness]]:
    started: list[Harness] = []

    def begin(then: str = SLEEP) -> Harness:
        started.append(Harness(tmp_path, then))
        return started[-1]

    yield begin
    for harness in started:
        harness.close()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def soon(condition: Callable[[], bool], deadline_s: float = 10.0) -> bool:
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_killed_harness_leaves_no_process_and_no_port(start: Callable[..., Harness], number: signal.Signals) -> None:
    harness = start()
    assert all(map(answers, harness.ports))
    assert len(harness.ids) == 3, "guard, node and the node's child"
    harness.process.send_signal(number)
    harness.process.wait(10)
    assert soon(harness.nothing_left)


@pytest.mark.parametrize("then", ["raise RuntimeError('bug')", "sys.exit(0)", "import os; os._exit(3)"])
def test_a_harness_that_ends_by_itself_leaves_nothing_either(start: Callable[..., Harness], then: str) -> None:
    harness = start(then)
    harness.process.wait(10)
    assert soon(harness.nothing_left)


def test_forked_and_executed_children_do_not_keep_the_lifeline_open(start: Callable[..., Harness]) -> None:
    harness = start("import subprocess; subprocess.Popen(['sleep', '8'], stdout=subprocess.DEVNULL); " + SLEEP)
    children = psutil.Process(harness.process.pid).children()
    harness.process.kill()
    harness.process.wait(10)
    assert soon(harness.nothing_left, 5.0)
    for child in children:
        if child.is_running() and child.name() == "sleep":
            child.kill()


def test_a_killed_guard_takes_its_node_along_and_stop_ends_the_rest(start: Callable[..., Harness]) -> None:
    """Told to by a line on its input, the harness stops its node, whose guard is gone by then."""
    harness = start("sys.stdin.readline(); node.stop(); print('stopped', flush=True); " + SLEEP)
    os.kill(harness.guard, signal.SIGKILL)
    assert soon(lambda: sum(one.running() for one in harness.ids) == 1), "the node's child has nobody left"
    assert harness.process.stdin is not None
    assert harness.process.stdout is not None
    harness.process.stdin.write("\n")
    harness.process.stdin.flush()
    assert harness.process.stdout.readline() == "stopped\n"
    assert harness.nothing_left()

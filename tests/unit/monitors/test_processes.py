from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from bench.model.clock import NS_PER_S
from bench.model.errors import HarnessError
from bench.monitors.processes import HOST, ProcessMonitor
from bench.monitors.programs import is_program, program_name

BUSY = "import sys, time\nt = time.process_time()\nwhile time.process_time() - t < 0.1: pass\n"
WAIT = "sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"


class Clock:
    """Ten seconds pass between two readings."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 10 * NS_PER_S
        return self.now


@pytest.fixture
def busy_child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has used a tenth of a second of CPU and now waits for its input to close."""
    child = subprocess.Popen([sys.executable, "-c", BUSY + WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    child.stdout.read(1)
    yield child
    with child:
        child.stdin.close()


def test_a_sample_says_what_the_process_used(busy_child: subprocess.Popen[bytes]) -> None:
    monitor = ProcessMonitor(clock=Clock())
    monitor.add("worker 0", "harness", busy_child.pid)
    (seen,) = monitor.stop()
    assert (seen.process, seen.role, seen.pid, seen.at_ns) == ("worker 0", "harness", busy_child.pid, 10 * NS_PER_S)
    assert 0.1 <= seen.cpu_s < 5
    assert seen.cpu_percent == 0.0
    assert seen.rss_bytes > 1_000_000
    assert seen.threads == 1
    assert seen.fds >= 3


def test_cpu_percent_is_of_one_core_since_the_sample_before() -> None:
    monitor = ProcessMonitor(clock=Clock())
    monitor.add("self", "harness", os.getpid())
    before = psutil.Process().cpu_times()
    while sum(psutil.Process().cpu_times()[:2]) - sum(before[:2]) < 0.05:
        pass
    monitor.sample()
    first, second = (s for s in monitor.stop() if s.process == "self")
    assert second.cpu_percent == pytest.approx(100 * (second.cpu_s - first.cpu_s) / (second.at_ns - first.at_ns) * 1e9)
    assert second.cpu_percent > 0


def test_the_host_is_sampled_too() -> None:
    monitor = ProcessMonitor(clock=Clock())
    monitor.sample()
    (host,) = monitor.stop()
    assert (host.process, host.role, host.pid) == (HOST, "host", -1)
    assert 0 < host.rss_bytes < psutil.virtual_memory().total
    assert host.cpu_s > 0


def test_the_end_of_a_process_is_the_end_of_its_samples(busy_child: subprocess.Popen[bytes]) -> None:
    monitor = ProcessMonitor(clock=Clock())
    monitor.add("node", "ledger", busy_child.pid)
    busy_child.kill()
    busy_child.wait()
    monitor.sample()
    monitor.sample()
    assert [s.process for s in monitor.stop()] == ["node", HOST, HOST]


def test_a_process_that_is_gone_already_is_ignored(busy_child: subprocess.Popen[bytes]) -> None:
    busy_child.kill()
    busy_child.wait()
    monitor = ProcessMonitor()
    monitor.add("node", "ledger", busy_child.pid)
    assert monitor.stop() == []


def test_children_count_with_their_node_and_their_time_is_kept_after_they_end() -> None:
    parent_code = (
        "import subprocess, sys\npipe = subprocess.PIPE\n"
        f"child = subprocess.Popen([sys.executable, '-c', {BUSY + WAIT!r}], stdin=pipe, stdout=pipe)\n"
        "child.stdout.read(1)\n"
        "print('up', flush=True)\nsys.stdin.readline()\n"
        "child.kill(); child.wait()\n"
        "print('down', flush=True)\nsys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        assert node.stdin is not None
        monitor = ProcessMonitor(clock=Clock())
        assert node.stdout.readline() == "up\n"
        monitor.add("node", "ledger", node.pid)
        monitor.add("harness view", "harness", node.pid)
        node.stdin.write("\n")
        node.stdin.flush()
        assert node.stdout.readline() == "down\n"
        monitor.sample()
        node.stdin.write("\n")
    whole = [s for s in monitor.stop() if s.process == "node"]
    alone = [s for s in monitor.stop() if s.process == "harness view"]
    assert whole[0].threads == 2
    assert alone[0].threads == 1
    assert whole[0].rss_bytes > alone[0].rss_bytes
    assert whole[0].cpu_s >= alone[0].cpu_s + 0.1
    assert whole[1].threads == 1
    assert whole[1].cpu_s >= whole[0].cpu_s, "cumulative counts never fall"
    assert whole[1].cpu_percent >= 0


def test_the_thread_samples_at_start_and_end() -> None:
    monitor = ProcessMonitor(interval_s=60)
    monitor.start()
    first = monitor.stop()
    assert [s.process for s in first] == [HOST, HOST]
    assert monitor.stop() == first


def test_a_failure_of_sampling_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = ProcessMonitor()
    monkeypatch.setattr(psutil, "cpu_times", lambda: 1 / 0)
    monitor.start()
    with pytest.raises(HarnessError, match="ZeroDivisionError"):
        monitor.stop()


def test_what_a_process_of_ours_starts_is_watched_under_its_own_name_and_only_once() -> None:
    parent_code = (
        "import subprocess, sys\npipe = subprocess.PIPE\n"
        f"command = [sys.executable, '-c', {BUSY + WAIT!r}]\n"
        "started = [subprocess.Popen(command, stdin=pipe, stdout=pipe) for _ in 'ab']\n"
        "[child.stdout.read(1) for child in started]\n"
        "print(started[0].pid, flush=True)\nsys.stdin.read()\n"
        "for child in started: child.kill(); child.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdin is not None
        known = int(worker.stdout.readline())
        monitor = ProcessMonitor(clock=Clock())
        monitor.add("worker-1", "harness", worker.pid)
        monitor.add("observer", "harness", known)
        for _ in range(7):
            monitor.sample()
        worker.stdin.close()
    samples = [sample for sample in monitor.stop() if sample.role == "harness"]
    (program,) = {sample.process for sample in samples} - {"worker-1", "observer"}
    assert program.startswith("python")
    assert is_program(program)
    assert program.endswith(" (worker-1)")
    of_program = [sample for sample in samples if sample.process == program]
    assert len({sample.pid for sample in of_program} | {known}) == 2, "the observer is not counted again"
    assert len(of_program) == 8, "found once, then sampled like all others"
    assert of_program[0].cpu_s >= 0.1


@pytest.mark.parametrize("name", ["worker-1", "observer", "master", "encoder-0", "host", "node (of mine)"])
def test_the_loads_own_processes_are_no_programs(name: str) -> None:
    assert not is_program(name)


def test_a_module_gives_its_program_the_name() -> None:
    words = ["-m", "bench.ledgers.some_node", "--socket"]
    waits = subprocess.Popen(
        [sys.executable, "-c", f"import sys; {WAIT}", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with waits as child:
        assert child.stdin is not None
        assert program_name(psutil.Process(child.pid), "coordinator") == "some_node (coordinator)"
        child.stdin.close()

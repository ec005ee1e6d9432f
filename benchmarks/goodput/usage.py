"""CPU time of a network's nodes, of a contender's whole process tree and of the machine, sampled from outside.

For families whose blocks are followed elsewhere; `watch` does both for those with JSON-RPC.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import psutil

from benchmarks.goodput.window import CpuSample

MACHINE = "machine"
_SAMPLE_S = 0.5
_NUMBER = re.compile(r"\d.*$")


class Tree:
    """Processes under names: the nodes given, and those of `client`, named by their command lines when found."""

    def __init__(self, nodes: Mapping[int, str], client: int, name: Callable[[list[str]], str]) -> None:
        self._client = psutil.Process(client)
        self._name = name
        self._processes = {pid: (of, psutil.Process(pid)) for pid, of in nodes.items()}
        self._used: dict[int, float] = {}

    def find(self) -> None:
        """Take in what `client` has started since."""
        try:
            found = [self._client, *self._client.children(recursive=True)]
        except psutil.Error:
            return  # the contender has ended
        for process in found:
            if process.pid not in self._processes:
                try:
                    self._processes[process.pid] = (self._name(process.cmdline()), process)
                except psutil.Error:
                    pass  # it came and went between the two calls

    def used_s(self) -> dict[str, float]:
        """CPU seconds by name up to now; what has ended stays counted."""
        used: dict[str, float] = defaultdict(float)
        for pid, (name, process) in self._processes.items():
            try:
                times = process.cpu_times()
                self._used[pid] = times.user + times.system
            except psutil.Error:
                pass  # it has ended
            used[name] += self._used.get(pid, 0.0)
        return dict(used)


class Usage:
    """Runs from construction to `stop`; `samples` hold `nodes` by the names given, the tree of `client` by program
    (the harness's processes by module), and the whole MACHINE.
    """

    def __init__(self, nodes: Mapping[int, str], client: int) -> None:
        self.samples: list[CpuSample] = []
        self._tree = Tree(nodes, client, kind_of)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self._tree.find()
            machine = psutil.cpu_times()
            busy = sum(machine) - machine.idle - machine.iowait - machine.steal - machine.guest - machine.guest_nice
            self.samples.append(CpuSample(time.monotonic_ns(), {**self._tree.used_s(), MACHINE: busy}))


def kind_of(command: list[str]) -> str:
    """The module after `-m`, the script, or the program."""
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    script = next((word for word in command[1:2] if word.endswith(".py")), command[0] if command else "")
    return script.rpartition("/")[2]


def role_of(node: str) -> str:
    """Nodes of one kind together: `peer0-org1` and `peer0-org2` are `peer`."""
    return _NUMBER.sub("", node).rstrip("-") or node

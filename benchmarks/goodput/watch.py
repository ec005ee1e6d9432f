"""Watching a contender from outside: when each block height appears, and what every process of its tree has used.

The same thread watches every contender in the same way and at the same cost (some 2 % of a core).
"""

from __future__ import annotations

import threading
import time

import psutil

from benchmarks.goodput.chain import Rpc
from benchmarks.goodput.usage import MACHINE, Tree
from benchmarks.goodput.window import CpuSample

NODE = "node"
_POLL_S = 0.02
_SAMPLE_S = 0.25
_SCAN_EVERY = 4


class Watch:
    """Runs from construction to `stop`. `seen` maps heights to the time of their first sight; `samples` hold the
    client's processes by role, the NODE, and the whole MACHINE.
    """

    def __init__(self, url: str, node: int, client: int) -> None:
        self.seen: dict[int, int] = {}
        self.samples: list[CpuSample] = []
        self._rpc = Rpc(url)
        self._tree = Tree({node: NODE}, client, _role)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close its connection."""
        self._over.set()
        self._thread.join()
        self._rpc.close()

    def _run(self) -> None:
        head, turn, due = -1, 0, 0.0
        while not self._over.is_set():
            height = self._rpc.number("eth_blockNumber")
            now = time.monotonic_ns()
            for new in range(head + 1, height + 1):
                self.seen[new] = now
            head = max(head, height)
            if time.monotonic() >= due:
                self._sample(scan=turn % _SCAN_EVERY == 0)
                turn += 1
                due = time.monotonic() + _SAMPLE_S
            time.sleep(_POLL_S)

    def _sample(self, *, scan: bool) -> None:
        if scan:
            self._tree.find()
        machine = psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        self.samples.append(CpuSample(time.monotonic_ns(), {**self._tree.used_s(), MACHINE: busy}))


def _role(command: list[str]) -> str:
    """A short name from a command line: the module after `-m`, a launch command, or the program."""
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    if "launch" in command[:-1]:
        return f"caliper {command[command.index('launch') + 1]}"
    return " ".join(word.rpartition("/")[2] for word in command[:2])

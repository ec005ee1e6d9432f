"""Several nodes of one network: started together, awaited together, ended together, one guilty node named.

What a node is (its flags, its files, its readiness) is the business of its ledger. Addresses are loopback, one per
node, so that nodes may be told apart by address and cut off from each other.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.ledgers.process import NodeProcess, ended_while_starting, not_ready, recorded, spawn
from bench.ledgers.protocol import Progress
from bench.model.ledger import Link, Network

_PAUSE_S = (0.02, 0.2)
_STARTERS = 8


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node before it is started. `ready` must return False, not raise, while the node is not there yet; it is asked
    again and again, by one thread. `environment` replaces ours.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] | None = None
    deadline_s: float = 30.0


def node_host(index: int) -> str:
    """127.0.0.2 for the first node, 127.0.0.3 for the second, …"""
    return f"127.0.0.{index + 2}"


def full_mesh(names: Sequence[str]) -> tuple[Link, ...]:
    """Everybody is linked to everybody."""
    return tuple(Link(one, other) for one, other in itertools.combinations(names, 2))


def start_nodes(specs: Sequence[NodeSpec], progress: Progress, what: str) -> list[NodeProcess]:
    """Start all of them at once and return, in the order of `specs`, when each is ready.

    A node that ends, or is not ready by its deadline, ends the others too: LedgerError with its last log lines.
    """
    progress(f"{what}: starting {', '.join(spec.name for spec in specs)}")
    running: list[NodeProcess] = []
    try:
        for spec in specs:  # a few ms each: the program itself starts in its own process
            process = spawn(spec.command, directory=spec.directory, name=spec.name, environment=spec.environment)
            running.append(process)  # one by one: what runs when the next one fails must be ended
        _await_all(list(zip(specs, running, strict=True)), progress, what)
    except BaseException:
        _all_at_once([process.stop for process in reversed(running)])
        raise
    return running


def stop_nodes(network: Network, grace_s: float = 5.0) -> None:
    """End every process of `network`, all at once, also those another process started; idempotent."""
    found = [recorded(node.data_directory, node.name) for node in network.nodes if node.data_directory is not None]
    _all_at_once([partial(process.stop, grace_s) for process in found if process is not None])


def _await_all(waiting: list[tuple[NodeSpec, NodeProcess]], progress: Progress, what: str) -> None:
    began = time.monotonic()
    pause_s, longest_s = _PAUSE_S
    while waiting:
        still = []
        for spec, process in waiting:
            ready = spec.ready()
            name = f"{what}, node {spec.name},"
            if not process.alive():
                raise ended_while_starting(process, name)
            if ready:
                progress(f"{what}: {spec.name} is ready after {time.monotonic() - began:.1f} s")
                continue
            if time.monotonic() - began > spec.deadline_s:
                raise not_ready(process, name, spec.deadline_s)
            still.append((spec, process))
        waiting = still
        if waiting:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)


def _all_at_once(stops: Sequence[Callable[[], None]]) -> None:
    """Each is tried, whatever the others do; the first failure is raised afterwards."""
    if not stops:
        return
    with ThreadPoolExecutor(min(_STARTERS, len(stops))) as pool:
        for done in [pool.submit(stop) for stop in stops]:
            done.result()

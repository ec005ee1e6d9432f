"""What the matrix test looks at that a bundle does not hold: the network while it ran, and what was left of it."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench import registry
from bench.ledgers.protocol import Ledger, LedgerInfo, Progress
from bench.model.ledger import Network

GONE_WITHIN_S = 10.0


@dataclass
class Seen:
    """`processes` are the nodes and all they had started; `metrics` the first bytes of each node's own page, read after
    the load and before the end.
    """

    network: Network | None = None
    processes: list[psutil.Process] = field(default_factory=list)
    metrics: dict[str, str] = field(default_factory=dict)
    downs: int = 0


class Watched:
    """A ledger that is looked at where the harness starts and ends it, and is otherwise left alone."""

    def __init__(self, ledger: Ledger, seen: Seen) -> None:
        self._ledger = ledger
        self._seen = seen
        self.info: LedgerInfo = ledger.info

    def installed(self) -> Path | None:
        return self._ledger.installed()

    def install(self, progress: Progress) -> Path:
        return self._ledger.install(progress)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        network = self._ledger.up(directory, options, progress)
        self._seen.network = network
        return network

    def down(self, network: Network) -> None:
        if not self._seen.downs:
            pids = [node.pid for node in network.nodes if node.pid is not None]
            for process in (psutil.Process(pid) for pid in pids):
                self._seen.processes += [process, *process.children(recursive=True)]
            for node in network.nodes:
                if node.metrics_url is not None:
                    self._seen.metrics[node.name] = _page(node.metrics_url)
        self._seen.downs += 1
        self._ledger.down(network)


def watched(name: str) -> tuple[Watched, Seen]:
    """The ledger of that name, to stand in for it."""
    seen = Seen()
    return Watched(_real(name), seen), seen


_real = registry.ledger


def still_running(processes: Sequence[psutil.Process]) -> list[str]:
    """Those that are no more than a moment from their end are waited for."""
    _, alive = psutil.wait_procs(list(processes), timeout=GONE_WITHIN_S)
    return [" ".join(process.cmdline()) for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def answering(network: Network) -> list[str]:
    """Addresses of the network, its nodes and their metrics on which something still listens."""
    pages = [node.metrics_url for node in network.nodes if node.metrics_url]
    found = {network.endpoint, *(node.address for node in network.nodes), *pages}
    return sorted(address for address in found if _listens(address))


def leftovers(since: float) -> list[str]:
    """Our processes that began after `since` (seconds since 1970) and have lost their parent: what nobody will end."""
    found = []
    for process in psutil.process_iter(["create_time", "ppid", "cmdline", "pid"]):
        known = process.info
        if known["create_time"] >= since and known["ppid"] == 1 and _of_this_test(known["cmdline"] or []):
            found.append(f"{known['pid']}: {' '.join(known['cmdline'])}")
    return found


def now() -> float:
    """For `leftovers`."""
    return time.time()


def _of_this_test(command: Sequence[str]) -> bool:
    return any("bench-trial-" in part for part in command)


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read(200_000).decode("utf-8", "replace"))


def _listens(address: str) -> bool:
    if address.startswith(("unix:", "/")):
        path = address.removeprefix("unix:")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(1)
                connection.connect(path)
        except OSError:
            return False
        return True
    host, _, port = address.split("://")[-1].split("@")[-1].split("/")[0].rpartition(":")
    if not port.isdigit():
        return False
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True

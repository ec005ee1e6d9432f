"""What the harness and the nodes of one host use, sampled from outside with psutil in a thread of the coordinator.

It watches and counts; `at_ns` is its own clock's time and `phase` is empty, since neither the start signal nor the
phases are known here. `bench.monitors.summary` attributes samples to phases.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import psutil

from bench.model.clock import NS_PER_S, Clock, monotonic_ns
from bench.model.errors import HarnessError
from bench.model.resources import UNKNOWN, ResourceSample
from bench.monitors.programs import children_of, program_name

INTERVAL_S = 1.0
Role = Literal["harness", "ledger", "host"]
HOST = "host"
_HOST_PID = -1
_LOOK_EVERY = 5
"""Samples from one look for new programs to the next: it reads the whole table of processes."""
_JOIN_S = 10.0
_NOT_BUSY = ("idle", "iowait", "steal", "guest", "guest_nice")


@dataclass(frozen=True, slots=True)
class _Use:
    """Cumulative CPU seconds and bytes, and present sizes, of one process or of several together."""

    cpu_s: float = 0.0
    read_bytes: int = 0
    write_bytes: int = 0
    rss_bytes: int = 0
    threads: int = 0
    fds: int = 0

    def plus(self, other: _Use) -> _Use:
        return _Use(
            self.cpu_s + other.cpu_s,
            _sum(self.read_bytes, other.read_bytes),
            _sum(self.write_bytes, other.write_bytes),
            _sum(self.rss_bytes, other.rss_bytes),
            _sum(self.threads, other.threads),
            _sum(self.fds, other.fds),
        )

    def spent(self) -> _Use:
        """What remains of a process that has ended: its cumulative counts, not its sizes."""
        return _Use(self.cpu_s, self.read_bytes, self.write_bytes)


@dataclass(slots=True)
class _Watched:
    """A process under its name, with all it starts if it is a `tree`. `members` is what each of its processes used
    last; the ended ones go into `ended`.
    """

    name: str
    role: Role
    root: psutil.Process
    tree: bool
    members: dict[psutil.Process, _Use] = field(default_factory=dict)
    ended: _Use = field(default_factory=_Use)

    def look(self) -> _Use | None:
        """Use of the process, with its children if it is a tree; None once it has ended."""
        if not _lives(self.root):
            return None
        seen = dict(_uses(self._processes()))
        for process in self.members.keys() - seen.keys():
            self.ended = self.ended.plus(self.members[process].spent())
        self.members = seen
        total = self.ended
        for use in seen.values():
            total = total.plus(use)
        return total

    def _processes(self) -> list[psutil.Process]:
        if not self.tree:
            return [self.root]
        with contextlib.suppress(psutil.Error):
            return [self.root, *self.root.children(recursive=True)]
        return [self.root]


class ProcessMonitor:
    """Samples every `interval_s`, and once more at the start and at the end.

    `add` may be called at any time and from any thread. A process that ends stops giving samples; that is no error.
    Nodes of a ledger are watched with all they start. What a process of the harness starts is found here, from `start`
    on, and watched under a name of its own (`bench.monitors.programs`), unless it was added under one.
    """

    def __init__(self, interval_s: float = INTERVAL_S, clock: Clock = monotonic_ns) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._watched: list[_Watched] = []
        self._last: dict[tuple[str, int], tuple[int, float]] = {}
        self._samples: list[ResourceSample] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._looks = 0

    def add(self, name: str, role: Role, pid: int) -> None:
        """Watch `pid` under `name` from now on; the first sample is taken here. A process that is gone is ignored."""
        with contextlib.suppress(psutil.NoSuchProcess):
            watched = _Watched(name, role, psutil.Process(pid), tree=role == "ledger")
            with self._lock:
                self._watch(watched)

    def add_program(self, process: psutil.Process, owner: str) -> None:
        """Watch a program that `owner` has started, with all it starts itself, as part of the harness."""
        with contextlib.suppress(psutil.NoSuchProcess):
            watched = _Watched(program_name(process, owner), "harness", process, tree=True)
            with self._lock:
                self._watch(watched)

    def start(self) -> None:
        """Begin sampling, the whole host included."""
        self._thread = threading.Thread(target=self._run, name="process-monitor", daemon=True)
        self._thread.start()

    def stop(self) -> list[ResourceSample]:
        """End sampling; all samples in order of time. Raises HarnessError if sampling itself failed. Idempotent."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            self._thread = None
        if self._failure is not None:
            raise HarnessError(f"sampling of resources failed: {self._failure!r}") from self._failure
        with self._lock:
            return list(self._samples)

    def taken(self, after: int) -> list[ResourceSample]:
        """The samples up to now, without the first `after`."""
        with self._lock:
            return self._samples[after:]

    def sample(self) -> None:
        """Take one sample of everything now."""
        if self._looks % _LOOK_EVERY == 0:
            self._find_programs()
        self._looks += 1
        with self._lock:
            self._sample_host()
            self._watched = [watched for watched in self._watched if self._sample(watched)]

    def _find_programs(self) -> None:
        with self._lock:
            watched = list(self._watched)
        known = {one.root.pid for one in watched}
        for owner in watched:
            if not owner.tree:
                for child in children_of(owner.root.pid, known):
                    self.add_program(child, owner.name)

    def _watch(self, watched: _Watched) -> None:
        self._watched.append(watched)
        self._sample(watched)

    def _run(self) -> None:
        try:
            while True:
                self.sample()
                if self._over.wait(self._interval_s):
                    self.sample()
                    return
        except Exception as error:  # noqa: BLE001 - the edge of this thread; raised again by `stop`
            self._failure = error

    def _sample(self, watched: _Watched) -> bool:
        use = watched.look()
        if use is not None:
            self._note(watched.name, watched.role, watched.root.pid, use)
        return use is not None

    def _sample_host(self) -> None:
        self._note(HOST, "host", _HOST_PID, _host_use())

    def _note(self, name: str, role: Role, pid: int, use: _Use) -> None:
        at_ns = self._clock()
        before_ns, before_s = self._last.get((name, pid), (at_ns, use.cpu_s))
        self._last[name, pid] = (at_ns, use.cpu_s)
        elapsed_ns = at_ns - before_ns
        percent = 100 * (use.cpu_s - before_s) * NS_PER_S / elapsed_ns if elapsed_ns > 0 else 0.0
        self._samples.append(
            ResourceSample(
                process=name,
                role=role,
                pid=pid,
                at_ns=at_ns,
                phase="",
                cpu_percent=percent,
                cpu_s=use.cpu_s,
                rss_bytes=use.rss_bytes,
                read_bytes=use.read_bytes,
                write_bytes=use.write_bytes,
                threads=use.threads,
                fds=use.fds,
            )
        )


def _uses(processes: list[psutil.Process]) -> Iterator[tuple[psutil.Process, _Use]]:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # ended a moment ago
            yield process, _use(process)


def _use(process: psutil.Process) -> _Use:
    with process.oneshot():
        times = process.cpu_times()
        read_bytes, write_bytes, fds = UNKNOWN, UNKNOWN, UNKNOWN
        with contextlib.suppress(psutil.AccessDenied, AttributeError):  # macOS has no such counts
            io = process.io_counters()
            read_bytes, write_bytes = io.read_bytes, io.write_bytes
        with contextlib.suppress(psutil.AccessDenied):
            fds = process.num_fds()
        return _Use(
            times.user + times.system,
            read_bytes,
            write_bytes,
            process.memory_info().rss,
            process.num_threads(),
            fds,
        )


def _host_use() -> _Use:
    times = psutil.cpu_times()
    # not work of this machine: waiting, what a hypervisor gave to others, and (on Linux) guests, counted in user time
    busy = sum(times) - sum(getattr(times, name, 0.0) for name in _NOT_BUSY)
    memory = psutil.virtual_memory()
    disks = psutil.disk_io_counters()
    read_bytes, write_bytes = (UNKNOWN, UNKNOWN) if disks is None else (disks.read_bytes, disks.write_bytes)
    return _Use(busy, read_bytes, write_bytes, memory.total - memory.available, UNKNOWN, UNKNOWN)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _sum(one: int, other: int) -> int:
    return UNKNOWN if UNKNOWN in (one, other) else one + other

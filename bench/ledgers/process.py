"""Starting, watching and ending the program of one node; every node lives under a guard (`bench.ledgers.guard`).

What a node is (its flags, its readiness) is the business of its ledger. Everything started here is ended by its own
process id together with its start time, so a recycled id is never hit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.ledgers import guard as guard_module
from bench.model.errors import LedgerError

ORPHAN_GRACE_S = 2.0
"""What a node gets to end in order when nobody is left to wait for it."""
_SAME_START_S = 2.0  # psutil derives start times from the boot time, which moves when the wall clock is set
_AFTER_GRACE_S = 5.0
_BACKOFF_S = (0.01, 0.2)
_TAIL_BYTES = 64 * 1024
_LOG_LINES_SHOWN = 12

_here: dict[tuple[Path, str], NodeProcess] = {}
"""Nodes that this process started and nobody stopped yet: their guards are our children, to be waited for by us."""
_outliving: ContextVar[bool] = ContextVar("outliving", default=False)


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for good: its number and its start time (s since the epoch)."""

    pid: int
    started_at_s: float

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The identity of a running process; None when there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def running(self) -> bool:
        """True while this very process runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at_s) < _SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class NodeProcess:
    """One running node. Owned by one thread; `stop` is idempotent."""

    def __init__(
        self,
        name: str,
        directory: Path,
        node: ProcessId,
        guard: ProcessId,
        child: subprocess.Popen[bytes] | None,
        lifeline: int,
    ) -> None:
        self.name = name
        self.directory = directory
        self.node = node
        self._guard = guard
        self._child = child
        self._lifeline = lifeline

    @property
    def pid(self) -> int:
        """Process id of the real program, not of its guard."""
        return self.node.pid

    @property
    def log_path(self) -> Path:
        """Where the program's standard output and error go."""
        return _log_path(self.directory, self.name)

    @property
    def returncode(self) -> int | None:
        """How the program ended (negative: by that signal); None while it runs, or when it was started elsewhere."""
        return None if self._child is None else self._child.poll()

    def alive(self) -> bool:
        """True until the program and its guard have ended."""
        return self._guard.running() if self._child is None else self._child.poll() is None

    def log_tail(self, lines: int = _LOG_LINES_SHOWN) -> str:
        """The last lines the program wrote; empty when it wrote none."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, grace_s: float = 5.0) -> None:
        """SIGTERM to the program's whole group, SIGKILL after `grace_s`; returns when nothing of it is left."""
        self._ask_to_stop(grace_s)
        _wait_until(lambda: not self.alive(), grace_s + _AFTER_GRACE_S)
        for process in self._left_over():  # what a killed guard could not do any more
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _wait_until(lambda: not self.alive() and not self._left_over(), _AFTER_GRACE_S)
        _record_path(self.directory, self.name).unlink(missing_ok=True)
        _here.pop((self.directory, self.name), None)

    def _left_over(self) -> list[psutil.Process]:
        """Processes of the node's session. Its number is the node's process id, which the kernel does not give away
        while the session has members; if it did so afterwards, its holder has another start time.
        """
        holder = ProcessId.of(self.node.pid)
        if holder is not None and holder.running() and not self.node.running():
            return []
        return [process for process in psutil.process_iter() if _in_session(process, self.node.pid)]

    def _ask_to_stop(self, grace_s: float) -> None:
        if self._lifeline >= 0:
            lifeline, self._lifeline = self._lifeline, -1
            with contextlib.suppress(BrokenPipeError):
                os.write(lifeline, str(grace_s).encode())
            os.close(lifeline)
        elif self._child is None and self._guard.running():
            os.kill(self._guard.pid, signal.SIGTERM)


@contextlib.contextmanager
def outliving() -> Iterator[None]:
    """Inside, `spawn` starts nodes that stay when this process ends (`ledgers up`); `recorded` finds them again."""
    token = _outliving.set(True)
    try:
        yield
    finally:
        _outliving.reset(token)


def spawn(
    command: Sequence[str], *, directory: Path, name: str, environment: Mapping[str, str] | None = None
) -> NodeProcess:
    """Start `command` in `directory`, writing to `<directory>/<name>.log`; it ends when this process ends, however that
    happens, unless inside `outliving()`. `environment` replaces ours. Raises LedgerError when it cannot be started.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stays = _outliving.get()
    lifeline_theirs, lifeline = (-1, -1) if stays else os.pipe()
    report, report_theirs = os.pipe()
    try:
        child = _start_guard(_absolute(command), directory, name, environment, lifeline_theirs, report_theirs)
    except BaseException:
        _close(lifeline, report)
        raise
    finally:
        _close(lifeline_theirs, report_theirs)
    with os.fdopen(report, "rb") as answers:
        answer = answers.read().decode(errors="replace")
    if stays:
        child.wait()
    process = _begun(answer, name, directory, None if stays else child, lifeline)
    if process is None:
        _close(lifeline)
        child.wait()
        raise _cannot_start(command, name, directory, answer)
    if not stays:
        _here[directory, name] = process
    return process


def recorded(directory: Path, name: str) -> NodeProcess | None:
    """The node that was started as `name` in `directory`, by this or another process; None when it is gone."""
    if (ours := _here.get((directory, name))) is not None:
        return ours
    try:
        record = json.loads(_record_path(directory, name).read_text())
        node, guard = ProcessId(*record["node"]), ProcessId(*record["guard"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    if not (node.running() or guard.running()):
        return None
    return NodeProcess(name, directory, node, guard, None, -1)


def end_all_below(directory: Path) -> int:
    """End every node that was started in `directory` or below it, by this or another process; how many there were."""
    suffix = _record_path(directory, "").name
    found = [recorded(path.parent, path.name.removesuffix(suffix)) for path in directory.rglob(f"*{suffix}")]
    for process in found:
        if process is not None:
            process.stop()
    return sum(process is not None for process in found)


def wait_ready(process: NodeProcess, probe: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Return once `probe` says yes. Raises LedgerError, with the last log lines, as soon as the process has ended or
    when `deadline_s` has passed. `probe` must return False, not raise, while the node is not there yet.
    """
    deadline = time.monotonic() + deadline_s
    pause_s, longest_s = _BACKOFF_S
    while True:
        ready = probe()
        if not process.alive():
            raise ended_while_starting(process, what)
        if ready:
            return
        if time.monotonic() > deadline:
            raise not_ready(process, what, deadline_s)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, longest_s)


def ended_while_starting(process: NodeProcess, what: str) -> LedgerError:
    """The error of a node that is gone before it was ready, with its last log lines."""
    return LedgerError(f"{what} ended while starting", value=process.returncode, remedy=_see_log(process))


def not_ready(process: NodeProcess, what: str, deadline_s: float) -> LedgerError:
    """The error of a node that runs and does not become ready, with its last log lines."""
    return LedgerError(f"{what} was not ready after {deadline_s:g} s", remedy=_see_log(process))


def _start_guard(
    command: Sequence[str],
    directory: Path,
    name: str,
    environment: Mapping[str, str] | None,
    lifeline: int,
    report: int,
) -> subprocess.Popen[bytes]:
    guard = [sys.executable, "-I", "-S", guard_module.__file__, str(lifeline), str(report), str(ORPHAN_GRACE_S)]
    with _log_path(directory, name).open("ab") as log:
        return subprocess.Popen(
            [*guard, *command],
            cwd=directory,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[fd for fd in (lifeline, report) if fd >= 0],
            start_new_session=True,
        )


def _begun(
    answer: str, name: str, directory: Path, child: subprocess.Popen[bytes] | None, lifeline: int
) -> NodeProcess | None:
    """The process a guard reported; None when it reported a failure or nothing."""
    numbers = answer.split()
    if answer.startswith("!") or len(numbers) != 2:
        return None
    guard_pid, node_pid = int(numbers[0]), int(numbers[1])
    # A node that ended within these microseconds has no start time any more; one of 0 matches nothing.
    node = ProcessId.of(node_pid) or ProcessId(node_pid, 0.0)
    guard = ProcessId.of(guard_pid) or ProcessId(guard_pid, 0.0)
    record = {"node": [node.pid, node.started_at_s], "guard": [guard.pid, guard.started_at_s]}
    _record_path(directory, name).write_text(json.dumps(record))
    return NodeProcess(name, directory, node, guard, child, lifeline)


def _cannot_start(command: Sequence[str], name: str, directory: Path, answer: str) -> LedgerError:
    reason = answer.removeprefix("! ") or f"its guard failed, see {_log_path(directory, name)}"
    return LedgerError(
        f"{name} could not be started: {reason}",
        value=command[0],
        remedy="install it again with `bench.py ledgers install`, or check that the file is a program for this machine",
    )


def _see_log(process: NodeProcess) -> str:
    tail = process.log_tail()
    if not tail:
        return f"it wrote nothing to {process.log_path}; check the ledger's options and the machine's memory"
    shown = "\n".join(f"    {line}" for line in tail.splitlines())
    return f"read its log {process.log_path}; the last lines:\n{shown}"


def _absolute(command: Sequence[str]) -> list[str]:
    """The program by absolute path where it was given as a path: the node runs in another directory."""
    program = str(Path(command[0]).absolute()) if os.sep in command[0] else command[0]
    return [program, *command[1:]]


def _wait_until(condition: Callable[[], bool], deadline_s: float) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(_BACKOFF_S[0])


def _in_session(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
        return False


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _log_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.log"


def _record_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.process.json"

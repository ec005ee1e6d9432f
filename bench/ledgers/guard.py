"""The small process that stands between us and one node, so that no node is ever left behind.

It runs the node in a session of its own and waits. The node's whole group gets SIGTERM, then SIGKILL, when the
lifeline pipe closes (whoever held it is done or dead, also by SIGKILL), when the guard gets SIGTERM, or when the node
itself ends and leaves children. A guard that is killed outright takes the node along where the kernel offers it
(Linux). The guard ends as the node ended: same exit code, same signal.

    guard.py LIFELINE_FD REPORT_FD GRACE_S COMMAND…     LIFELINE_FD -1: none; the node outlives who started it

Standard library only and run by path with `-I -S`: it must start in milliseconds and need nothing of ours. What it
reads from the lifeline before its end is the grace in seconds. To REPORT_FD it writes `<guard pid> <node pid>`, or
`! reason`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

_PR_SET_PDEATHSIG = 1
_CANNOT_START = 127


def main(arguments: list[str]) -> int:
    """Guard one node to its end; returns its exit code (negative: the signal that ended it)."""
    lifeline, report, grace_s = int(arguments[0]), int(arguments[1]), float(arguments[2])
    if lifeline < 0 and os.fork() > 0:
        os._exit(0)  # detached: our parent may reap this half at once, the other half stays
    wakeup, stopping = _hear_signals()
    try:
        node = subprocess.Popen(
            arguments[3:],
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - this process has no threads
        )
    except (OSError, subprocess.SubprocessError) as error:
        os.write(report, f"! {error}".encode())
        return _CANNOT_START
    os.write(report, f"{os.getpid()} {node.pid}".encode())
    os.close(report)
    grace_s = _watch(node, lifeline, wakeup, stopping, grace_s)
    return _finish(node, grace_s)


def _hear_signals() -> tuple[int, list[bool]]:
    """A descriptor that becomes readable on every signal, and a flag that SIGTERM sets. Handlers, unlike ignored
    signals, are not inherited by the node.
    """
    stopping: list[bool] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            stopping.append(True)

    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    return readable, stopping


def _watch(node: subprocess.Popen[bytes], lifeline: int, wakeup: int, stopping: list[bool], grace_s: float) -> float:
    """Wait until the node ends or somebody wants it to; returns the grace it is to be given."""
    watched = [wakeup] if lifeline < 0 else [wakeup, lifeline]
    told = b""
    while node.poll() is None and not stopping:
        readable, _, _ = select.select(watched, [], [])
        if wakeup in readable:
            os.read(wakeup, 512)
        if lifeline in readable:
            part = os.read(lifeline, 64)
            told += part
            if not part:
                break
    with contextlib.suppress(ValueError):
        return float(told)
    return grace_s


def _finish(node: subprocess.Popen[bytes], grace_s: float) -> int:
    if node.poll() is None:
        _signal_group(node.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.wait(timeout=grace_s)
    _signal_group(node.pid, signal.SIGKILL)
    return node.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: only zombies left (macOS)
        os.killpg(group, number)


def _die_with(guard: int) -> Callable[[], None] | None:
    """What the node does between fork and exec: ask the kernel to kill it when the guard dies."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard:  # it died before the request was in place
            os._exit(_CANNOT_START)

    return ask


def _end_as(code: int) -> None:
    """Exit the way the node did, so that whoever waits for the guard learns the truth."""
    if code >= 0:
        sys.exit(code)
    if code != -signal.SIGKILL:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)


if __name__ == "__main__":
    _end_as(main(sys.argv[1:]))

"""No process of ours outlives its parent, however the parent ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux; elsewhere closed pipes end our loops)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request was in place
        os._exit(1)


def ignore_interrupts() -> None:
    """Ctrl-C goes to the whole foreground group; only the coordinator acts on it and then tells its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

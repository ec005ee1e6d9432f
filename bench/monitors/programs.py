"""Programs that our own processes start to do part of their work: found among their children, and named.

A client program beside an adapter sends the load as much as its worker does, and a sequencer stands between load and
database. Both belong to the harness, under a name of their own: "fabric-client (worker-1)". What knows its name already
(the load's own processes, a ledger's nodes) is not one of them, nor is what it starts.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection

import psutil

_OURS = re.compile(r".+ \((?:worker-\d+|encoder-\d+|observer|coordinator)\)")
_NO_PROGRAM = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Python's own servants. They do none of the work."""


def children_of(pid: int, known: Collection[int] = ()) -> list[psutil.Process]:
    """Direct children of `pid` that are not `known`; none where the process is gone."""
    with contextlib.suppress(psutil.Error):
        return [child for child in psutil.Process(pid).children() if child.pid not in known and not _servant(child)]
    return []


def program_name(process: psutil.Process, owner: str) -> str:
    """What to call a program that the process of that name has started."""
    words = [process.name()]
    with contextlib.suppress(psutil.Error):
        words = process.cmdline() or words
    module = words[words.index("-m") + 1] if "-m" in words[1:-1] else ""
    return f"{module.rpartition('.')[2] or os.path.basename(words[0])} ({owner})"


def is_program(name: str) -> bool:
    """Whether this names such a program: it may use several processors, and takes no stamps."""
    return _OURS.fullmatch(name) is not None


def usable_processors() -> int:
    """How many this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _servant(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(servant in word for word in process.cmdline() for servant in _NO_PROGRAM)
    return False

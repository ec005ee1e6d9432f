"""What the file system below a ledger's data makes of its promise to keep it."""

from __future__ import annotations

import os
from pathlib import Path

from bench.model.ledger import Durability

_VOLATILE = frozenset({"tmpfs", "ramfs"})


def durability_on(file_system: str) -> Durability:
    """Of a ledger that syncs before it acknowledges; in memory an fsync does nothing."""
    return Durability.MEMORY if file_system in _VOLATILE else Durability.FSYNC


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Type of the file system that holds `path` ("unknown" where the system does not tell): fsync on tmpfs is void."""
    wanted = os.path.realpath(path)
    try:
        lines = mounts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in lines:
        _, point, found, *_ = line.split()
        inside = point == "/" or wanted == point or wanted.startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind

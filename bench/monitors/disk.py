"""How much of a disk a directory takes up."""

from __future__ import annotations

import os
from pathlib import Path

_SECTOR = 512
"""`st_blocks` counts these, whatever the file system's own block size, on Linux and macOS alike."""


def allocated_bytes(directory: Path) -> int | None:
    """Blocks allocated to all files below `directory`, itself included, in bytes; None when it is not there.

    What a node preallocates counts and holes do not. Links are not followed, and a file that vanishes meanwhile (nodes
    rotate logs) counts nothing.
    """
    total = _allocated(directory)
    if total is None:
        return None
    for where, folders, files in os.walk(directory):
        total += sum(_allocated(os.path.join(where, name)) or 0 for name in (*folders, *files))
    return total


def _allocated(path: str | Path) -> int | None:
    try:
        return os.lstat(path).st_blocks * _SECTOR
    except OSError:  # gone, or not ours to see
        return None

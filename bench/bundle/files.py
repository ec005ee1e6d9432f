"""Files that are either whole or absent: written beside their name, synced, then renamed onto it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from bench.model.errors import HarnessError

_FULL = (errno.ENOSPC, errno.EDQUOT)
PARTIAL_SUFFIX = ".partial"


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by `data`; what was there stays until the new content is on disk."""
    with replacing(path) as partial:
        partial.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; on leaving it is synced and renamed to `path`, on an error it is removed."""
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    with saying_why(path):
        try:
            yield partial
            publish(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def publish(partial: Path, path: Path) -> None:
    """Sync the finished file `partial` and give it its name."""
    _sync(partial)
    os.replace(partial, path)
    _sync(path.parent)


@contextlib.contextmanager
def saying_why(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a HarnessError that says what to do; it stays named by its file."""
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        remedy = (
            "free space, or give a directory on another disk with --out; what was written before is still readable"
            if full
            else "check that the directory exists and may be written"
        )
        reason = "the disk is full" if full else error.strerror or str(error)
        raise HarnessError(f"{path.name} cannot be written: {reason}", value=str(path.parent), remedy=remedy) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Where the runs of this machine can be watched: one small file each in the state directory, there while they serve.

A file whose process has ended (killed, powered off) counts for nothing and is cleared away by whoever looks.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.ledgers.process import ProcessId
from bench.ledgers.state import state_directory

FOLDER = "watch"


@dataclass(frozen=True, slots=True)
class Served:
    """A process that serves its run's live page at `url` (with the slash at its end)."""

    url: str
    process: ProcessId


@contextlib.contextmanager
def announced(url: str) -> Iterator[None]:
    """Leave the address for `bench.py watch` while the block runs. A run that cannot write it goes on without."""
    path = _folder() / f"{os.getpid()}.json"
    process = ProcessId.of(os.getpid())
    assert process is not None
    with contextlib.suppress(OSError):  # finding it without its address is a comfort; the run has printed it
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = path.with_suffix(".half")
        half.write_text(json.dumps(asdict(Served(url, process))), "utf-8")
        half.replace(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def served() -> list[Served]:
    """Who serves now, the latest start first."""
    found = [one for path in _folder().glob("*.json") if (one := _read(path)) is not None]
    return sorted(found, key=lambda one: one.process.started_at_s, reverse=True)


def _read(path: Path) -> Served | None:
    try:
        written = json.loads(path.read_bytes())
        one = Served(str(written["url"]), ProcessId(**written["process"]))
    except (OSError, ValueError, KeyError, TypeError):  # gone meanwhile, or not ours
        return None
    if one.process.running():
        return one
    path.unlink(missing_ok=True)
    return None


def _folder() -> Path:
    return state_directory() / FOLDER

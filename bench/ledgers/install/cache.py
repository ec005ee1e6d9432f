"""Where fetched and built programs are kept, and how a package client is run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.model.errors import LedgerError

_TIMEOUT_S = 600
_MESSAGE_LINES = 6


def cache_directory() -> Path:
    """`$BENCH_CACHE`, else `ledger-bench` in `$XDG_CACHE_HOME`, else in `~/.cache`. Not created by asking."""
    if own := os.environ.get("BENCH_CACHE"):
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "ledger-bench"


def run_client(
    command: Sequence[str],
    what: str,
    directory: Path,
    remedy: str,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
    telling: Callable[[str], bool] = lambda line: bool(line.strip()),
) -> str:
    """What `command` printed. Raises LedgerError that begins with `what` and carries the first lines of its complaint
    that are `telling`.
    """
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LedgerError(f"{what}: {error}", value=command[0], remedy=remedy) from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if telling(line)]
        message = " / ".join(said[:_MESSAGE_LINES]) or f"exit code {done.returncode}"
        raise LedgerError(f"{what}: {message}", remedy=remedy)
    return done.stdout


def not_kept(what: str, folder: Path, error: OSError) -> LedgerError:
    """`what` could not be written to the cache."""
    return LedgerError(
        f"{what} could not be kept in the cache: {error}",
        value=str(folder),
        remedy="free disk space there, or point BENCH_CACHE at a directory that can be written",
    )

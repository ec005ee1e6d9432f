"""Names of a bundle's files, and of its directory."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from pathlib import Path

from bench.model.errors import ConfigurationError, HarnessError

RESULT = "result.json"
TRANSACTIONS = "transactions.parquet"
BLOCKS = "blocks.parquet"
RESOURCES = "resources.parquet"
EVENTS = "events.jsonl"
SCENARIO = "scenario.yaml"
ENVIRONMENT = "environment.json"
MANIFEST = "MANIFEST.sha256"

REQUIRED = (RESULT, TRANSACTIONS, BLOCKS, RESOURCES, EVENTS, SCENARIO, ENVIRONMENT, MANIFEST)
"""What every closed bundle has; reports beside them may be made again at any time."""

TRIES = 8


def create_directory(parent: Path, started_at: datetime, workload: str, ledger: str) -> Path:
    """Make `<UTC date-time>-<workload>-<ledger>-<random>` below `parent` and return it.

    The random part and an exclusive `mkdir` keep two runs that start in the same second apart. ConfigurationError when
    `parent` cannot be written.
    """
    stem = "-".join((started_at.strftime("%Y%m%d-%H%M%S"), _plain(workload), _plain(ledger)))
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            directory = parent / f"{stem}-{secrets.token_hex(3)}"
            try:
                directory.mkdir()
            except FileExistsError:
                continue
            return directory
    except OSError as error:
        raise ConfigurationError(
            f"results cannot be written: {error.strerror}",
            value=str(parent),
            remedy="give another directory with --out",
        ) from error
    raise HarnessError("no free name for a bundle was found", value=stem, remedy="run again")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"

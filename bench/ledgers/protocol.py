"""The contract of a managed ledger: how it is obtained, started and stopped on a plain machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.model.ledger import Finality, LedgerClass, Network, Node

Progress = Callable[[str], None]
"""Receives one short line per step; the CLI shows it, tests collect it."""


@dataclass(frozen=True, slots=True)
class LedgerInfo:
    """A row of `bench.py ledgers list`. `download` says size and source of what an install fetches ("nothing" if
    so).
    """

    name: str
    family: str
    adapter: str
    version: str
    nodes: int
    finality: Finality
    ledger_class: LedgerClass
    summary: str
    download: str

    def network(self, endpoint: str, nodes: Sequence[Node], flags: tuple[str, ...]) -> Network:
        """What runs, as it is declared here; a ledger replaces what one start made different."""
        return Network(
            ledger=self.name,
            family=self.family,
            adapter=self.adapter,
            version=self.version,
            endpoint=endpoint,
            nodes=tuple(nodes),
            finality=self.finality,
            ledger_class=self.ledger_class,
            flags=flags,
        )


class Ledger(Protocol):
    """`options` is the scenario's `ledger.options` mapping, validated by the ledger (unknown keys refused)."""

    info: LedgerInfo

    def installed(self) -> Path | None:
        """The program that `up` would start, from PATH or our cache; None when it must be installed first."""

    def install(self, progress: Progress) -> Path:
        """Fetch by package client, check the pinned digest, cache; a no-op when installed. Raises LedgerError."""

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """Start fresh nodes with their data and logs below `directory`; returns when they are ready, or raises
        LedgerError with the guilty node's last log lines. Ports are allocated, addresses are loopback.
        """

    def down(self, network: Network) -> None:
        """Stop every process of `network` by its own id, gently and then firmly; idempotent."""

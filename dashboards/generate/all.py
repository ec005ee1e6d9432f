"""The four dashboards, and their files."""

from __future__ import annotations

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.generate import comparison, harness, ledger, run
from dashboards.generate.shell import Board

BOARDS: dict[str, Board] = {
    "run.json": run.BOARD,
    "ledger.json": ledger.BOARD,
    "harness.json": harness.BOARD,
    "comparison.json": comparison.BOARD,
}


def rendered() -> dict[str, str]:
    """File name to text, the same bytes on every machine."""
    encoder = JSONEncoder(sort_keys=True, indent=1, ensure_ascii=False)
    return {name: encoder.encode(board.build()) + "\n" for name, board in BOARDS.items()}

"""What a PostgreSQL server that is not ours is said to keep, from what it told."""

from __future__ import annotations

import pytest

from bench.adapters.postgres import _disclosed
from bench.model.ledger import Durability, LedgerClass
from bench.run.declaring import UNKNOWN_CLASS, _with_durability


@pytest.mark.parametrize(
    ("settings", "durability", "remarks"),
    [
        (["fsync=on", "synchronous_commit=on", "full_page_writes=on"], Durability.FSYNC, ""),
        (
            ["fsync=on", "synchronous_commit=on", "full_page_writes=off"],
            Durability.OTHER,
            "torn pages possible (full_page_writes=off)",
        ),
        (["fsync=off", "synchronous_commit=on", "full_page_writes=off"], Durability.WRITTEN, "fsync=off"),
        (["fsync=on", "synchronous_commit=off"], Durability.WRITTEN, "synchronous_commit=off"),
        (["synchronous_commit=on"], Durability.NOT_DECLARED, "the server does not tell fsync"),
        ([], Durability.NOT_DECLARED, "the server does not tell fsync, synchronous_commit"),
    ],
)
def test_only_what_is_told_is_claimed(settings: list[str], durability: Durability, remarks: str) -> None:
    disclosed = _disclosed(settings)
    assert (disclosed["durability"], disclosed["remarks"]) == (durability, remarks)
    shown: LedgerClass = _with_durability(UNKNOWN_CLASS, str(durability), remarks)
    assert shown.durability == durability
    assert shown.remarks == "; ".join(filter(None, [UNKNOWN_CLASS.remarks, remarks]))

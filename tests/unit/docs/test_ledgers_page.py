"""docs/ledgers.md lists what is registered, as it declares itself."""

import pytest

from bench import registry
from benchmarks.ledgers_table import NO_CANDIDATES, PAGE, placed, started_in, targets


def test_every_registered_ledger_has_its_row() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert set(started_in(page)) == set(registry.names("ledgers")) - NO_CANDIDATES


def test_the_table_is_what_the_ledgers_declare_now() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert placed(page, "targets", targets(started_in(page))) == page, "run python -m benchmarks.ledgers_table"


def test_the_shootout_names_every_candidate_of_the_scenario() -> None:
    scenario = (PAGE.parents[1] / "examples" / "shootout.yaml").read_text(encoding="utf-8")
    shown = PAGE.read_text(encoding="utf-8").split("<!-- shootout -->")[1].split("<!-- end -->")[0]
    listed = [line.removeprefix("  - ").strip() for line in scenario.splitlines() if line.startswith("  - ")]
    assert listed
    assert [name for name in listed if f"| `{name}` |" not in shown] == []


def test_a_part_that_is_missing_is_told() -> None:
    with pytest.raises(SystemExit, match="no part named x"):
        placed("nothing", "x", "text")

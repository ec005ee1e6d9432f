from __future__ import annotations

from bench.report.environment_table import environment_rows
from tests.support.bundles import synthetic_environment


def test_a_row_per_key_that_differs_between_any_two() -> None:
    first, second, third = (synthetic_environment() for _ in range(3))
    second["host"] = "ffff"
    third["kernel"] = "6.2.0"
    del third["sockets"]
    rows = environment_rows([first, second, third])
    assert [(row.key, row.texts, row.matters) for row in rows] == [
        ("kernel", ("6.1.0", "6.1.0", "6.2.0"), True),
        ("host", ("0123456789ab", "ffff", "0123456789ab"), False),
    ]


def test_one_that_recorded_less_says_so() -> None:
    first, second, third = (synthetic_environment() for _ in range(3))
    second["swappiness"] = 1
    del third["swappiness"]
    assert [row.texts for row in environment_rows([first, second, third])] == [("60", "1", "not recorded")]


def test_nothing_differs() -> None:
    assert environment_rows([synthetic_environment(), synthetic_environment()]) == ()

import importlib
import inspect
from functools import reduce

import pytest

from tools.mutation import EXPLAINED, ROOT, Change, change_of, function_of, read_explained, table

SHOWN = """# bench.stats.interval.x_median_interval__mutmut_22: survived
--- bench/stats/interval.py
+++ bench/stats/interval.py
@@ -1,3 +1,3 @@
 def median_interval(values):
-    rank = max(1, 2)
+    rank = max(2, 2)
     return rank
"""


@pytest.mark.parametrize(
    ("mutant", "function"),
    [
        ("bench.stats.interval.x_compare__mutmut_5", "bench.stats.interval.compare"),
        ("bench.stats.interval.x__lowest__mutmut_11", "bench.stats.interval._lowest"),
        ("bench.measure.drift.xǁCourseǁof__mutmut_1", "bench.measure.drift.Course.of"),
    ],
)
def test_a_mutant_belongs_to_a_function(mutant, function):
    assert function_of(mutant) == function


def test_a_change_is_what_was_taken_out_and_what_was_put_in():
    change = change_of("bench.stats.interval.x_median_interval__mutmut_22", SHOWN)
    assert change == Change("bench.stats.interval.median_interval", "rank = max(1, 2)", "rank = max(2, 2)")


@pytest.mark.parametrize(
    ("before", "after", "only"),
    [
        ('raise ValueError("no trial")', 'raise ValueError("XXno trialXX")', True),
        ('return "", "a plain note" if x else ""', 'return "", "A PLAIN NOTE" if x else ""', True),
        ('rows["kind"] == "a b"', 'rows["KIND"] == "a b"', False),  # a key is no sentence
        ('fail("no trial", 1)', 'fail("no trial", 2)', False),
        ('raise ValueError("no trial")', "raise ValueError(None)", False),
        ('fail("no trial", 1)', 'fail("XXno trialXX", 2)', False),
    ],
)
def test_only_words_of_sentences_are_words(before, after, only):
    assert Change("f", before, after).only_words is only


def test_the_table_counts_by_module_and_sets_words_apart():
    statuses = {
        "bench.a.x_f__mutmut_1": "killed",
        "bench.a.x_f__mutmut_2": "survived",
        "bench.b.x_g__mutmut_1": "killed",
    }
    statuses["bench.b.x_g__mutmut_2"] = "segfault"
    assert table(statuses, ["bench.a.x_f__mutmut_2"]) == [
        "| module | mutants | killed | timeout | survived | no tests | text | segfault |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| bench.a | 2 | 1 | 0 | 0 | 0 | 1 | 0 |",
        "| bench.b | 2 | 1 | 0 | 0 | 0 | 0 | 1 |",
        "| **all** | 4 | 2 | 0 | 0 | 0 | 1 | 1 |",
    ]


@pytest.mark.parametrize("change", sorted(read_explained(EXPLAINED)), ids=lambda change: change.function)
def test_what_is_explained_is_still_in_the_code(change):
    path = change.function.split(".")
    depth = next(depth for depth in range(len(path), 0, -1) if ROOT.joinpath(*path[:depth]).with_suffix(".py").exists())
    function = reduce(getattr, path[depth:], importlib.import_module(".".join(path[:depth])))
    assert change.before in " ".join(line.strip() for line in inspect.getsource(function).splitlines())
    assert change.before != change.after

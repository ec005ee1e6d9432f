"""Whatever happens to reports on their way, a total never goes back and ends at the truth."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from bench.telemetry.totals import SUM, Key, Source, Totals

A, B = Key("a"), Key("b", ("x",))
STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6)
"""What one life of a worker counts between its reports, for two counters."""
LIVES = st.dictionaries(st.tuples(st.integers(1, 2), st.integers(0, 2), st.integers(0, 1)), STEPS, max_size=6)
"""By (trial, worker, incarnation)."""


def reports(lives: dict) -> Iterator[tuple[Source, dict[Key, int], bool]]:
    """Every cumulative report of every life, in order, and whether it is the last of its life."""
    for (trial, worker, incarnation), steps in lives.items():
        a = b = 0
        for place, (more_a, more_b) in enumerate(steps):
            a, b = a + more_a, b + more_b
            yield Source(trial, f"worker-{worker}", str(incarnation)), {A: a, B: b}, place == len(steps) - 1


@given(LIVES, st.data())
def test_lost_repeated_late_and_shuffled_reports_change_nothing_in_the_end(lives: dict, data: st.DataObject):
    sent = list(reports(lives))
    kept = [report for report in sent if report[2] or data.draw(st.booleans())]
    arriving = data.draw(st.permutations([*kept, *data.draw(st.lists(st.sampled_from(sent or [None]), max_size=5))]))
    totals = Totals()
    before = {A: 0, B: 0}
    for arrival in arriving:
        if arrival is None:
            continue
        source, values, _ = arrival
        totals.take(source, values)
        for key in (A, B):
            assert totals[key] >= before[key]
            before[key] = totals[key]
    assert totals[A] == sum(a for steps in lives.values() for a, _ in steps)
    assert totals[B] == sum(b for steps in lives.values() for _, b in steps)


@given(LIVES, st.data())
def test_without_the_last_report_the_newest_that_arrived_counts(lives: dict, data: st.DataObject):
    totals = Totals()
    newest: dict[Source, dict[Key, int]] = {}
    for source, values, _ in reports(lives):
        if data.draw(st.booleans()):
            totals.take(source, values)
            newest[source] = values
    assert totals[A] == sum(values[A] for values in newest.values())


@given(LIVES)
def test_what_earlier_trials_counted_stays_and_their_late_reports_do_nothing(lives: dict):
    totals = Totals()
    for source, values, _ in reports(lives):
        totals.take(source, values)
    before = dict(totals)
    totals.keep_from(3)
    for source, values, _ in reports(lives):
        totals.take(source, {key: value + 7 for key, value in values.items()})
    assert dict(totals) == before


def test_a_worker_that_comes_back_begins_from_zero_and_is_added():
    totals = Totals()
    totals.take(Source(1, "worker-0", "first"), {A: 10})
    totals.take(Source(1, "worker-0", "second"), {A: 3})
    assert totals[A] == 13


def test_a_count_that_is_taken_back_stands_until_it_is_passed():
    totals = Totals()
    source = Source(1, "worker-0", "only")
    seen = []
    for value in (5, 3, 4, 6):
        totals.take(source, {A: value})
        seen.append(totals[A])
    assert seen == [5, 5, 5, 6]


def test_what_a_source_counted_before_anybody_looked_is_left_out():
    totals = Totals()
    seen = []
    for life, value in (("first", 100), ("first", 103), ("first", 102), ("second", 50), ("second", 51)):
        totals.take_since_first(Source(1, "worker-0", life), {A: value})
        seen.append(totals[A])
    totals.take_since_first(Source(1, "worker-0", "second"), {B: 7})
    assert seen == [0, 3, 3, 3, 4]
    assert totals[B] == 0


def test_what_is_declared_is_there_at_zero():
    totals = Totals()
    totals.declare([A])
    totals.take(Source(1, "w", ""), {B: 0})
    assert dict(totals) == {A: 0, B: 0}


def test_buckets_are_summed_over_labels_without_the_sum():
    totals = Totals()
    parts = {Key("h", (name,), part): 1 for name in ("x", "y") for part in range(3)}
    totals.take(Source(1, "w", ""), {**parts, Key("h", ("x",), SUM): 99})
    assert totals.buckets("h", 2) == [2, 2, 2]
    assert totals.total("a") == 0

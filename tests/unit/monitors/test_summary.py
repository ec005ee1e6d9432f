from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model.clock import NS_PER_S
from bench.model.phase import Phase, PhaseSpan
from bench.model.resources import UNKNOWN, ResourceSample
from bench.monitors.summary import attribute, summarise

START = 10_000 * NS_PER_S  # a machine that has been up for a while


def sample(second: float, cpu_s: float, *, percent: float = 0.0, rss: int = 1, written: int = 0) -> ResourceSample:
    return ResourceSample(
        process="node",
        role="ledger",
        pid=7,
        at_ns=START + round(second * NS_PER_S),
        phase="",
        cpu_percent=percent,
        cpu_s=cpu_s,
        rss_bytes=rss,
        read_bytes=UNKNOWN,
        write_bytes=written,
        threads=1,
        fds=1,
    )


def span(phase: Phase, start_s: float, end_s: float) -> PhaseSpan:
    return PhaseSpan(phase, round(start_s * NS_PER_S), round(end_s * NS_PER_S))


def test_a_phase_is_charged_with_its_own_time_only() -> None:
    # half a core up to second 2, two cores from then on
    samples = [
        sample(0, 100.0),
        sample(1, 100.5, percent=50, rss=10),
        sample(2, 101.0, percent=50, rss=30, written=4096),
        sample(3, 103.0, percent=200, rss=20, written=8192),
        sample(4, 105.0, percent=200, rss=20, written=8192),
    ]
    phases = [span(Phase.WARM_UP, 0, 2), span(Phase.MEASURE, 2, 3.5)]
    warm_up, measure = summarise(samples, phases, START)
    assert (warm_up.phase, warm_up.cpu_s, warm_up.cpu_percent_mean) == ("warm_up", 1.0, 50.0)
    assert (warm_up.cpu_percent_max, warm_up.rss_bytes_max, warm_up.write_bytes) == (50.0, 30, 4096)
    assert (measure.phase, measure.cpu_s, measure.cpu_percent_mean) == ("measure", 3.0, 200.0)
    assert (measure.cpu_percent_max, measure.rss_bytes_max, measure.write_bytes) == (200.0, 20, 4096)
    assert measure.read_bytes == UNKNOWN
    assert (measure.process, measure.role) == ("node", "ledger")


def test_a_phase_between_two_samples_gets_its_share() -> None:
    row = summarise([sample(0, 0.0), sample(1, 0.8, percent=80, rss=5)], [span(Phase.DRAIN, 0.25, 0.5)], START)[0]
    assert row.cpu_s == pytest.approx(0.2)
    assert row.cpu_percent_mean == pytest.approx(80.0)
    assert (row.cpu_percent_max, row.rss_bytes_max) == (80, 5)


def test_a_process_that_came_and_went_is_averaged_over_its_presence() -> None:
    rows = summarise([sample(4, 0.0), sample(6, 1.0, percent=50)], [span(Phase.MEASURE, 0, 10)], START)
    assert [(row.cpu_s, row.cpu_percent_mean) for row in rows] == [(1.0, 50.0)]


def test_a_process_that_was_not_there_has_no_row() -> None:
    assert summarise([sample(4, 0.0), sample(6, 1.0)], [span(Phase.MEASURE, 7, 10)], START) == []
    assert summarise([], [span(Phase.MEASURE, 7, 10)], START) == []


def test_samples_learn_their_phase_and_the_start_signal() -> None:
    phases = [span(Phase.SETUP, -5, 0), span(Phase.WARM_UP, 0, 2)]
    taken = attribute([sample(-1, 0), sample(0, 0), sample(1.5, 0), sample(2, 0)], phases, START)
    assert [(s.at_ns, s.phase) for s in taken] == [
        (-NS_PER_S, "setup"),
        (0, "warm_up"),
        (1_500_000_000, "warm_up"),
        (2 * NS_PER_S, ""),
    ]


@given(
    st.lists(st.tuples(st.floats(0.1, 3), st.floats(0, 4)), min_size=1, max_size=20),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_adjoining_phases_share_out_all_of_the_cpu_time(steps: list[tuple[float, float]], cuts: list[float]) -> None:
    samples, at_s, cpu_s = [sample(0, 0.0)], 0.0, 0.0
    for elapsed_s, rate in steps:
        at_s, cpu_s = at_s + elapsed_s, cpu_s + elapsed_s * rate
        samples.append(sample(at_s, cpu_s))
    edges = [0.0, *sorted(cut * at_s for cut in cuts), at_s]
    phases = [span(Phase.MEASURE, a, b) for a, b in pairwise(edges)]
    assert sum(row.cpu_s for row in summarise(samples, phases, START)) == pytest.approx(cpu_s, abs=1e-6)

from __future__ import annotations

import pytest

from benchmarks.goodput.window import CpuSample, SeenBlock, Window, aligned, used_between

S = 1_000_000_000


def blocks(*calls: int) -> list[SeenBlock]:
    """One block a second, the first at height 10 and second 100."""
    return [SeenBlock(10 + at, (100 + at) * S, count) for at, count in enumerate(calls)]


def test_the_window_runs_between_sights_of_blocks_and_leaves_out_the_first_ones_calls() -> None:
    # first call seen at 102; warm-up ends at 104, load at 107: blocks 104…107, calls of 105, 106, 107
    window = aligned(blocks(0, 0, 7, 11, 13, 17, 19, 23, 29), 2 * S, 5 * S)
    assert window == Window(104 * S, 107 * S, 17 + 19 + 23)
    assert window.seconds == 3.0
    assert window.per_s == pytest.approx(59 / 3)


def test_slow_blocks_lengthen_the_denominator() -> None:
    seen = [SeenBlock(1, 0, 5), SeenBlock(2, 2 * S, 100), SeenBlock(3, 6 * S, 100)]
    assert aligned(seen, S, 10 * S).per_s == 25.0


@pytest.mark.parametrize("calls", [(), (0, 0, 0), (5,), (5, 5)])
def test_too_little_to_measure_is_an_error(calls: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"no block holds a call|fewer than two"):
        aligned(blocks(*calls), S, 10 * S)


def test_cpu_is_interpolated_between_samples() -> None:
    samples = [CpuSample(0, {"a": 1.0}), CpuSample(2 * S, {"a": 2.0, "b": 0.5}), CpuSample(4 * S, {"a": 2.0, "b": 4.5})]
    assert used_between(samples, S, 3 * S) == {"a": pytest.approx(0.5), "b": pytest.approx(2.25)}
    assert used_between(samples, -S, 9 * S) == {"a": 1.0, "b": 4.5}

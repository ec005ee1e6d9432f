import pytest

from bench.load.pulse import Pulse
from bench.model.clock import NS_PER_MS
from bench.model.counters import Counters


@pytest.mark.parametrize(
    ("beats_ms", "stalled_ms", "made_up_ms"),
    [
        ([10], 0, 0),  # 5 ms late, and not more
        ([11], 0, 22),
        ([200], 0, 400),  # stood still for 200 ms, and that long again
        ([200, 205, 210], 0, 400),
        ([200, 260], 0, 400),  # again before the first was made up for: no debt piles up
        ([200, 390], 0, 580),
        ([20, 30, 40, 45, 80], 45, 115),  # another one, after that
    ],
)
def test_a_stall_is_made_up_for_in_as_long_again(beats_ms, stalled_ms, made_up_ms):
    pulse = Pulse(Counters())
    for now in beats_ms:
        pulse.beat(now * NS_PER_MS)
    assert (pulse.stalled_ns, pulse.made_up_ns) == (stalled_ms * NS_PER_MS, made_up_ms * NS_PER_MS)

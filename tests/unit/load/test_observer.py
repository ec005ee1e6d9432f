"""The observer's own pulse: what it tells the workers when it could not run."""

from bench.load import observer
from bench.model.clock import NS_PER_MS


class Over(Exception):
    """Ends the endless."""


class Said(observer.Broadcast):
    def __init__(self) -> None:
        self.frames: list[list] = []

    def say(self, frame: list, *, keep: bool = False) -> None:
        self.frames.append(frame)


def test_it_says_from_when_to_when_it_stood_still_and_is_silent_about_little(monkeypatch):
    clock = iter(at * NS_PER_MS for at in (0, 10, 25, 55, 1_565, 1_576))  # late by 0, 5, 20, 1,500, 1 ms
    sleeps = iter(range(5))

    def sleep(seconds: float) -> None:
        assert seconds == 0.01
        if next(sleeps, None) is None:
            raise Over

    monkeypatch.setattr(observer, "monotonic_ns", lambda: next(clock))
    monkeypatch.setattr(observer.time, "sleep", sleep)
    said = Said()
    try:
        observer.feel(said)
    except Over:
        pass
    assert said.frames == [["paused", 65 * NS_PER_MS, 1_565 * NS_PER_MS]]

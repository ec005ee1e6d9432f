"""Ctrl-C as a question a run asks at safe moments, and as an exception where it would otherwise wait for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class InterruptedRunError(BaseException):
    """A person (or a service manager) asked the run to end. Never reaches the command line. It may be raised anywhere,
    like KeyboardInterrupt, and like that one it must not be taken for the failure of what it interrupts.
    """


class Interrupts:
    """Calling it says whether an interrupt came. `note` is the signal handler; it runs in the main thread."""

    def __init__(self) -> None:
        self._caught = False
        self._at_once = False

    def __call__(self) -> bool:
        """Whether the run should end."""
        return self._caught

    def note(self, number: int, frame: FrameType | None) -> None:
        """The first signal is kept (and raised inside `at_once`); the second ends the process as Python would."""
        del number, frame
        if self._caught:
            raise KeyboardInterrupt
        self._caught = True
        if self._at_once:
            raise InterruptedRunError

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this block an interrupt is an `InterruptedRunError`: for steps that may wait long and leave nothing
        behind when they are cut short.
        """
        if self._caught:
            raise InterruptedRunError
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

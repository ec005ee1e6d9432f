"""How a run is shown while it goes on: a live line on a terminal, a plain line every few seconds elsewhere.

All of it goes to standard error, so that standard output holds nothing but the answer.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from bench.model.clock import NS_PER_S, Clock, monotonic_ns
from bench.model.masking import masked
from bench.run.events import LiveView, RunListener

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PLAIN_INTERVAL_S = 5.0


class PlainProgress:
    """Lines without colour or cursor movement. A new phase is always shown, the rest every `PLAIN_INTERVAL_S`."""

    def __init__(self, write: Callable[[str], None], clock: Clock = monotonic_ns) -> None:
        self._write = write
        self._clock = clock
        self._shown: tuple[str, int, str] | None = None
        self._next_ns = 0

    def step(self, text: str) -> None:
        """One thing that was done."""
        self._write(masked(text))

    def live(self, view: LiveView) -> None:
        """A line, unless the last one of the same phase is fresh."""
        phase = (view.ledger, view.trial, view.phase.value)
        now = self._clock()
        if phase == self._shown and now < self._next_ns:
            return
        self._shown, self._next_ns = phase, now + int(PLAIN_INTERVAL_S * NS_PER_S)
        self._write(f"{_title(view)}: {view.elapsed_s:.0f} s, {_figures(view)}, {_left(view)} left")

    def warn(self, text: str) -> None:
        """Something to know."""
        self._write(f"warning: {masked(text)}")


class TerminalProgress:
    """A bar that follows the trial; steps and warnings scroll above it."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None, left="")
        self._figures = progress.add_task("", visible=False)

    def step(self, text: str) -> None:
        """A line above the bar."""
        self._progress.console.print(masked(text), markup=False, highlight=False)

    def live(self, view: LiveView) -> None:
        """Move the bar."""
        left = f"{_left(view)} left"
        elapsed_s = min(view.elapsed_s, view.total_s)
        self._progress.update(self._task, description=_title(view), completed=elapsed_s, total=view.total_s, left=left)
        self._progress.update(self._figures, description=_figures(view))

    def warn(self, text: str) -> None:
        """A line above the bar, in yellow where there is colour."""
        self._progress.console.print(f"warning: {masked(text)}", markup=False, highlight=False, style="yellow")


@contextlib.contextmanager
def shown_progress(stream: TextIO | None = None) -> Iterator[RunListener]:
    """The listener that suits `stream` (default: standard error); its display ends with the block."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield PlainProgress(lambda text: print(text, file=stream, flush=True))
        return
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    class Bar(Progress):
        """The bar in one line and the figures, a task that has no bar, in the next: both fit into 80 columns."""

        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            yield from (Text(task.description, no_wrap=True) for task in self.tasks if not task.visible)

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Bar(*columns, console=Console(file=stream), transient=True, refresh_per_second=4) as progress:
        yield TerminalProgress(progress)


def _title(view: LiveView) -> str:
    return f"{view.ledger} {view.workload} {view.trial}/{view.trials} {view.phase.value}"


def _figures(view: LiveView) -> str:
    return (
        f"offered {view.offered_per_s:,.0f}/s, committed {view.committed_per_s:,.0f}/s, "
        f"in flight {view.in_flight:,}, dropped {view.dropped:,}, errors {view.errors:,}"
    )


def _left(view: LiveView) -> str:
    seconds = max(0, round(view.total_s - view.elapsed_s))
    return f"{seconds // 60}:{seconds % 60:02d}"

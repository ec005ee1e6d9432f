"""Follows an adapter's commits in a thread, as an observer does, and remembers what it was told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

from bench.adapters.protocol import Adapter
from bench.model.transaction import Blind, Block, CommitEvent, Orphaned, Settled


class Follower:
    """Starts at once and returns from the constructor when `commits` has yielded for the first time, so that nothing
    submitted afterwards can be missed. What the thread raised is raised again by `wait_for` and `stop`.
    """

    def __init__(self, adapter: Adapter, after: int | None, patience_s: float) -> None:
        self._adapter = adapter
        self._after = after
        self._patience_s = patience_s
        self._changed = threading.Condition(threading.RLock())
        self._stopping = False
        self._yielded = 0
        self._error: BaseException | None = None
        self._blocks: dict[int, Block] = {}
        self._statuses: dict[int, bytes] = {}
        self.longest_silence_s = 0.0
        self._thread = threading.Thread(target=self._run, name="follower")
        self.blind: list[Blind] = []
        self._thread.start()
        self._wait(lambda: self._yielded > 0, "the first yield of commits()")

    @property
    def blocks(self) -> list[Block]:
        """Blocks that were not orphaned, in the order they came."""
        with self._changed:
            return [self._blocks[ordinal] for ordinal in sorted(self._blocks)]

    def included(self) -> Mapping[bytes, list[int]]:
        """For every transaction id, its error class in each place it was included, where that is known."""
        with self._changed:
            found: dict[bytes, list[int]] = {}
            for ordinal, block in self._blocks.items():
                statuses = self._statuses.get(ordinal)
                if statuses is not None:
                    for tx_id, error_class in zip(block.tx_ids, statuses, strict=True):
                        found.setdefault(bytes(tx_id), []).append(error_class)
            return found

    def wait_for(self, tx_ids: Collection[bytes]) -> Mapping[bytes, list[int]]:
        """Until all of `tx_ids` are included and their status is known; what `included` says then."""
        wanted = set(tx_ids)
        self._wait(lambda: wanted <= self.included().keys(), f"{len(wanted)} transactions to be committed")
        return self.included()

    def wait_for_blocks(self, count: int) -> list[Block]:
        """Until `count` blocks have come."""
        self._wait(lambda: len(self.blocks) >= count, f"{count} blocks")
        return self.blocks

    def wait_for_yields(self, count: int) -> None:
        """Until `commits` has yielded `count` more times, blocks and None alike."""
        target = self._yielded + count
        self._wait(lambda: self._yielded >= target, f"{count} more yields of commits()")

    def stop(self) -> None:
        """End the thread; idempotent."""
        self._stopping = True
        self._thread.join(self._patience_s)
        assert not self._thread.is_alive(), "commits() did not yield, so its follower could not be stopped"
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        try:
            iterator = self._adapter.commits(self._after)
            try:
                while not self._stopping:
                    asked_s = time.monotonic()
                    self._take(next(iterator), time.monotonic() - asked_s)
            finally:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as error:  # noqa: BLE001 - a thread's edge: handed to the test
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _take(self, event: CommitEvent | None, waited_s: float) -> None:
        with self._changed:
            if self._yielded:  # the first yield includes connecting
                self.longest_silence_s = max(self.longest_silence_s, waited_s)
            self._yielded += 1
            match event:
                case Block():
                    assert event.ordinal not in self._blocks, f"ordinal {event.ordinal} came twice"
                    self._blocks[event.ordinal] = event
                    if event.error_classes is not None:
                        self._statuses[event.ordinal] = event.error_classes
                case Settled():
                    self._statuses[event.ordinal] = event.error_classes
                case Orphaned():
                    self._blocks.pop(event.ordinal, None)
                case Blind():
                    self.blind.append(event)
                case None:
                    pass
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: self._error is not None or condition(), self._patience_s)
        if self._error is not None:
            self.stop()
        assert done, f"waited {self._patience_s:g} s in vain for {what}"

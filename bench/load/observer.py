"""The observer process: follows blocks through the adapter and hands them, stamped, to the workers of its host.

One per load host, so that the load a ledger pays for being watched does not grow with workers. It also owns the host's
start signal: the first worker that asks for a start fixes it, and all workers of the host hear the same nanosecond.

Wire over a Unix socket, one msgpack frame each. Observer → worker: ["ready"], ["start", start_ns], ["block", ordinal,
height, observed_ns, ids, id_width, error_classes|None, gas_used, size], ["settled", ordinal, error_classes],
["orphaned", ordinal], ["failed", what, remedy, code], ["paused", from_ns, until_ns]. Worker →
observer: ["start", delay_ns].
"""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import msgpack

from bench import registry
from bench.adapters.protocol import Adapter
from bench.load.lifeline import die_with_parent, ignore_interrupts
from bench.load.messages import TrialSpec
from bench.load.stream import Stream
from bench.model.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from bench.model.errors import BenchError, ExitCode
from bench.model.transaction import Blind, Block, CommitEvent, Orphaned, Settled
from bench.model.wire import WireError

BEAT_NS = 10 * NS_PER_MS
PAUSE_NS = 20 * NS_PER_MS
"""Shorter pauses are nobody's concern."""


class Broadcast:
    """Sends every frame to every worker that is or will be connected; a slow worker delays only itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._history: list[list[Any]] = []
        self._queues: list[queue.SimpleQueue[list[Any] | None]] = []
        self._start_ns: int | None = None

    def say(self, frame: list[Any], *, keep: bool = False) -> None:
        """Queue `frame` for all; `keep` it for workers that connect later."""
        with self._lock:
            if keep:
                self._history.append(frame)
            for each in self._queues:
                each.put(frame)

    def start(self, delay_ns: int) -> None:
        """Fix the host's start signal, once."""
        with self._lock:
            if self._start_ns is not None:
                return
            self._start_ns = monotonic_ns() + delay_ns
        self.say(["start", self._start_ns], keep=True)

    def attach(self, connection: socket.socket) -> None:
        """Serve one worker until it leaves."""
        frames: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()
        with self._lock:
            for frame in self._history:
                frames.put(frame)
            self._queues.append(frames)
        stream = Stream(connection)
        threading.Thread(target=self._write, args=(stream, frames), daemon=True).start()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _write(self, stream: Stream, frames: queue.SimpleQueue[list[Any] | None]) -> None:
        try:
            while (frame := frames.get()) is not None:
                stream.send(frame)
        except (OSError, WireError):
            pass  # the worker left; its reader thread notices too
        with self._lock:
            self._queues.remove(frames)

    def _read(self, stream: Stream) -> None:
        try:
            while (frame := stream.read()) is not None:
                self.start(frame[1])
        except OSError:
            return


def frame_of(event: CommitEvent) -> list[Any]:
    """The wire form of a commit event."""
    match event:
        case Block():
            width = len(event.tx_ids[0]) if event.tx_ids else 0
            ids = b"".join(event.tx_ids)
            return [
                "block",
                event.ordinal,
                event.height,
                event.observed_at_ns,
                ids,
                width,
                event.error_classes,
                event.gas_used,
                event.size_bytes,
            ]
        case Settled():
            return ["settled", event.ordinal, event.error_classes]
        case Orphaned():
            return ["orphaned", event.ordinal]
        case Blind():
            return ["paused", event.from_ns, event.until_ns]


def follow(adapter: Adapter, broadcast: Broadcast) -> None:
    """Pass every commit event on, until the process is killed or the ledger fails."""
    ready = False
    try:
        for event in adapter.commits(None):
            if not ready:
                broadcast.say(["ready"], keep=True)
                ready = True
            if event is not None:
                broadcast.say(frame_of(event))
    except BenchError as error:
        broadcast.say(["failed", f"observer: {error.what}", error.remedy, int(error.exit_code)], keep=True)
    except Exception as error:  # noqa: BLE001  # the edge of this thread: without it the workers would wait for blocks
        traceback.print_exc()
        broadcast.say(["failed", f"the observer failed: {error!r}", "", int(ExitCode.INTERNAL)], keep=True)
    else:
        broadcast.say(["failed", "the adapter stopped following blocks", "", int(ExitCode.INTERNAL)], keep=True)


def feel(broadcast: Broadcast) -> None:
    """Time short sleeps for ever: while this thread could not run, be it stopped or without the interpreter's lock, no
    block could be stamped either.
    """
    woken = monotonic_ns()
    while True:
        time.sleep(BEAT_NS / NS_PER_S)
        due, woken = woken + BEAT_NS, monotonic_ns()
        if woken - due > PAUSE_NS:
            broadcast.say(["paused", due, woken])


def main() -> None:
    """Process entry: spec and socket path on standard input; ends when killed or when standard input's owner dies."""
    die_with_parent()
    ignore_interrupts()
    start = msgpack.unpackb(sys.stdin.buffer.read())
    spec = TrialSpec.from_wire(start["spec"])
    path = Path(start["socket"])
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    os.chmod(path, 0o600)
    listener.listen()
    broadcast = Broadcast()
    adapter = registry.adapter(spec.adapter)
    adapter.open(spec.endpoint(), spec.prepared())
    threading.Thread(target=follow, args=(adapter, broadcast), daemon=True).start()
    threading.Thread(target=feel, args=(broadcast,), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        broadcast.attach(connection)


if __name__ == "__main__":
    main()

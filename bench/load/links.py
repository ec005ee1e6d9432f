"""A worker's two local partners: its encoder (a child process) and its host's observer (a Unix socket).

Both links read in a greenlet of their own, so that unpacking happens ahead of time and never between an arrival and its
submission.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent
import msgpack
from gevent.queue import SimpleQueue

from bench.load.messages import TrialSpec
from bench.load.recorder import Pending
from bench.load.stream import Stream
from bench.model.errors import HarnessError

CONNECT_DEADLINE_S = 30.0
Feed = Callable[[list[Pending]], None]


class EncoderLink:
    """Starts the encoder and keeps `buffer` items outstanding."""

    def __init__(self, spec: TrialSpec, worker: int, on_items: Feed, on_again: Feed) -> None:
        ours, theirs = socket.socketpair()
        self._stream = Stream(ours)
        start = msgpack.packb({"spec": spec.to_wire(), "worker": worker, "descriptor": theirs.fileno()})
        self._process = start_child("bench.load.encoder", start, keep=theirs.fileno())
        theirs.close()
        self._on_items = on_items
        self._on_again = on_again
        self.planned: int | None = None
        self.broken = ""
        self._outgoing: SimpleQueue[list[Any]] = SimpleQueue()
        self._reading = gevent.spawn(self._read)
        self._writing = gevent.spawn(self._write)
        self.credit(spec.buffer)

    @property
    def pid(self) -> int:
        """The encoder's process id."""
        return self._process.pid

    def credit(self, count: int) -> None:
        """Allow `count` further items."""
        self._outgoing.put(["credit", count])

    def renumber(self, sender: int, generation: int, following: int, holes: Sequence[int]) -> None:
        """From now on number `sender`'s items from the holes, then from `following`."""
        self._outgoing.put(["reset", sender, generation, following, list(holes)])

    def sign_again(self, indices: Sequence[int]) -> None:
        """Encode these items of the plan again."""
        if indices:
            self._outgoing.put(["resign", list(indices)])

    def leave_unsigned(self, sender: int, count: int) -> None:
        """Deliver the sender's next `count` writes without a transaction: enough are signed already."""
        self._outgoing.put(["skip", sender, count])

    def filler(self, sender: int, sequence: int) -> None:
        """Ask for a transaction that only consumes a sequence number."""
        self._outgoing.put(["filler", sender, sequence])

    def close(self) -> None:
        """Stop the encoder."""
        gevent.killall([self._reading, self._writing])
        self._stream.close()
        self._process.kill()
        self._process.wait()

    def _write(self) -> None:
        """The only greenlet that writes: commands come from many, and a socket has one writer at a time."""
        try:
            while True:
                self._stream.send(self._outgoing.get())
        except OSError:
            return  # the encoder ended; the reader says so

    def _read(self) -> None:
        while True:
            try:
                frame = self._stream.read()
            except OSError:  # it ended with our commands unread
                frame = None
            match frame:
                case None:
                    self.broken = f"the encoder process ended (exit code {self._process.poll()})"
                    return
                case ["items", items]:
                    self._on_items([Pending(*item) for item in items])
                case ["again", items]:
                    self._on_again([Pending(*item) for item in items])
                case ["done", planned]:
                    self.planned = planned


class ObserverLink:
    """Connects to the host's observer and passes its frames on, in order."""

    def __init__(self, path: Path, on_frame: Callable[[list[Any]], None]) -> None:
        self._stream = Stream(_connect(path))
        self._on_frame = on_frame
        self._reading = gevent.spawn(self._read)

    def start(self, delay_ns: int) -> None:
        """Ask for the host's start signal."""
        self._stream.send(["start", delay_ns])

    def close(self) -> None:
        """Leave."""
        self._reading.kill()
        self._stream.close()

    def _read(self) -> None:
        while True:
            try:
                frame = self._stream.read()
            except OSError as error:
                self._on_frame(["failed", f"the observer's socket broke: {error}", "", 1])
                return
            if frame is None:
                self._on_frame(["failed", "the observer process ended", "", 1])
                return
            self._on_frame(frame)


def start_child(module: str, start: bytes, keep: int | None = None) -> subprocess.Popen[bytes]:
    """Run one of our modules without gevent, with `start` on its standard input."""
    environment = {**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        pass_fds=() if keep is None else (keep,),
    )
    assert process.stdin is not None
    process.stdin.write(start)
    process.stdin.close()
    return process


def _connect(path: Path) -> socket.socket:
    deadline = gevent.get_hub().loop.now() + CONNECT_DEADLINE_S
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if gevent.get_hub().loop.now() > deadline:
                raise HarnessError("the observer does not answer") from error
            gevent.sleep(0.05)
        else:
            return connection

"""Draws a worker's writes once more after a trial, in a process of its own: only there Locust may be imported.

`redrawn` starts it and reads along; the pipe between them bounds how far it runs ahead. Standard input: one msgpack map
{workload, plan, worker}. Standard output: frames of [[position in the plan, name, arguments]…], an account as [index].
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

import msgpack

from bench import registry
from bench.load.drawing import DrawingPlan, draw
from bench.load.lifeline import die_with_parent, ignore_interrupts
from bench.model.errors import HarnessError
from bench.model.operation import Account, Kind, Operation
from bench.model.wire import RECEIVE_BYTES, FrameReader, pack
from bench.model.workload import Workload

CHUNK = 512


def redrawn(workload: Workload, plan: DrawingPlan, worker: int) -> Generator[tuple[int, Operation], None, None]:
    """(position in the plan, operation) of every write of the worker's shard, in order. Closing it early is fine."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load.redraw"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin:
            process.stdin.write(msgpack.packb({"workload": workload.name, "plan": asdict(plan), "worker": worker}))
        reader = FrameReader()
        while data := os.read(process.stdout.fileno(), RECEIVE_BYTES):
            reader.feed(data)
            while (frame := reader.next()) is not None:
                yield from ((index, Operation(name, _unpacked(arguments))) for index, name, arguments in frame)
        if process.wait() != 0:
            raise HarnessError("the operations could not be drawn again", value=f"exit code {process.returncode}")
    except BrokenPipeError as error:
        raise HarnessError("the operations could not be drawn again", value=f"exit code {process.wait()}") from error
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Process entry."""
    die_with_parent()
    ignore_interrupts()
    start = msgpack.unpackb(sys.stdin.buffer.read())
    drawn = draw(registry.workload(start["workload"]), DrawingPlan(**start["plan"]), start["worker"])
    writes = ([index, one.name, _packed(one.arguments)] for index, _, one in drawn if one.kind is not Kind.READ)
    while chunk := list(islice(writes, CHUNK)):
        sys.stdout.buffer.write(pack(chunk))
        sys.stdout.buffer.flush()


def _packed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [value.index] if isinstance(value, Account) else value for name, value in arguments.items()}


def _unpacked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Account(value[0]) if isinstance(value, list) else value for name, value in arguments.items()}


if __name__ == "__main__":
    main()

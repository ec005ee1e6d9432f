"""The command line as a user runs it, in a process of its own, with a mark by which its descendants are found again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.bundle.reader import Bundle, read_bundle

ROOT = Path(__file__).parents[2]
MARK = "BENCH_TEST_MARK"


@dataclass
class Cli:
    """One working area: results below `out`, temporary files below `temporary`."""

    directory: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.directory / "out"

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True, parents=True)
        process = subprocess.Popen(
            [sys.executable, "bench.py", *arguments],
            cwd=ROOT,
            env={**os.environ, MARK: self.mark, "TMPDIR": str(temporary), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, timeout_s: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        output, errors = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def end(self) -> None:
        """Nothing of a test outlives it, also when it failed."""
        for left in self.descendants():
            left.kill()
        for process in self.started:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait()

    def descendants(self) -> list[psutil.Process]:
        """Every living process that carries our mark, whoever its parent is by now."""
        return [process for process in psutil.process_iter() if _environment(process).get(MARK) == self.mark]

    def wait_until_gone(self, seconds: float = 15) -> list[str]:
        """What is still there after at most `seconds`."""
        deadline = time.monotonic() + seconds
        while (left := self.descendants()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [" ".join(process.cmdline()) for process in left]

    def bundles(self) -> list[Path]:
        return sorted(self.out.iterdir()) if self.out.exists() else []

    def only_bundle(self) -> Bundle:
        (path,) = self.bundles()
        return read_bundle(path)


def wait_for_line(process: subprocess.Popen[str], words: Sequence[str], lines: list[str]) -> None:
    """Read standard error until a line holds all `words`; what was read is kept in `lines`."""
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if all(word in line for word in words):
            return
    raise AssertionError(f"the command ended without saying {words}:\n{''.join(lines)}")


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if process.status() != psutil.STATUS_ZOMBIE else {}
    except psutil.Error:
        return {}

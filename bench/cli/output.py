"""What commands print: tables and JSON on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from bench.model.masking import masked


def say(text: str = "") -> None:
    """A line of the answer."""
    _put(text, sys.stdout)


def note(text: str) -> None:
    """A line beside the answer: progress, warnings, errors."""
    _put(text, sys.stderr)


def print_json(data: object) -> None:
    """The whole answer as one JSON document."""
    say(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their content, two spaces apart; the last one is not padded."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in (headers, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        say("  ".join(cells).rstrip())


def _put(text: str, stream: TextIO) -> None:
    """Nobody may read on (`| head -1`); what is being done is done all the same, and the rest goes nowhere."""
    try:
        print(masked(text), file=stream, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

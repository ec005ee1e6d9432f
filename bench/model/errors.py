"""Every failure this product can name, with the exit code it ends in.

A ledger's refusal of a transaction is data (`bench.model.transaction`), never an exception. What is raised here stops a
command. The tree is drawn so that the CLI needs no other table than `exit_code`.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; `docs/cli.md` gives them to users."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    INVALID = 3
    GATE_FAILED = 4
    LEDGER_FAILED = 5
    INTEGRITY = 6
    NOT_COMPARABLE = 7
    UNDECIDED = 8
    INTERRUPTED = 130


PRECEDENCE = (ExitCode.INTERRUPTED, ExitCode.INTERNAL, ExitCode.LEDGER_FAILED, ExitCode.INVALID, ExitCode.GATE_FAILED)
"""When several reasons hold, the first of these decides; others keep the order in which they came."""


def worst(codes: list[ExitCode]) -> ExitCode:
    """The code a command ends in when its parts ended in `codes` (empty: done)."""
    for code in PRECEDENCE:
        if code in codes:
            return code
    return next((code for code in codes if code is not ExitCode.DONE), ExitCode.DONE)


class BenchError(Exception):
    """What failed, which value, and what to do next: all three are required, because all three are printed."""

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, what: str, *, value: object = None, remedy: str = "") -> None:
        self.what = what
        self.value = value
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        shown = "" if self.value is None else f" (got {self.value!r})"
        remedy = f"\n  remedy: {self.remedy}" if self.remedy else ""
        return f"{self.what}{shown}{remedy}"


class ConfigurationError(BenchError):
    """A scenario, flag or file says something that cannot be run."""

    exit_code = ExitCode.USAGE


class LedgerError(BenchError):
    """The ledger failed: unreachable, wrong chain, died, refuses to start, unfunded key."""

    exit_code = ExitCode.LEDGER_FAILED


class IntegrityError(BenchError):
    """A bundle is not what its manifest says."""

    exit_code = ExitCode.INTEGRITY


class NotComparableError(BenchError):
    """Bundles that may not be put side by side."""

    exit_code = ExitCode.NOT_COMPARABLE


class HarnessError(BenchError):
    """The harness itself could not do its work: a child died, the disk is full, a message was lost."""

    exit_code = ExitCode.INTERNAL

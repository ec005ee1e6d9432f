from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bench.cli.fault import run_to_exit_code
from bench.model.errors import (
    BenchError,
    ConfigurationError,
    ExitCode,
    HarnessError,
    IntegrityError,
    LedgerError,
    NotComparableError,
)


def raising(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("w"), 2),
        (LedgerError("w"), 5),
        (IntegrityError("w"), 6),
        (NotComparableError("w"), 7),
        (HarnessError("w"), 1),
        (SystemExit(ExitCode.UNDECIDED), 8),
        (SystemExit(None), 0),
        (SystemExit("text"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_reason_has_its_code(error: BaseException, code: int) -> None:
    assert run_to_exit_code(raising(error)) == code


def test_success_is_zero() -> None:
    assert run_to_exit_code(lambda: "anything") == 0


def test_a_named_failure_is_told_in_three_parts_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    error: BenchError = LedgerError("the node is on another chain", value=5, remedy="set endpoint.chain_id to 5")
    run_to_exit_code(raising(error))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: the node is on another chain (got 5)\n  remedy: set endpoint.chain_id to 5\n"


def test_a_fault_of_ours_is_one_line_and_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.py", "run", "x.yaml"])
    assert run_to_exit_code(raising(ZeroDivisionError("by design"))) == 1
    said = capsys.readouterr().err
    assert said.startswith("internal fault: ZeroDivisionError: by design\n")
    assert "Traceback" not in said
    found = re.search(r"with the file (\S+)", said)
    assert found is not None
    kept = Path(found[1])
    text = kept.read_text()
    kept.unlink()
    assert "ZeroDivisionError: by design" in text
    assert "Traceback" in text
    assert "['bench.py', 'run', 'x.yaml']" in text

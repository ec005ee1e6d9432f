"""From an exception to an exit code: the outermost edge of every command."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable

from bench.cli.output import note
from bench.model.errors import BenchError, ExitCode
from bench.model.masking import masked
from bench.model.version import __version__


def run_to_exit_code(command: Callable[[], object]) -> int:
    """Run `command` and say which code it ends in. What we can name is told in three parts and without a traceback;
    what we cannot goes into a file, because it is a fault of this program and its report needs the whole.
    """
    try:
        command()
    except SystemExit as ended:
        return _code(ended.code)
    except KeyboardInterrupt:
        note("interrupted")
        return ExitCode.INTERRUPTED
    except BenchError as error:
        note(f"error: {error}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the edge of the process: nobody above could handle it
        note(f"internal fault: {type(error).__name__}: {error}")
        note(f"  this is a fault of ledger-bench itself; please report it with the file {_keep_traceback()}")
        return ExitCode.INTERNAL
    return ExitCode.DONE


def _code(code: str | int | None) -> int:
    if code is None:
        return ExitCode.DONE
    return code if isinstance(code, int) else ExitCode.INTERNAL


def _keep_traceback() -> str:
    """Write the exception in flight to a file of the user's own and return its path."""
    descriptor, path = tempfile.mkstemp(prefix="bench-fault-", suffix=".txt")
    with os.fdopen(descriptor, "w") as file:
        file.write(f"ledger-bench {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write(masked(f"command: {sys.argv}\n\n{traceback.format_exc()}"))
    return path

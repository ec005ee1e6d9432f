"""`bench.py worker`: lend this machine to a run whose master is elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Annotated

import typer

from bench.cli.output import note
from bench.model.errors import ConfigurationError, HarnessError

_EXAMPLE = "\b\nExample:\n  bench.py worker --master 192.0.2.10:5557"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker", epilog=_EXAMPLE)(worker)


def worker(
    master: Annotated[str, typer.Option("--master", metavar="HOST:PORT", help="Address of the run's master.")],
) -> None:
    """Send load for a run that another machine coordinates, trial by trial, until no master answers for a minute."""
    command = worker_command(master)
    served = 0
    while subprocess.run(command, check=False).returncode == 0:
        served += 1
    note(f"no master at {master} any more; served {served} trial(s)")
    if not served:
        raise HarnessError("no run was served", value=master, remedy="start the run first, then its workers")


def worker_command(master: str) -> list[str]:
    """The command this process becomes: Locust patches the process it is imported into, so it gets one of its own."""
    host, _, port = master.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        raise ConfigurationError("--master is not an address", value=master, remedy="write it as HOST:PORT")
    return [sys.executable, "-m", "bench.load.worker", "--master", master]

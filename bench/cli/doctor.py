"""`bench.py doctor`: whether this machine is ready, line by line, with a remedy for what is not."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import print_json, say
from bench.model.errors import ConfigurationError, ExitCode

_EXAMPLE = "\b\nExample:\n  bench.py doctor --json"
_PACKAGE = "ledger-bench"
_LEAST_PYTHON = (3, 11)
_GB = 10**9
_CLOCK_READS = 10_000
_CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")


class Status(StrEnum):
    """How much a finding matters: nothing, for some uses, for all."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `remedy` is empty when all is well."""

    check: str
    status: Status
    detail: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog=_EXAMPLE)(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check this machine. Ends with code 2 when something is missing that every run needs."""
    findings = [check() for check in CHECKS]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.status:<4}  {finding.check}: {finding.detail}")
            if finding.remedy:
                say(f"      remedy: {finding.remedy}")
    if any(finding.status is Status.FAIL for finding in findings):
        raise typer.Exit(ExitCode.USAGE)


def python_version() -> Finding:
    """Python itself."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _LEAST_PYTHON:
        return Finding("python", Status.OK, found)
    return Finding("python", Status.FAIL, found, "use Python 3.11 or newer: `make setup PYTHON=python3.12`")


def packages() -> Finding:
    """Every package this product declares, present."""
    try:
        needed = metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return Finding("packages", Status.FAIL, f"{_PACKAGE} is not installed", "run `make setup`")
    names = [entry.split(";")[0].split("=")[0].strip() for entry in needed if "extra ==" not in entry]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return Finding("packages", Status.FAIL, f"missing: {', '.join(missing)}", "run `make setup`")
    return Finding("packages", Status.OK, f"{len(names)} of {len(names)} present")


def registered_plugins() -> Finding:
    """No two packages claim one plug-in."""
    from bench import registry

    try:
        found = registry.plugins()
    except ConfigurationError as error:
        return Finding("plug-ins", Status.FAIL, error.what, error.remedy)
    if not found:
        return Finding("plug-ins", Status.FAIL, "none registered", "run `make setup`")
    return Finding("plug-ins", Status.OK, f"{len(found)} registered")


def anvil() -> Finding:
    """The one program that the demo has to fetch, or what is needed to fetch it."""
    from bench.ledgers.anvil import AnvilLedger

    ledger = AnvilLedger()
    if program := ledger.installed():
        return Finding("anvil", Status.OK, f"{ledger.info.version} at {program}")
    client = shutil.which("npm")
    if client is None:
        how = "not installed; no npm here, so pip will fetch one (about 60 MB)"
        return Finding("anvil", Status.WARN, how, "run `bench.py ledgers install anvil` while there is a network")
    return Finding(
        "anvil", Status.WARN, f"not installed; {client} can fetch it", "run `bench.py ledgers install anvil`"
    )


def ledgers() -> Finding:
    """The other candidates, and the package clients that bring them."""
    from bench import registry

    found = {name: registry.ledger(name).installed() is not None for name in registry.names("ledgers")}
    absent = [name for name, there in found.items() if not there]
    detail = f"{len(found) - len(absent)} of {len(found)} installed"
    if not absent:
        return Finding("ledgers", Status.OK, detail)
    clients = {"apt-get": "Debian packages", "go": "Go programs (else pip brings a toolchain)", "npm": "npm packages"}
    lacking = [f"no {client} here for {what}" for client, what in clients.items() if shutil.which(client) is None]
    detail += f"; not {', '.join(absent)}" + (f"; {', '.join(lacking)}" if lacking else "")
    return Finding("ledgers", Status.WARN, detail, "run `bench.py ledgers install NAME` for those you want to measure")


def disk() -> Finding:
    """Room for bundles."""
    free = shutil.disk_usage(Path.cwd()).free
    detail = f"{free / _GB:.1f} GB free here"
    if free < _GB // 5:
        return Finding("disk", Status.FAIL, detail, "free some space: a bundle takes about 60 bytes per transaction")
    if free < 2 * _GB:
        return Finding("disk", Status.WARN, detail, "free some space before long runs")
    return Finding("disk", Status.OK, detail)


def cores() -> Finding:
    """Processors this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if usable < 4:
        remedy = "fine for a first look; for a decision, run the ledger on other machines or use at least 4 cores"
        return Finding("cores", Status.WARN, f"{usable}; harness and ledger share them", remedy)
    return Finding("cores", Status.OK, str(usable))


def clock() -> Finding:
    """A monotonic clock that is fine-grained and cheap to read."""
    began = time.perf_counter()
    stamps = [time.monotonic_ns() for _ in range(_CLOCK_READS)]
    cost_ns = (time.perf_counter() - began) / _CLOCK_READS * 1e9
    step_ns = min((b - a for a, b in pairwise(stamps) if b > a), default=10**9)
    source = _CLOCK_SOURCE.read_text().strip() if _CLOCK_SOURCE.exists() else "source unknown"
    detail = f"{source}, step {step_ns} ns, {cost_ns:.0f} ns per reading"
    if step_ns > 100_000 or cost_ns > 2_000:
        return Finding("clock", Status.WARN, detail, "choose a faster clock source (tsc) for latencies below 1 ms")
    return Finding("clock", Status.OK, detail)


def open_files() -> Finding:
    """Descriptors for connections."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 256:
        return Finding("open files", Status.FAIL, f"limit {soft}", f"run `ulimit -n {min(hard, 4096)}` first")
    if soft < 1024:
        return Finding("open files", Status.WARN, f"limit {soft}", f"run `ulimit -n {min(hard, 4096)}` for many lanes")
    return Finding("open files", Status.OK, f"limit {soft}")


def loopback() -> Finding:
    """Ports on the addresses that ledgers use."""
    refused = [address for address in ("127.0.0.1", "127.0.0.2") if not _binds(address)]
    if "127.0.0.1" in refused:
        return Finding("loopback", Status.FAIL, "no port can be bound on 127.0.0.1", "allow this user to open sockets")
    if refused:
        remedy = "add the address to the loopback interface to run ledgers of several nodes"
        return Finding("loopback", Status.WARN, "127.0.0.2 cannot be bound", remedy)
    return Finding("loopback", Status.OK, "ports can be bound on 127.0.0.1 and 127.0.0.2")


def browser() -> Finding:
    """Something to read reports with; also what the project's own page tests use."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        return Finding(
            "browser", Status.WARN, "none found", "copy report.html to a machine that has one; it is one file"
        )
    return Finding("browser", Status.OK, found)


CHECKS: tuple[Callable[[], Finding], ...] = (
    python_version,
    packages,
    registered_plugins,
    anvil,
    ledgers,
    disk,
    cores,
    clock,
    open_files,
    loopback,
    browser,
)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _binds(address: str) -> bool:
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True

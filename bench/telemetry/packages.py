"""Prometheus' programs for whoever has none: on PATH, else of Debian packages that apt fetches once into the cache.

Nothing is installed: no root, no service, no file outside the cache. Where packages come from is the business of apt
and its configuration on this machine; apt checks each one against the signed list it is in, and the pinned ones are
checked here once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.install import cache_directory
from bench.ledgers.lock import locked
from bench.ledgers.protocol import Progress
from bench.model.errors import HarnessError

_TIMEOUT_S = 600
_CHUNK_BYTES = 1 << 20
_MESSAGE_LINES = 4
MOVED_TO = "package-files"
_CLIENTS = ("apt-get", "dpkg", "dpkg-deb")


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """`sha256` of the pinned version by Debian architecture. `companions` are small packages that its files link to, in
    whatever version apt offers. `size` is the whole download, for people.

    `moved` is a directory that its program opens by a path it was built with, and cannot be told otherwise: in our copy
    that path becomes `MOVED_TO`, relative to where the program runs, padded with slashes to the same length.
    """

    name: str
    version: str
    sha256: Mapping[str, str]
    size: str
    companions: tuple[str, ...] = ()
    moved: str = ""

    @property
    def folder(self) -> Path:
        """Where versions of it are kept, each in a directory of its name."""
        return cache_directory() / "debian" / self.name


PROMETHEUS = DebianPackage(
    name="prometheus",
    version="2.42.0+ds-5+deb12u1",
    sha256={"amd64": "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55"},
    size="23 MB",
    companions=(  # its web pages
        "fonts-glyphicons-halflings",
        "libjs-bootstrap4",
        "libjs-d3",
        "libjs-eonasdan-bootstrap-datetimepicker",
        "libjs-jquery",
        "libjs-jquery-hotkeys",
        "libjs-moment",
        "libjs-moment-timezone",
        "libjs-mustache",
        "libjs-popper.js",
        "libjs-rickshaw",
    ),
)
ALERTMANAGER = DebianPackage(
    name="prometheus-alertmanager",
    version="0.25.0-1+b4",
    sha256={"amd64": "4fb9aed15cfe8e0c32408e643ab32a1e41ee87d2cc26f18aeba928b1b0b98ae7"},
    size="11 MB",
    moved="usr/share/prometheus/alertmanager",  # its message templates
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program by its names, the usual one first, and the package that holds it."""

    names: tuple[str, ...]
    package: DebianPackage


@dataclass(frozen=True, slots=True)
class Found:
    """A program. `tree` is the root of the unpacked package it is in; None when it was on PATH. `moved`: a directory
    that the program looks for as `MOVED_TO` where it runs; None when it needs none.
    """

    path: Path
    tree: Path | None = None
    moved: Path | None = None


PROGRAMS = {
    "prometheus": Program(("prometheus",), PROMETHEUS),
    "promtool": Program(("promtool",), PROMETHEUS),
    "alertmanager": Program(("alertmanager", "prometheus-alertmanager"), ALERTMANAGER),
    "amtool": Program(("amtool",), ALERTMANAGER),
}


def installed(name: str) -> Found | None:
    """The program `name` (a key of `PROGRAMS`) on PATH, else in the cache; asks no network."""
    program = PROGRAMS[name]
    for candidate in program.names:
        if path := shutil.which(candidate):
            return Found(Path(path).resolve())
    tree = _cached(program.package)
    return None if tree is None else _in_tree(tree, program)


def install(name: str, progress: Progress) -> Found:
    """As `installed`, fetching the package first where there is none. Several processes may call it at the same time.

    Raises HarnessError without apt, when apt fails, or when the package is not the pinned one (nothing of it is kept).
    """
    if found := installed(name):
        return found
    program = PROGRAMS[name]
    _need_clients(program)
    try:
        with locked(program.package.folder / ".lock"):
            tree = _cached(program.package) or _fetch(program.package, progress)
    except OSError as error:
        raise HarnessError(
            f"{program.package.name} could not be kept in the cache: {error}",
            value=str(program.package.folder),
            remedy="free disk space there, or point BENCH_CACHE at a directory that can be written",
        ) from error
    return _in_tree(tree, program)


def _cached(package: DebianPackage) -> Path | None:
    """The pinned version when it is there, else the last by name of those apt offered in its place."""
    if (pinned := package.folder / package.version).is_dir():
        return pinned
    others = sorted(path for path in package.folder.glob("[!.]*") if path.is_dir())
    return others[-1] if others else None


def _in_tree(tree: Path, program: Program) -> Found:
    for name in program.names:
        if (path := tree / "usr" / "bin" / name).is_file():
            moved = program.package.moved
            return Found(path, tree, tree / moved if moved else None)
    raise HarnessError(
        f"the package {program.package.name} does not hold the program",
        value=program.names[0],
        remedy=f"remove {tree} and repeat, or put the program on PATH",
    )


def _fetch(package: DebianPackage, progress: Progress) -> Path:
    progress(f"fetching {package.name} {package.version} ({package.size}) with apt; nothing is installed")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=package.folder) as scratch:
        place = Path(scratch)
        tree = place / "tree"
        version = _unpack_main(package, place, tree, progress)
        for companion in package.companions:
            _unpack(_companion(companion, place), tree)
        if package.moved:
            _move_paths(tree / "usr" / "bin", f"/{package.moved}".encode())
        final = package.folder / version
        tree.replace(final)
    progress(f"kept as {final}")
    return final


def _unpack_main(package: DebianPackage, place: Path, tree: Path, progress: Progress) -> str:
    """Fetch, check and unpack the package itself; returns the version it came in."""
    archive = _pinned_or_offered(package, place)
    version = _run(["dpkg-deb", "--field", str(archive), "Version"], f"{archive.name} is no package", place).strip()
    architecture = _run(["dpkg", "--print-architecture"], "dpkg does not know this machine", place).strip()
    expected = package.sha256.get(architecture) if version == package.version else None
    if expected is None:
        progress(f"apt offers {package.name} {version} for {architecture}: not the pinned one; apt alone checked it")
    else:
        _check(archive, expected)
        progress("digest is the pinned one")
    _unpack(archive, tree)
    return version


def _pinned_or_offered(package: DebianPackage, place: Path) -> Path:
    """The machine's package lists may be missing or out of date; what they do not give, lists of our own may."""
    pinned = f"{package.name}={package.version}"
    with contextlib.suppress(HarnessError):
        return _download(pinned, place)
    _read_lists(place)
    with contextlib.suppress(HarnessError):
        return _download(pinned, place)
    return _download(package.name, place)


def _companion(name: str, place: Path) -> Path:
    try:
        return _download(name, place)
    except HarnessError:
        if _own_lists(place):
            raise
        _read_lists(place)
        return _download(name, place)


def _download(spec: str, place: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="deb-", dir=place))
    what = f"apt could not fetch {spec}"
    _run(["apt-get", *_own_lists(place), "download", spec], what, folder)
    archives = list(folder.glob("*.deb"))
    if len(archives) != 1:
        raise HarnessError(f"{what}: it left no package", value=[path.name for path in archives], remedy=_RETRY)
    return archives[0]


def _own_lists(place: Path) -> list[str]:
    """Options that make apt use the lists below `place`; none while there are none."""
    lists, cache = place / "lists", place / "cache"
    return ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"] if lists.is_dir() else []


def _read_lists(place: Path) -> None:
    """Package lists in our own directory, from the machine's own sources; this needs no root."""
    for folder in (place / "lists" / "partial", place / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True)
    _run(["apt-get", *_own_lists(place), "-qq", "update"], "apt could not read its package lists", place)


def _check(archive: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with archive.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    if (found := digest.hexdigest()) != expected:
        raise HarnessError(
            f"{archive.name} is not the package this version was pinned to (SHA-256 {expected})",
            value=found,
            remedy="do not use it; check which sources apt is configured for, then repeat",
        )


def _unpack(archive: Path, tree: Path) -> None:
    _run(["dpkg-deb", "--extract", str(archive), str(tree)], f"{archive.name} could not be unpacked", archive.parent)


def _move_paths(programs: Path, built_with: bytes) -> None:
    """Point the programs at `MOVED_TO`. The length stays, so nothing else in them moves."""
    name = MOVED_TO.encode()
    replacement = b"." + b"/" * (len(built_with) - 1 - len(name)) + name
    for path in programs.iterdir():
        path.write_bytes(path.read_bytes().replace(built_with, replacement))


def _need_clients(program: Program) -> None:
    absent = [client for client in _CLIENTS if shutil.which(client) is None]
    if absent:
        raise HarnessError(
            f"{program.names[0]} is not on PATH, and this machine has no apt to fetch it with",
            value=", ".join(absent),
            remedy=f"put {program.names[0]} on PATH (2.42 or newer of it), or use docker/compose.yml",
        )


def _run(command: Sequence[str], what: str, directory: Path) -> str:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{what}: {error}", value=command[0], remedy=_RETRY) from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg"))]
        message = " / ".join(said[:_MESSAGE_LINES]) or f"exit code {done.returncode}"
        raise HarnessError(f"{what}: {message}", remedy=_RETRY)
    return done.stdout


_RETRY = (
    "check the network and apt's sources on this machine and repeat; "
    "or put the program on PATH yourself (once cached, no network is needed)"
)

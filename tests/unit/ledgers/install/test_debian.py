"""Fetching programs of Debian packages, with an apt of our own that tells what it was asked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bench.ledgers.install.debian import MOVED_TO, DebianPackage, Found, Program, install, installed
from bench.model.errors import LedgerError

DEB = b"a package"
BUILT_WITH = "usr/share/tool/a-long-way-down-here"
APT = """#!/bin/sh
echo "$@" >>"$APT_LOG"
for last; do :; done
case "$*" in
  *update*) test -z "$APT_OFFLINE" || { echo "E: no network" >&2; exit 100; } ;;
  *Dir::State::Lists*) offered="$APT_OFFERS $APT_FRESH" ;;
  *) offered="$APT_OFFERS" ;;
esac
case "$*" in *update*) exit 0 ;; esac
case " $offered " in
  *" $last "*) printf 'a package' >"${last%%=*}_0_amd64.deb" ;;
  *) echo "E: Unable to locate package $last" >&2; exit 100 ;;
esac
"""
DPKG_DEB = """#!/bin/sh
case "$1" in
  --field) case "$2" in *tool*) echo "$APT_VERSION" ;; esac ;;
  --extract) mkdir -p "$3/usr/bin" "$3/usr/share/tool"; case "$2" in
    */tool_*) printf 'code/usr/share/tool/a-long-way-down-here/more' >"$3/usr/bin/tool"; chmod +x "$3/usr/bin/tool" ;;
    *) echo extra >"$3/usr/share/extra" ;; esac ;;
esac
"""


PACKAGE = DebianPackage("tool", "1.0", {"amd64": hashlib.sha256(DEB).hexdigest()}, "1 MB", ("extra",), BUILT_WITH)
TOOL = Program(("tool",), PACKAGE)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH holds a shell's programs and our apt; `tool` is the program that is wanted."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("apt-get", APT), ("dpkg-deb", DPKG_DEB), ("dpkg", "#!/bin/sh\necho amd64\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("mkdir", "chmod"):
        (programs / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("APT_LOG", str(tmp_path / "apt.log"))
    monkeypatch.setenv("APT_OFFERS", "tool=1.0 extra")
    monkeypatch.setenv("APT_VERSION", "1.0")
    monkeypatch.setenv("APT_FRESH", "")
    monkeypatch.setenv("APT_OFFLINE", "")
    return tmp_path


def asked(machine: Path) -> list[str]:
    return (machine / "apt.log").read_text().splitlines()


def test_the_pinned_version_is_fetched_checked_and_kept(machine: Path) -> None:
    said: list[str] = []
    assert installed(TOOL) is None
    found = install(TOOL, said.append)
    tree = machine / "cache" / "debian" / "tool" / "1.0"
    assert found.tree == tree
    assert found.path == tree / "usr" / "bin" / "tool"
    assert os.access(found.path, os.X_OK)
    assert (tree / "usr" / "share" / "extra").read_text() == "extra\n"
    assert asked(machine) == ["download tool=1.0", "download extra"]
    assert "digest is the pinned one" in said
    assert install(TOOL, said.append) == installed(TOOL) == found
    assert len(asked(machine)) == 2
    assert sorted(path.name for path in tree.parent.iterdir()) == [".lock", "1.0"]


def test_a_path_it_was_built_with_becomes_one_beside_it_of_the_same_length(machine: Path) -> None:
    found = install(TOOL, lambda line: None)
    assert found.tree is not None
    assert found.moved == found.tree / BUILT_WITH
    text = found.path.read_text()
    inner = text.removeprefix("code").removesuffix("/more")
    assert len(inner) == len("/" + BUILT_WITH)
    assert os.path.normpath(inner) == MOVED_TO


def test_what_is_on_path_comes_first(machine: Path) -> None:
    install(TOOL, lambda line: None)
    (machine / "bin" / "tool").write_text("#!/bin/sh\n")
    (machine / "bin" / "tool").chmod(0o755)
    assert installed(TOOL) == Found(machine / "bin" / "tool")


def test_lists_that_lack_it_are_read_again_into_a_directory_of_ours(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APT_OFFERS", "")
    monkeypatch.setenv("APT_FRESH", "tool=1.0 extra")
    assert install(TOOL, lambda line: None).path.is_file()
    first, update, again, extra = asked(machine)
    assert first == "download tool=1.0"
    assert update.endswith("-qq update")
    for call in (update, again, extra):
        assert str(machine / "cache") in call.split("Dir::State::Lists=")[1]


def test_another_version_is_taken_where_the_pinned_one_is_gone_and_that_is_said(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APT_OFFERS", "tool extra")
    monkeypatch.setenv("APT_VERSION", "2.0")
    said: list[str] = []
    found = install(TOOL, said.append)
    assert found.tree == machine / "cache" / "debian" / "tool" / "2.0"
    assert any("tool 2.0 for amd64: not the pinned one" in line for line in said)
    assert installed(TOOL) == found


def test_a_package_with_another_digest_is_refused_and_not_kept(machine: Path) -> None:
    package = DebianPackage("tool", "1.0", {"amd64": "0" * 64}, "1 MB")
    with pytest.raises(LedgerError, match="is not the package this version was pinned to") as caught:
        install(Program(("tool",), package), lambda line: None)
    assert caught.value.value == hashlib.sha256(DEB).hexdigest()
    assert [path.name for path in package.folder.iterdir()] == [".lock"]


def test_without_network_apt_is_quoted(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APT_OFFERS", "")
    monkeypatch.setenv("APT_OFFLINE", "yes")
    with pytest.raises(LedgerError, match="E: no network") as caught:
        install(TOOL, lambda line: None)
    assert "put the program on PATH" in caught.value.remedy


def test_without_apt_the_remedy_is_path(machine: Path) -> None:
    (machine / "bin" / "apt-get").unlink()
    with pytest.raises(LedgerError, match="no apt to fetch it with") as caught:
        install(TOOL, lambda line: None)
    assert caught.value.value == "apt-get"
    assert caught.value.remedy == "put tool on PATH"

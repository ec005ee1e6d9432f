"""Each command's own part: arguments in, text and exit code out. The work behind them is replaced or harmless."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer.main
from typer.testing import CliRunner

import bench
from bench.bundle import verify as verify_module
from bench.cli import doctor, worker
from bench.cli.demo import has_desktop
from bench.cli.doctor import Finding, Status
from bench.cli.ledgers import parsed_options
from bench.cli.main import app
from bench.cli.output import print_table
from bench.model.errors import ConfigurationError
from bench.report import build

ROOT = Path(__file__).resolve().parents[3]
runner = CliRunner()


def commands(command: object = None, path: str = "") -> dict[str, list[str]]:
    """Every command with its options, from the program itself."""
    command = command or typer.main.get_command(app)
    if inner := getattr(command, "commands", None):
        found: dict[str, list[str]] = {}
        for name, one in inner.items():
            found |= commands(one, f"{path} {name}".strip())
        return found
    options = [p for p in command.params if any(o.startswith("--") for o in p.opts)]  # type: ignore[attr-defined]
    return {path: [o for p in options for o in (*p.opts, *p.secondary_opts) if o != "--help"]}


ALL = commands()


def test_these_are_all_commands() -> None:
    assert sorted(ALL) == [
        "calibrate",
        "capacity",
        "compare",
        *(f"dashboards {name}" for name in ("annotate", "check", "push")),
        "demo",
        "doctor",
        "environment",
        *(f"ledgers {name}" for name in ("down", "install", "list", "status", "up")),
        "plugins",
        "probe",
        "report",
        "reproduce",
        "run",
        "sweep",
        "verify",
        "watch",
        "worker",
    ]


@pytest.mark.parametrize("name", ALL)
def test_the_documentation_covers_the_command_and_all_its_options(name: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE))
    assert name in sections
    assert f"bench.py {name}" in sections[name], "an example"
    documented = set(re.findall(r"`(--[a-z0-9-]+)", sections[name]))
    assert set(ALL[name]) == documented


def test_the_documentation_covers_all_exit_codes() -> None:
    from bench.model.errors import ExitCode

    text = (ROOT / "docs" / "cli.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == [int(code) for code in ExitCode]


@pytest.mark.parametrize("name", ALL)
def test_every_help_has_an_example(name: str) -> None:
    shown = runner.invoke(app, [*name.split(), "--help"])
    assert shown.exit_code == 0
    assert re.search(rf"Examples?:\n  +bench\.py {name}\b", shown.stdout)


def test_help_needs_no_heavy_import_and_never_locust() -> None:
    code = (
        "import sys\nsys.argv = ['bench.py', '--help']\n"
        "from bench.cli.fault import run_to_exit_code\nfrom bench.cli.main import app\n"
        "run_to_exit_code(app)\n"
        "heavy = {'locust', 'gevent', 'numpy', 'pyarrow', 'matplotlib', 'pydantic', 'rich.progress', 'psutil'}\n"
        "print('imported:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.endswith("imported: []\n")


def test_version() -> None:
    assert runner.invoke(app, ["--version"]).stdout == f"ledger-bench {bench.__version__}\n"


@pytest.mark.parametrize("arguments", [["runn"], ["run", "--rate", "fast"], ["verify"], ["worker"], ["demo", "--x"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "NAME"), [("1", "x"), ("222", "")])
    assert capsys.readouterr().out == "A    NAME\n1    x\n222\n"


def test_options_of_a_ledger_are_typed_as_in_a_scenario() -> None:
    given = ["block_time_s=0.5", "keep_states=true", "extra=[--order, fifo]", "name=a=b"]
    assert parsed_options(given) == {
        "block_time_s": 0.5,
        "keep_states": True,
        "extra": ["--order", "fifo"],
        "name": "a=b",
    }
    with pytest.raises(ConfigurationError, match="not KEY=VALUE"):
        parsed_options(["block_time_s"])


@pytest.mark.parametrize("master", ["", "host", "host:", ":5557", "host:0", "host:70000", "host:http"])
def test_a_worker_needs_an_address(master: str) -> None:
    with pytest.raises(ConfigurationError, match="not an address"):
        worker.worker_command(master)


def test_a_worker_gets_a_process_of_its_own() -> None:
    assert worker.worker_command("192.0.2.1:5557")[1:] == ["-m", "bench.load.worker", "--master", "192.0.2.1:5557"]


@pytest.mark.parametrize(("codes", "exit_code", "served"), [([0, 0, 1], 0, "2 trial(s)"), ([1], 1, "0 trial(s)")])
def test_a_worker_serves_trial_by_trial_until_no_master_answers(
    monkeypatch: pytest.MonkeyPatch, codes: list[int], exit_code: int, served: str
) -> None:
    left = iter(codes)
    monkeypatch.setattr(worker.subprocess, "run", lambda command, check: SimpleNamespace(returncode=next(left)))
    done = runner.invoke(app, ["worker", "--master", "192.0.2.1:5557"])
    assert done.exit_code == exit_code
    assert served in done.stderr
    assert list(left) == []


@pytest.mark.parametrize(
    ("environment", "expected"), [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True)]
)
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS always has a desktop")
def test_a_page_is_opened_only_where_there_is_a_desktop(environment: dict[str, str], expected: bool) -> None:
    assert has_desktop(environment.get) is expected


class TestVerify:
    def test_a_whole_bundle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verify_module, "verify", lambda bundle: [])
        done = runner.invoke(app, ["verify", "some"])
        assert (done.exit_code, done.stdout.split(":")[0]) == (0, "some")

    def test_a_changed_bundle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verify_module, "verify", lambda bundle: [verify_module.Problem("result.json", "changed")])
        done = runner.invoke(app, ["verify", "some", "--json"])
        assert done.exit_code == 6
        assert "error: result.json: changed" in done.stderr
        problems = [{"file": "result.json", "what": "changed"}]
        assert json.loads(done.stdout) == {"bundle": "some", "whole": False, "problems": problems}


@pytest.mark.parametrize(("decided", "code"), [(True, 0), (False, 8)])
def test_a_comparison_that_decides_nothing_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, decided: bool, code: int
) -> None:
    asked: list[tuple[object, ...]] = []

    def write(bundles: list[Path], out: Path, *, across_classes: bool) -> build.Comparison:
        asked.append((bundles, out, across_classes))
        return build.Comparison(out / "comparison.html", out / "comparison.md", (), decided, (), ())

    monkeypatch.setattr(build, "write_comparison", write)
    done = runner.invoke(app, ["compare", "a", "b", "--out", str(tmp_path), "--across-classes"])
    assert done.exit_code == code
    assert done.stdout == f"{tmp_path / 'comparison.html'}\n"
    assert asked == [([Path("a"), Path("b")], tmp_path, True)]


class TestDoctor:
    @pytest.mark.parametrize(("worst", "code"), [(Status.OK, 0), (Status.WARN, 0), (Status.FAIL, 2)])
    def test_only_a_failure_fails(self, monkeypatch: pytest.MonkeyPatch, worst: Status, code: int) -> None:
        found = [Finding("one", Status.OK, "good"), Finding("two", worst, "hm", "do something" if code else "")]
        monkeypatch.setattr(doctor, "CHECKS", [lambda one=one: one for one in found])
        done = runner.invoke(app, ["doctor"])
        assert done.exit_code == code
        assert done.stdout.splitlines()[:2] == ["ok    one: good", f"{worst:<4}  two: hm"]
        assert ("remedy: do something" in done.stdout) is (code == 2)

    def test_every_check_has_a_remedy_when_it_is_not_ok(self) -> None:
        for finding in (check() for check in doctor.CHECKS):
            assert finding.detail
            assert (finding.remedy == "") is (finding.status is Status.OK)

    @pytest.mark.parametrize(("free_gb", "status"), [(0.1, Status.FAIL), (1.0, Status.WARN), (50.0, Status.OK)])
    def test_disk(self, monkeypatch: pytest.MonkeyPatch, free_gb: float, status: Status) -> None:
        class Usage:
            free = int(free_gb * 10**9)

        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage)
        assert doctor.disk().status is status

    def test_a_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            doctor.metadata, "requires", lambda name: ["typer", "no-such-thing==1", "x ; extra == 'dev'"]
        )
        found = doctor.packages()
        assert (found.status, found.detail) == (Status.FAIL, "missing: no-such-thing")

    @pytest.mark.parametrize(
        ("refused", "status"),
        [([], Status.OK), (["127.0.0.2"], Status.WARN), (["127.0.0.1", "127.0.0.2"], Status.FAIL)],
    )
    def test_loopback(self, monkeypatch: pytest.MonkeyPatch, refused: list[str], status: Status) -> None:
        monkeypatch.setattr(doctor, "_binds", lambda address: address not in refused)
        assert doctor.loopback().status is status

    @pytest.mark.parametrize(("soft", "status"), [(128, Status.FAIL), (512, Status.WARN), (4096, Status.OK)])
    def test_open_files(self, monkeypatch: pytest.MonkeyPatch, soft: int, status: Status) -> None:
        import resource

        monkeypatch.setattr(resource, "getrlimit", lambda what: (soft, 65_536))
        assert doctor.open_files().status is status

"""Runs as a user starts them, how they end, and what is left behind. The simulated ledger keeps them short."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.ledgers.ports import free_port

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
LOAD = ("--workload", "transfer", "--rate", "50", "--seed", "3")
# The machine that tests may be busy; what lag invalidates a trial is another test's business.
LENIENT = ("--set", "limits.submit_lag_p99=1s")
SHORT = ("run", "--ledger", "simulated", *LOAD, *LENIENT, "--duration", "3s", "--trials", "1")
LONG = ("run", "--ledger", "simulated", *LOAD, *LENIENT, "--duration", "60s", "--trials", "1", "--out", "out")


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command as a shell would start it; what pytest set for Locust in this process is none of its business."""
    environment = {name: value for name, value in os.environ.items() if name != "LOCUST_SKIP_MONKEY_PATCH"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "bench.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env=environment | {"TMPDIR": str(directory)},
        start_new_session=True,
    )


def bench(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with start(directory, *arguments) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One finished run and its bundle."""
    directory = tmp_path_factory.mktemp("run")
    done = bench(directory, *SHORT, "--out", str(directory / "out"), "--json")
    assert done.returncode == 0, done.stderr
    (bundle,) = (directory / "out").iterdir()
    return done, bundle


def test_a_run_answers_on_standard_output_and_reports_progress_beside(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, bundle = run
    (answer,) = json.loads(done.stdout)["runs"]
    assert Path(answer["bundle"]) == bundle
    assert answer["summary"]["verdict"]["status"] == "valid"
    result = json.loads((bundle / "result.json").read_text())
    assert result["trials"][0]["counts"]["planned"] == 150
    assert result["seed"] == 3
    assert result["command"][:2] == ["bench.py", "run"]
    assert "simulated transfer 1/1 measure:" in done.stderr
    assert "\x1b" not in done.stderr, "no cursor movement where there is no terminal"


def test_a_bundle_is_whole_until_a_byte_flips(
    run: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    _, bundle = run
    assert bench(tmp_path, "verify", str(bundle)).returncode == 0
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in bundle.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    content = bytearray((copy / "transactions.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "transactions.parquet").write_bytes(content)
    done = bench(tmp_path, "verify", str(copy), "--json")
    assert done.returncode == 6
    assert "transactions.parquet" in {problem["file"] for problem in json.loads(done.stdout)["problems"]}


def test_a_report_can_be_made_again(run: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path) -> None:
    _, bundle = run
    page = bundle / "report.html"
    page.unlink()
    done = bench(tmp_path, "report", str(bundle))
    assert (done.returncode, done.stdout.strip()) == (0, str(page))
    assert page.stat().st_size > 10_000
    assert bench(tmp_path, "verify", str(bundle)).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("report", "nowhere"), 2, "nowhere"),
        (("verify", "nowhere"), 2, "nowhere"),
        (("run", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("run", "--ledger", "anvli", *LOAD, "--duration", "3s"), 2, "did you mean 'anvil'"),
        (("run", "--ledger", "anvil", *LOAD, "--duration", "3s", "--set", "lod.workers=2"), 2, "load"),
    ],
)
def test_nonsense_is_refused_with_one_clear_message(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = bench(tmp_path, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "remedy: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_endpoint_is_the_ledgers_failure(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    key = tmp_path / "key"
    key.write_text("11" * 32)
    done = bench(
        tmp_path,
        *("run", "--adapter", "evm", "--endpoint", endpoint, "--key-file", str(key), *LOAD),
        *("--duration", "3s", "--out", "out"),
    )
    assert done.returncode == 5
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_run_closes_its_bundle(tmp_path: Path) -> None:
    with start(tmp_path, *LONG) as process:
        measuring(process)
        family = everyone(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    (bundle,) = (tmp_path / "out").iterdir()
    assert json.loads((bundle / "result.json").read_text())["partial"] is True
    assert bench(tmp_path, "verify", str(bundle)).returncode == 0
    assert soon(lambda: not alive(family))


def test_a_killed_run_leaves_no_process(tmp_path: Path) -> None:
    with start(tmp_path, *LONG) as process:
        measuring(process)
        family = everyone(process)
        assert len(family) >= 4, "master, worker, guard and node at least"
        process.kill()
        process.communicate(timeout=60)
    assert soon(lambda: not alive(family)), alive(family)
    (bundle,) = (tmp_path / "out").iterdir()
    assert json.loads((bundle / "result.json").read_text())["partial"] is True


def measuring(process: subprocess.Popen[str]) -> None:
    """Read its progress until the measure phase has begun."""
    assert process.stderr is not None
    for line in process.stderr:
        if " warm_up: " in line or " measure: " in line:
            return
    raise AssertionError("the run ended before it measured")


def everyone(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def alive(family: list[psutil.Process]) -> list[str]:
    found = []
    for one in family:
        try:
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(one.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return found


def soon(condition: Callable[[], bool], deadline_s: float = 20.0) -> bool:
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_a_run_of_several_ledgers_ends_with_their_comparison(tmp_path: Path) -> None:
    two = ("run", "--ledger", "simulated", "--ledger", "sqlite", *LOAD, *LENIENT, "--duration", "3s", "--trials", "1")
    done = bench(tmp_path, *two, "--out", "out", "--json")
    answer = json.loads(done.stdout)
    assert [one["ledger"] for one in answer["runs"]] == ["simulated", "sqlite"], done.stderr
    comparison = answer["comparison"]
    assert [one["members"] for one in comparison["classes"]] == [["simulated"], ["sqlite"]]
    (barrier,) = comparison["not_comparable"]
    assert (barrier["first"], barrier["second"]) == (["simulated"], ["sqlite"])
    assert any(reason.startswith("what a power cut loses: simulated – everything") for reason in barrier["reasons"])
    page = (tmp_path / comparison["html"]).read_text()
    assert "What may be compared" in page
    assert "better here" not in page

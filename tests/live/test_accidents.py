"""What goes wrong in real life: each gives one clear message, the right exit code, and leaves nothing running."""

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from bench.bundle.reader import read_bundle
from tests.support.anvil import anvil_network
from tests.support.cli import Cli, wait_for_line
from tests.support.live import missing

pytestmark = pytest.mark.live

SHORT = ("--rate", "100", "--duration", "4s")


@pytest.fixture
def cli(tmp_path: Path):
    area = Cli(tmp_path)
    yield area
    area.end()


def one_message(errors: str) -> str:
    """The error part of standard error, which must not be a traceback."""
    assert "Traceback" not in errors
    assert errors.count("error:") == 1, errors
    return errors[errors.index("error:") :]


def test_an_unreachable_endpoint(cli):
    done = cli.run(
        "run",
        "--adapter",
        "evm",
        "--endpoint",
        "http://127.0.0.1:1",
        "--workload",
        "transfer",
        *SHORT,
        "--out",
        str(cli.out),
    )
    assert done.returncode == 5
    message = one_message(done.stderr)
    assert "http://127.0.0.1:1" in message
    assert "remedy" in message
    assert cli.bundles() == []
    assert cli.wait_until_gone() == []


def test_a_node_on_another_chain(cli):
    with anvil_network(cli.directory) as network:
        done = cli.run(
            *("run", "--adapter", "evm", "--endpoint", network.endpoint, "--workload", "transfer", *SHORT),
            *("--set", "endpoint.chain_id=5", "--out", str(cli.out)),
            BENCH_FUNDING_KEY=network.funding_key,
        )
    assert done.returncode == 5
    message = one_message(done.stderr)
    assert "31337" in message
    assert "5" in message
    assert cli.bundles() == []


def test_a_key_without_funds(cli):
    key = cli.directory / "key"
    key.write_text("0x" + "42" * 32)
    with anvil_network(cli.directory) as network:
        done = cli.run(
            *("run", "--adapter", "evm", "--endpoint", network.endpoint, "--workload", "transfer", *SHORT),
            *("--key-file", str(key), "--out", str(cli.out)),
        )
    assert done.returncode == 5
    message = one_message(done.stderr)
    assert "0x" in message
    assert "holds 0 ether and needs" in message
    assert "42" * 32 not in done.stderr + done.stdout
    assert cli.bundles() == []


def test_no_key_at_all(cli):
    with anvil_network(cli.directory) as network:
        done = cli.run(
            *("run", "--adapter", "evm", "--endpoint", network.endpoint, "--workload", "transfer", *SHORT),
            *("--out", str(cli.out)),
            BENCH_FUNDING_KEY="",
        )
    assert done.returncode in (2, 5)
    assert "BENCH_FUNDING_KEY" in one_message(done.stderr)


@pytest.mark.parametrize("ledger", ["anvil", "sqlite"])
def test_a_node_killed_in_the_middle_of_a_run(cli, ledger):
    process = cli.start(
        *("run", "--ledger", ledger, "--workload", "transfer", "--rate", "200", "--duration", "30s", "--trials", "2"),
        *("--out", str(cli.out)),
    )
    lines: list[str] = []
    wait_for_line(process, ["measure", "committed"], lines)
    (node,) = [each for each in cli.descendants() if is_node(each, ledger)]
    node.kill()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 5, output + errors
    assert "ended while it was under load" in one_message("".join(lines) + errors)
    bundle = cli.only_bundle()
    assert bundle.result.partial
    assert bundle.result.summary.verdict.status == "invalid"
    counts = bundle.result.trials[0].counts
    assert counts.committed > 0
    assert counts.planned == counts.dropped + counts.submitted
    assert cli.wait_until_gone() == []


def test_ctrl_c_closes_the_bundle(cli):
    process = cli.start(
        *("run", "--ledger", "anvil", "--workload", "smallbank", "--rate", "200", "--duration", "30s", "--trials", "2"),
        *("--out", str(cli.out)),
    )
    lines: list[str] = []
    wait_for_line(process, ["measure", "committed"], lines)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the whole group
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, output + errors
    bundle = cli.only_bundle()
    assert bundle.result.partial
    (trial,) = bundle.result.trials
    assert trial.counts.planned == trial.counts.dropped + trial.counts.submitted
    assert trial.counts.committed > 100
    assert cli.run("verify", str(cli.bundles()[0])).returncode == 0
    assert cli.run("report", str(cli.bundles()[0])).returncode == 0
    assert cli.wait_until_gone() == []


def test_sigkill_of_the_command_leaves_no_process_and_no_port(cli):
    process = cli.start(
        *("run", "--ledger", "anvil", "--workload", "transfer", "--rate", "100", "--duration", "30s", "--trials", "1"),
        *("--out", str(cli.out)),
    )
    wait_for_line(process, ["measure", "committed"], [])
    family = cli.descendants()
    ports = [c.laddr.port for each in family for c in each.net_connections("tcp") if c.status == "LISTEN"]
    assert len(family) >= 6
    assert len(ports) >= 2
    process.kill()
    process.communicate()
    assert cli.wait_until_gone() == []
    import socket

    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert cli.only_bundle().result.partial


def test_a_full_disk(cli):
    if os.geteuid() != 0:
        missing("root, to mount a small disk")
    disk = cli.directory / "out"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False)
    if done.returncode:
        missing("permission to mount a small disk")
    try:
        done = cli.run(
            *("run", "--ledger", "sqlite", "--workload", "transfer", "--rate", "1000", "--duration", "6s"),
            *("--trials", "1", "--out", str(disk)),
        )
        assert done.returncode == 1, done.stderr
        message = one_message(done.stderr)
        assert "disk is full" in message
        assert "--out" in message
        assert read_bundle(cli.bundles()[0]).result.partial
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert cli.wait_until_gone() == []


def test_a_scenario_of_nonsense(cli):
    scenario = cli.directory / "nonsense.yaml"
    scenario.write_text(
        "name: x\nledgrs: [anvil]\nworkload: smallbank\n"
        "arrival: {process: constant, rate: -5}\nphases: {duration: soon}\n"
    )
    done = cli.run("run", str(scenario), "--out", str(cli.out))
    assert done.returncode == 2
    message = one_message(done.stderr)
    for part in ("nonsense.yaml:2", "did you mean 'ledgers'", "arrival.rate", "phases.duration", "soon"):
        assert part in message
    assert cli.bundles() == []


def test_a_workload_the_ledger_cannot_express(cli):
    done = cli.run("run", "--ledger", "simulated", "--workload", "smallbank", *SHORT, "--out", str(cli.out))
    assert done.returncode == 2
    assert "smallbank cannot be expressed on simulated" in one_message(done.stderr)


def test_a_flipped_byte(cli):
    done = cli.run(
        "run", "--ledger", "sqlite", "--workload", "transfer", *SHORT, "--trials", "1", "--out", str(cli.out)
    )
    (bundle,) = cli.bundles()
    assert done.returncode in (0, 3), done.stderr
    assert cli.run("verify", str(bundle)).returncode == 0
    table = bundle / "transactions.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    checked = cli.run("verify", str(bundle))
    assert checked.returncode == 6
    assert "transactions.parquet" in checked.stdout + checked.stderr


def test_two_runs_at_once_do_not_meet(cli):
    results = {}

    def one(name: str) -> None:
        results[name] = cli.run(
            *("run", "--ledger", "anvil", "--workload", "transfer", *SHORT, "--trials", "1", "--out", str(cli.out))
        )

    threads = [threading.Thread(target=one, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {done.returncode for done in results.values()} <= {0, 3}, [done.stderr for done in results.values()]
    bundles = [read_bundle(path) for path in cli.bundles()]
    assert len(bundles) == 2
    assert [bundle.result.trials[0].counts.committed for bundle in bundles] == [400, 400]


def is_node(process, ledger: str) -> bool:
    command = process.cmdline()
    if any(part.endswith("guard.py") for part in command):
        return False
    program = Path(command[0]).name if command else ""
    return program.startswith("anvil") if ledger == "anvil" else "bench.ledgers.sqlite_node" in command


def test_removing_the_results_folder_while_running_is_said(cli):
    process = cli.start(
        *("run", "--ledger", "sqlite", "--workload", "transfer", "--rate", "50", "--duration", "5s", "--trials", "1"),
        *("--out", str(cli.out)),
    )
    wait_for_line(process, ["measure", "committed"], [])
    shutil.rmtree(cli.out)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert cli.wait_until_gone() == []

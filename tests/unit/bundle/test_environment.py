import getpass
import json
import platform
import re

import psutil
import pytest

from bench.bundle import environment
from bench.bundle.environment import collect_environment
from bench.model.errors import HarnessError
from tests.support.bundles import synthetic_environment


def test_it_tells_this_machine(tmp_path):
    found = collect_environment(tmp_path, shares_cores=True, loopback=True)
    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.cpu.threads == psutil.cpu_count()
    assert found.kernel == f"{platform.system()} {platform.release()}"
    assert found.python.endswith(platform.python_version())
    assert found.disk.free_bytes > 0
    assert (found.cores_shared_with_ledger, found.network) == (True, "loopback")
    assert {"locust", "numpy", "pyarrow", "ledger-bench"} <= found.distributions.keys()
    assert all(re.match(r"\d+\.", version) for version in found.distributions.values())


def test_it_names_no_person_host_or_path(tmp_path):
    text = json.dumps(collect_environment(tmp_path).to_json())
    for private in (platform.node(), str(tmp_path), f"/{getpass.getuser()}"):
        assert not re.search(rf"(?<![\w-]){re.escape(private)}(?![\w-])", text), private  # "kvm-clock" is no host "vm"


def test_what_else_uses_the_processors_is_known_only_if_it_was_watched(tmp_path, monkeypatch):
    ticks = iter([(1_000, 10_000), (1_150, 10_200), (0, 0)])
    monkeypatch.setattr(environment.machine, "busy_ticks", lambda: next(ticks))
    monkeypatch.setattr(environment.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(environment.time, "process_time", iter([1.0, 1.25, 1.5]).__next__)
    monkeypatch.setattr(environment.psutil, "cpu_count", lambda logical=True: 4)
    assert environment._busy(0.5).others_cpu_percent == 250.0  # 3 of 4 cores busy, half a core of it ours
    assert collect_environment(tmp_path).busy.others_cpu_percent is None


def test_programs_of_the_ledger_are_listed(tmp_path):
    assert collect_environment(tmp_path, programs={"anvil": "1.7.1"}).programs == {"anvil": "1.7.1"}


def test_unknown_stays_unknown(tmp_path):
    found = collect_environment(tmp_path)
    assert (found.cores_shared_with_ledger, found.network) == (None, None)
    assert collect_environment(tmp_path, loopback=False).network == "remote"


def test_plug_ins_are_listed_with_their_versions(tmp_path):
    found = collect_environment(tmp_path, extra_distributions=["pytest", "not-installed-anywhere"])
    assert found.distributions["pytest"] == pytest.__version__
    assert "not-installed-anywhere" not in found.distributions


def test_the_host_is_a_stable_digest(tmp_path):
    first, second = (collect_environment(tmp_path).host for _ in range(2))
    assert first == second
    assert first is None or re.fullmatch("[0-9a-f]{12}", first)


def test_a_missing_directory_is_said(tmp_path):
    with pytest.raises(HarnessError, match="cannot be examined"):
        collect_environment(tmp_path / "nowhere")


def test_the_synthetic_environment_has_the_same_keys(tmp_path):
    assert collect_environment(tmp_path).to_json().keys() == synthetic_environment().keys()

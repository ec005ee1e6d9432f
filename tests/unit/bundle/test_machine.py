"""Reading /proc and /sys of machines that are made up here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.bundle import machine


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "SYS", tmp_path / "sys")
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "sys/fs/cgroup")
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_machine_that_tells_nothing(fake: Path) -> None:
    assert (machine.turbo(), machine.smt(), machine.numa_nodes(), machine.busy_ticks()) == (None, None, None, None)
    assert (machine.cpu_quota_cores(), machine.memory_limit_bytes()) == (None, None)
    assert (machine.mitigations(), machine.kernel_switches(), machine.sockets()) == ({}, {}, {})
    assert machine.cpu_flags() == ()


def test_only_switches_that_change_speed_are_read(fake: Path) -> None:
    line = "root=UUID=4f3c-secret ip=192.0.2.7:host mitigations=off nosmt isolcpus=2-3 -- --token=x tsc=reliable"
    put(fake, "proc/cmdline", line + "\n")
    assert machine.kernel_switches() == {"mitigations": "off", "nosmt": "", "isolcpus": "2-3"}


def test_weaknesses_that_do_not_affect_the_processor_are_left_out(fake: Path) -> None:
    put(fake, "sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n")
    put(fake, "sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines\n")
    assert machine.mitigations() == {"spectre_v2": "Mitigation: Retpolines"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("intel_pstate/no_turbo", "0\n", True),
        ("intel_pstate/no_turbo", "1\n", False),
        ("cpufreq/boost", "1\n", True),
        ("cpufreq/boost", "0\n", False),
    ],
)
def test_turbo_of_either_maker(fake: Path, name: str, text: str, expected: bool) -> None:
    put(fake, f"sys/devices/system/cpu/{name}", text)
    assert machine.turbo() is expected


def test_bounds_of_a_control_group_of_version_2_with_a_tighter_one_above(fake: Path) -> None:
    put(fake, "proc/self/cgroup", "0::/a.slice/b.scope\n")
    put(fake, "sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n")
    put(fake, "sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n")
    put(fake, "sys/fs/cgroup/a.slice/b.scope/memory.max", "4000000000\n")
    put(fake, "sys/fs/cgroup/a.slice/memory.max", "max\n")
    assert machine.cpu_quota_cores() == 1.5
    assert machine.memory_limit_bytes() == 4_000_000_000


def test_bounds_of_control_groups_of_version_1(fake: Path) -> None:
    put(fake, "proc/self/cgroup", "4:memory:/job\n1:cpu,cpuacct:/job\n0::/\n")
    put(fake, "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000\n")
    put(fake, "sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n")
    put(fake, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n")
    assert machine.cpu_quota_cores() == 0.5
    assert machine.memory_limit_bytes() is None


def test_the_chosen_word_and_the_ticks(fake: Path) -> None:
    put(fake, "sys/thp", "always [madvise] never\n")
    put(fake, "sys/one", "none\n")
    assert machine.chosen(fake / "sys/thp") == "madvise"
    assert machine.chosen(fake / "sys/one") == "none"
    put(fake, "proc/stat", "cpu  100 5 40 800 50 3 2 0 7 7\ncpu0 1 1 1 1 1\n")
    assert machine.busy_ticks() == (150, 1000)  # waiting for a disk is idle; guests are in user time already


def test_settings_of_the_network_stack(fake: Path) -> None:
    put(fake, "proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
    assert machine.sockets() == {"ephemeral_ports": "32768 60999"}

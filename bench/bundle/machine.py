"""What the kernel tells of this machine and of the bounds it sets to us: plain reads of /proc and /sys.

Every function gives None, or nothing, where the kernel or a container does not show it. Nothing that names a person, a
place or a particular machine (serial numbers, identifiers of volumes, host names) is read.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

PROC, SYS = Path("/proc"), Path("/sys")
_CGROUPS = SYS / "fs/cgroup"
_UNLIMITED = 1 << 60  # cgroup v1 writes a number near 2⁶³ for "no limit"

SWITCHES = frozenset((
    "amd_pstate", "clocksource", "cpuidle.off", "default_hugepagesz", "hpet", "hugepages", "idle",
    "init_on_alloc", "init_on_free", "intel_idle.max_cstate", "intel_pstate", "iommu", "irqaffinity", "isolcpus",
    "maxcpus", "mce", "mem", "mitigations", "nmi_watchdog", "no_turbo", "nohlt", "nohz", "nohz_full", "nopti",
    "nosmt", "nospectre_v1", "nospectre_v2", "numa_balancing", "preempt", "processor.max_cstate", "psi", "pti",
    "rcu_nocbs", "skew_tick", "spectre_v2", "threadirqs", "transparent_hugepage", "tsc", "tsx",
))  # fmt: skip
"""Kernel switches that change speed. All others stay unread: they hold names of volumes and of hosts."""

FLAGS = ("aes", "avx2", "avx512f", "adx", "bmi2", "rdrand", "sha_ni", "vaes", "constant_tsc", "nonstop_tsc")
"""Abilities of a processor that signing, hashing and clocks use."""

SOCKETS = {
    "ephemeral_ports": "net/ipv4/ip_local_port_range",
    "listen_backlog_most": "net/core/somaxconn",
    "syn_backlog_most": "net/ipv4/tcp_max_syn_backlog",
    "congestion_control": "net/ipv4/tcp_congestion_control",
    "queueing": "net/core/default_qdisc",
    "time_wait_reuse": "net/ipv4/tcp_tw_reuse",
    "fin_timeout_s": "net/ipv4/tcp_fin_timeout",
    "slow_start_after_idle": "net/ipv4/tcp_slow_start_after_idle",
    "receive_buffer_bytes": "net/ipv4/tcp_rmem",
    "send_buffer_bytes": "net/ipv4/tcp_wmem",
}
"""Name in `environment.json` and file below /proc/sys."""


def lines(path: Path) -> list[str]:
    """The lines of a file that may not be there."""
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return []


def first_line(path: Path) -> str | None:
    """The first line, None where it is empty."""
    return next(iter(lines(path)), "").strip() or None


def whole(path: Path) -> int | None:
    """A file that holds one number."""
    text = first_line(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def chosen(path: Path) -> str | None:
    """The word in brackets: `always [madvise] never`."""
    text = first_line(path)
    return None if text is None else text.partition("[")[2].partition("]")[0] or text


def cpu_fact(*names: str) -> str | None:
    """A line of /proc/cpuinfo by its key."""
    for line in lines(PROC / "cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in names:
            return value.strip()
    return None


def cpu_flags() -> tuple[str, ...]:
    """Those of `FLAGS` that the processor has."""
    known = set((cpu_fact("flags", "Features") or "").split())
    return tuple(flag for flag in FLAGS if flag in known)


def turbo() -> bool | None:
    """Whether the processor may clock higher for a while."""
    off = whole(SYS / "devices/system/cpu/intel_pstate/no_turbo")
    if off is not None:
        return off == 0
    boost = whole(SYS / "devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost == 1


def smt() -> bool | None:
    """Whether two threads share a core."""
    active = whole(SYS / "devices/system/cpu/smt/active")
    return None if active is None else active == 1


def mitigations() -> dict[str, str]:
    """What the kernel does against each known weakness of the processor; those that do not affect it are left out."""
    folder = SYS / "devices/system/cpu/vulnerabilities"
    try:
        found = {path.name: first_line(path) for path in sorted(folder.iterdir())}
    except OSError:
        return {}
    return {name: text for name, text in found.items() if text is not None and text != "Not affected"}


def numa_nodes() -> int | None:
    """How many memory nodes there are."""
    found = [path for path in (SYS / "devices/system/node").glob("node*") if path.name[4:].isdigit()]
    return len(found) or None


def kernel_switches() -> dict[str, str]:
    """Those of `SWITCHES` that the kernel was started with; "" where a switch has no value."""
    found = {}
    for word in (first_line(PROC / "cmdline") or "").split():
        name, _, value = word.partition("=")
        if name == "--":  # what follows is for the first process
            break
        if name in SWITCHES:
            found[name] = value
    return found


def cpu_quota_cores() -> float | None:
    """Processor time a control group grants us, in cores; None: no limit, or not told."""
    quotas = []
    for folder in _own_groups("cpu"):
        words = (first_line(folder / "cpu.max") or "").split()
        quota, period = whole(folder / "cpu.cfs_quota_us"), whole(folder / "cpu.cfs_period_us")
        if len(words) == 2 and words[0].isdigit():
            quotas.append(int(words[0]) / int(words[1]))
        elif quota is not None and quota > 0 and period:
            quotas.append(quota / period)
    return min(quotas, default=None)


def memory_limit_bytes() -> int | None:
    """Memory a control group grants us; None: no limit, or not told."""
    found = [
        limit
        for folder in _own_groups("memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := whole(folder / name)) is not None and limit < _UNLIMITED
    ]
    return min(found, default=None)


def open_files() -> int:
    """How many files one of our processes may hold open; -1: no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def container() -> str | None:
    """A hint: which kind of container we are in; None outside of one."""
    for path, name in ((Path("/.dockerenv"), "docker"), (Path("/run/.containerenv"), "podman")):
        if path.exists():
            return name
    told = first_line(Path("/run/systemd/container"))
    if told:
        return told.split(":")[0]
    groups = " ".join(lines(PROC / "1/cgroup"))
    return next((name for name in ("kubepods", "docker", "lxc", "containerd") if name in groups), None)


def sockets() -> dict[str, str]:
    """Settings of the network stack, by the names of `SOCKETS`."""
    found = {name: first_line(PROC / "sys" / path) for name, path in SOCKETS.items()}
    return {name: " ".join(text.split()) for name, text in found.items() if text is not None}


def block_device(path: Path) -> Path | None:
    """The folder of /sys of the disk that holds `path`; None for file systems without one (overlay, tmpfs, network)."""
    device = os.stat(path).st_dev
    folder = SYS / "dev/block" / f"{os.major(device)}:{os.minor(device)}"
    for candidate in (folder, folder / ".."):
        if (candidate / "queue").is_dir():
            return candidate
    return None


def busy_ticks() -> tuple[int, int] | None:
    """(busy, all) processor time of the machine since it started, in ticks of the kernel, over all processors."""
    words = (first_line(PROC / "stat") or "").split()
    if len(words) < 6 or words[0] != "cpu":
        return None
    ticks = [int(word) for word in words[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def _own_groups(controller: str) -> list[Path]:
    """Folders of the control group we are in and of all above it, for one controller, in version 2 and in version 1."""
    found = []
    for line in lines(PROC / "self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            root = _CGROUPS
        elif controller in controllers.split(","):
            root = next((_CGROUPS / name for name in (controllers, controller) if (_CGROUPS / name).is_dir()), _CGROUPS)
        else:
            continue
        inner = root / path.lstrip("/")
        found += [folder for folder in (inner, *inner.parents) if folder == root or root in folder.parents]
    return list(dict.fromkeys(found))

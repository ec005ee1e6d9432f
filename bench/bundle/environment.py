"""What a run ran on, as `environment.json`: enough to judge and repeat it, nothing that names a person or a place.

Host names, user names, paths, addresses and environment variables stay out. The host appears as a keyed digest of its
boot-independent id, so that two bundles can be told to be of one machine without saying which. What the kernel tells is
read by `bench.bundle.machine`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sqlite3
import ssl
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import psutil

from bench.bundle import machine
from bench.bundle.machine import PROC, SYS, first_line, lines
from bench.model.errors import HarnessError

_DIGEST_KEY = b"ledger-bench environment"
_ETC = Path("/etc")
PRODUCT = "ledger-bench"
_BENEATH = ("gevent", "pyzmq")  # required by what we require, and part of every send


@dataclass(frozen=True, slots=True)
class Cpu:
    """`cores` are physical, `threads` logical, `usable` those this process may run on. None is unknown.

    `smt`: two threads share a core. `mitigations` by the weakness they are against.
    """

    model: str | None
    architecture: str
    cores: int | None
    threads: int | None
    usable: int | None
    governor: str | None
    microcode: str | None
    smt: bool | None
    turbo: bool | None
    flags: tuple[str, ...]
    mitigations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that holds the results (and, unless a ledger says otherwise, the nodes' data)."""

    filesystem: str | None
    kind: str | None  # "ssd", "hdd"
    free_bytes: int
    model: str | None
    scheduler: str | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the system grants one of our processes. None: no bound, or not told."""

    cpu_quota_cores: float | None
    memory_limit_bytes: int | None
    open_files: int


@dataclass(frozen=True, slots=True)
class Busy:
    """What the machine was doing before the run. `others_cpu_percent` is everything that is not ours, of one core."""

    load_average: tuple[float, float, float]
    others_cpu_percent: float | None
    processes: int


@dataclass(frozen=True, slots=True)
class PythonBuild:
    """How the interpreter was made, and the libraries inside it."""

    compiler: str
    optimised: bool
    libc: str
    openssl: str
    sqlite: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The keys of `environment.json`; `docs/bundle.md` explains them."""

    cpu: Cpu
    memory_bytes: int
    swap_bytes: int
    swappiness: int | None
    huge_pages: str | None
    numa_nodes: int | None
    kernel: str
    kernel_switches: dict[str, str]
    os: str | None
    virtualisation: str | None
    container: str | None
    clock_source: str | None
    clock_sources: tuple[str, ...]
    disk: Disk
    bounds: Bounds
    busy: Busy
    cores_shared_with_ledger: bool | None
    network: str | None
    sockets: dict[str, str]
    python: str
    python_build: PythonBuild
    programs: dict[str, str]
    distributions: dict[str, str]
    host: str | None

    def to_json(self) -> dict[str, object]:
        """For `BundleWriter.write_environment`."""
        return asdict(self)


def collect_environment(
    results: Path,
    *,
    shares_cores: bool | None = None,
    loopback: bool | None = None,
    extra_distributions: Sequence[str] = (),
    programs: Mapping[str, str] | None = None,
    watch_s: float = 0.0,
) -> Environment:
    """Look at this machine. `results` is the directory of the bundle and must exist.

    `shares_cores` says whether the ledger's nodes run here too, `loopback` whether load reaches them without leaving
    the machine; None is unknown. `extra_distributions` are those of plug-ins in use, `programs` the versions of the
    ledger's programs. For `watch_s` seconds it looks at what else uses the processors; 0 does not look.
    """
    memory = psutil.virtual_memory()
    clocks = SYS / "devices/system/clocksource/clocksource0"
    return Environment(
        cpu=_cpu(),
        memory_bytes=memory.total,
        swap_bytes=psutil.swap_memory().total,
        swappiness=machine.whole(PROC / "sys/vm/swappiness"),
        huge_pages=machine.chosen(SYS / "kernel/mm/transparent_hugepage/enabled"),
        numa_nodes=machine.numa_nodes(),
        kernel=f"{platform.system()} {platform.release()}",
        kernel_switches=machine.kernel_switches(),
        os=_os_name(),
        virtualisation=_virtualisation(),
        container=machine.container(),
        clock_source=first_line(clocks / "current_clocksource"),
        clock_sources=tuple((first_line(clocks / "available_clocksource") or "").split()),
        disk=_disk(results),
        bounds=Bounds(machine.cpu_quota_cores(), machine.memory_limit_bytes(), machine.open_files()),
        busy=_busy(watch_s),
        cores_shared_with_ledger=shares_cores,
        network=None if loopback is None else "loopback" if loopback else "remote",
        sockets=machine.sockets(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        python_build=_python_build(),
        programs=dict(programs or {}),
        distributions=_distributions(extra_distributions),
        host=_host_digest(),
    )


def _cpu() -> Cpu:
    return Cpu(
        # x86 says "model name"; many ARM kernels say nothing, which is then null
        model=machine.cpu_fact("model name", "Model", "cpu model"),
        architecture=platform.machine(),
        cores=psutil.cpu_count(logical=False),
        threads=psutil.cpu_count(logical=True),
        usable=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        governor=first_line(SYS / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        microcode=machine.cpu_fact("microcode"),
        smt=machine.smt(),
        turbo=machine.turbo(),
        flags=machine.cpu_flags(),
        mitigations=machine.mitigations(),
    )


def _busy(watch_s: float) -> Busy:
    """`watch_s` is waited for; what this process itself used meanwhile is taken off."""
    others = None
    before, own = machine.busy_ticks(), time.process_time()
    if watch_s > 0 and before is not None:
        time.sleep(watch_s)
        after = machine.busy_ticks()
        if after is not None and after[1] > before[1]:
            threads = psutil.cpu_count(logical=True) or 1
            busy = (after[0] - before[0]) / (after[1] - before[1]) * threads
            others = round(100 * max(0.0, busy - (time.process_time() - own) / watch_s), 1)
    average = os.getloadavg()
    return Busy((round(average[0], 2), round(average[1], 2), round(average[2], 2)), others, len(psutil.pids()))


def _python_build() -> PythonBuild:
    """Of the options it was built with only whether it was profiled: the others name folders."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    return PythonBuild(
        compiler=platform.python_compiler(),
        optimised="--enable-optimizations" in options,
        libc=" ".join(platform.libc_ver()).strip(),
        openssl=ssl.OPENSSL_VERSION,
        sqlite=sqlite3.sqlite_version,
    )


def _os_name() -> str | None:
    for line in lines(_ETC / "os-release"):
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip('"')
    return None


def _virtualisation() -> str | None:
    """A hint: the hypervisor's product name, "hypervisor" where only the CPU flag tells, None on bare metal."""
    product = first_line(SYS / "class/dmi/id/sys_vendor")
    flagged = "hypervisor" in (machine.cpu_fact("flags") or "").split()
    if not flagged:
        return None
    return product or "hypervisor"


def _disk(results: Path) -> Disk:
    try:
        device = machine.block_device(results)
        free = psutil.disk_usage(str(results)).free
    except OSError as error:
        raise HarnessError(
            f"results directory cannot be examined: {error.strerror}", value=results.name, remedy="create it first"
        ) from error
    rotational = None if device is None else first_line(device / "queue/rotational")
    return Disk(
        filesystem=_filesystem(results.resolve()),
        kind={"0": "ssd", "1": "hdd"}.get(rotational or ""),
        free_bytes=free,
        model=None if device is None else first_line(device / "device/model") or first_line(device / "../device/model"),
        scheduler=None if device is None else machine.chosen(device / "queue/scheduler"),
    )


def _filesystem(path: Path) -> str | None:
    """Type of the deepest mount that holds `path`."""
    best: tuple[int, str | None] = (-1, None)
    for partition in psutil.disk_partitions(all=True):
        mount = Path(partition.mountpoint)
        if path.is_relative_to(mount) and len(mount.parts) >= best[0]:
            best = (len(mount.parts), partition.fstype)
    return best[1]


def _distributions(extra: Sequence[str]) -> dict[str, str]:
    """Versions of the product and of what it is built on, and of `extra` (plug-ins in use)."""
    try:
        required = metadata.requires(PRODUCT) or []
    except metadata.PackageNotFoundError:
        required = []  # a checkout that was never installed; `result.json` has the product's own version
    direct = (re.match(r"[\w.-]+", line) for line in required if "extra ==" not in line)
    names = {PRODUCT, *_BENEATH, *extra, *(match[0] for match in direct if match)}
    return {name: version for name in sorted(names) if (version := _version(name)) is not None}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _host_digest() -> str | None:
    identity = first_line(_ETC / "machine-id")
    if identity is None:
        return None
    return hashlib.blake2b(identity.encode(), key=_DIGEST_KEY, digest_size=6).hexdigest()

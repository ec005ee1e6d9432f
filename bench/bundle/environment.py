"""What a run ran on, as `environment.json`: enough to judge and repeat it, nothing that names a person or a place.

Host names, user names, paths, addresses and environment variables stay out. The host appears as a keyed digest of its
boot-independent id, so that two bundles can be told to be of one machine without saying which.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import psutil

from bench.model.errors import HarnessError

_DIGEST_KEY = b"ledger-bench environment"
_SYS = Path("/sys")
_PROC = Path("/proc")
_ETC = Path("/etc")
PRODUCT = "ledger-bench"


@dataclass(frozen=True, slots=True)
class Cpu:
    """`cores` are physical, `threads` logical, `usable` those this process may run on. None is unknown."""

    model: str | None
    architecture: str
    cores: int | None
    threads: int | None
    usable: int | None
    governor: str | None


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that holds the results (and, unless a ledger says otherwise, the nodes' data)."""

    filesystem: str | None
    kind: str | None  # "ssd", "hdd"
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Environment:
    """The keys of `environment.json`; `docs/bundle.md` explains them."""

    cpu: Cpu
    memory_bytes: int
    swap_bytes: int
    kernel: str
    os: str | None
    virtualisation: str | None
    clock_source: str | None
    disk: Disk
    cores_shared_with_ledger: bool | None
    network: str | None
    python: str
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
) -> Environment:
    """Look at this machine. `results` is the directory of the bundle and must exist.

    `shares_cores` says whether the ledger's nodes run here too, `loopback` whether load reaches them without leaving
    the machine; None is unknown. `extra_distributions` are those of plug-ins in use.
    """
    memory = psutil.virtual_memory()
    return Environment(
        cpu=_cpu(),
        memory_bytes=memory.total,
        swap_bytes=psutil.swap_memory().total,
        kernel=f"{platform.system()} {platform.release()}",
        os=_os_name(),
        virtualisation=_virtualisation(),
        clock_source=_first_line(_SYS / "devices/system/clocksource/clocksource0/current_clocksource"),
        disk=_disk(results),
        cores_shared_with_ledger=shares_cores,
        network=None if loopback is None else "loopback" if loopback else "remote",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        distributions=_distributions(extra_distributions),
        host=_host_digest(),
    )


def _cpu() -> Cpu:
    return Cpu(
        model=_cpu_model(),
        architecture=platform.machine(),
        cores=psutil.cpu_count(logical=False),
        threads=psutil.cpu_count(logical=True),
        usable=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        governor=_first_line(_SYS / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    )


def _cpu_model() -> str | None:
    """x86 says "model name"; many ARM kernels say nothing, which is then null."""
    for line in _lines(_PROC / "cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return None


def _os_name() -> str | None:
    for line in _lines(_ETC / "os-release"):
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip('"')
    return None


def _virtualisation() -> str | None:
    """A hint: the hypervisor's product name, "hypervisor" where only the CPU flag tells, None on bare metal."""
    product = _first_line(_SYS / "class/dmi/id/sys_vendor")
    flagged = any("hypervisor" in line.split() for line in _lines(_PROC / "cpuinfo") if line.startswith("flags"))
    if not flagged:
        return None
    return product or "hypervisor"


def _disk(results: Path) -> Disk:
    try:
        status = os.stat(results)
        free = psutil.disk_usage(str(results)).free
    except OSError as error:
        raise HarnessError(
            f"results directory cannot be examined: {error.strerror}", value=results.name, remedy="create it first"
        ) from error
    device = _SYS / "dev/block" / f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    rotational = _first_line(device / "queue/rotational") or _first_line(device / "../queue/rotational")
    return Disk(_filesystem(results.resolve()), {"0": "ssd", "1": "hdd"}.get(rotational or ""), free)


def _filesystem(path: Path) -> str | None:
    """Type of the deepest mount that holds `path`."""
    best: tuple[int, str | None] = (-1, None)
    for partition in psutil.disk_partitions(all=True):
        mount = Path(partition.mountpoint)
        if path.is_relative_to(mount) and len(mount.parts) >= best[0]:
            best = (len(mount.parts), partition.fstype)
    return best[1]


def _distributions(extra: Sequence[str]) -> dict[str, str]:
    """Versions of the product and of everything it requires directly, and of `extra` (plug-ins in use)."""
    try:
        required = metadata.requires(PRODUCT) or []
    except metadata.PackageNotFoundError:
        required = []  # a checkout that was never installed; `result.json` has the product's own version
    direct = (re.match(r"[\w.-]+", line) for line in required if "extra ==" not in line)
    names = {PRODUCT, *extra, *(match[0] for match in direct if match)}
    return {name: version for name in sorted(names) if (version := _version(name)) is not None}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _host_digest() -> str | None:
    machine = _first_line(_ETC / "machine-id")
    if machine is None:
        return None
    return hashlib.blake2b(machine.encode(), key=_DIGEST_KEY, digest_size=6).hexdigest()


def _first_line(path: Path) -> str | None:
    return next(iter(_lines(path)), "").strip() or None


def _lines(path: Path) -> list[str]:
    """Empty where the kernel or a container does not show the file."""
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []

"""The programs of a Fabric network: where they come from, and which version they are.

Fabric's releases carry no version a module proxy serves (their tags lack the major version in the module's path), so
the pinned version is a snapshot of Fabric's main branch that it does serve: the code of 2.5 as of April 2023. Other
versions are used from a directory of their own (`fabric_bin`).
"""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.ledgers.install.golang import GoProgram, GoSource, build, cached
from bench.ledgers.protocol import Progress
from bench.model.errors import ConfigurationError

NAMES = ("peer", "orderer", "configtxgen", "cryptogen")
VERSION = "2.5.0 (main bd8e24856939)"
_RELEASE = "2.5.0"
_ROOT = Path(__file__).resolve().parents[2]

FABRIC = GoProgram(
    module="github.com/hyperledger/fabric",
    version="v1.4.0-rc1.0.20230401164317-bd8e24856939",
    sum="h1:+XwAnpbvmxEeRD1yT+gd77643Y1QQUv0B2HUr4CRNWE=",
    packages=tuple(f"cmd/{name}" for name in NAMES),
    size="about 150 MB of source",
    takes="2 to 4 minutes",
    ldflags=(f"-X github.com/hyperledger/fabric/common/metadata.Version={_RELEASE}",),
)
CLIENT = GoSource(
    name="fabric-client",
    directory=_ROOT / "adapters" / "fabric" / "client",
    size="about 15 MB of source",
    takes="half a minute",
)
CHAINCODES = {
    name: GoSource(
        name=f"fabric-chaincode-{name}",
        directory=_ROOT.parent / "workloads" / name / "fabric",
        size="about 15 MB of source",
        takes="half a minute",
    )
    for name in ("transfer", "notary", "smallbank")
}


@dataclass(frozen=True, slots=True)
class Programs:
    """Absolute paths: `fabric` is the directory of Fabric's own, `chaincodes` has one program per workload."""

    fabric: Path
    client: Path
    chaincodes: dict[str, Path]
    version: str

    def __getitem__(self, name: str) -> str:
        return str(self.fabric / name)


def installed() -> Programs | None:
    """What the cache has, when nothing is missing."""
    fabric, client = cached(FABRIC), cached(CLIENT)
    chaincodes = {name: cached(source) for name, source in CHAINCODES.items()}
    if fabric is None or client is None:
        return None
    found = {name: place / _program(name) for name, place in chaincodes.items() if place is not None}
    if len(found) < len(CHAINCODES):
        return None
    return Programs(fabric, client / CLIENT.name, found, VERSION)


def install(progress: Progress, own: Path | None = None) -> Programs:
    """Build what is missing. `own` is a directory with Fabric's programs of another version, used as they are."""
    fabric, version = (build(FABRIC, progress), VERSION) if own is None else (_checked(own), _version(own / "peer"))
    with ThreadPoolExecutor(2) as pool:  # go compiles what they share once
        client = pool.submit(build, CLIENT, progress)
        chaincodes = {name: pool.submit(partial(build, source), progress) for name, source in CHAINCODES.items()}
        found = {name: done.result() / _program(name) for name, done in chaincodes.items()}
        return Programs(fabric, client.result() / CLIENT.name, found, version)


def install_client(progress: Progress) -> Path:
    """The gRPC half of the adapter alone: all that a network which is not ours needs."""
    return build(CLIENT, progress) / CLIENT.name


def _program(workload: str) -> str:
    return CHAINCODES[workload].name


def _checked(directory: Path) -> Path:
    missing = [name for name in NAMES if not (directory / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"fabric_bin lacks {', '.join(missing)}", value=str(directory), remedy=f"put {', '.join(NAMES)} there"
        )
    return directory.resolve()


def _version(peer: Path) -> str:
    try:
        done = subprocess.run([str(peer), "version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(f"the peer of fabric_bin does not run: {error}", value=str(peer)) from error
    matched = re.search(r"Version: *v?(\S+)", done.stdout)
    return matched[1] if matched else "unknown"

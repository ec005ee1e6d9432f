"""The list of facts a source wants disclosed, filled from what the bundle knows; what it does not know is said so."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard

from bench.measure.efficiency import NETWORK
from bench.report import format as fmt
from bench.report.judgement import hardware
from bench.report.run_page import shown_trial
from bench.report.standards.catalogue import DisclosureEntry
from bench.report.standards.evidence import Run

Status = Literal["disclosed", "in part", "not disclosed"]


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One line of the list. `missing` says what is not known of it."""

    name: str
    status: Status
    text: str
    missing: str = ""


def disclosures(entries: tuple[DisclosureEntry, ...], run: Run) -> tuple[Disclosed, ...]:
    """The source's list, in its order."""
    return tuple(_disclosed(entry.name, *_FOUND[entry.key](run)) for entry in entries)


def _disclosed(name: str, text: str, missing: str) -> Disclosed:
    status: Status = "not disclosed" if not text else "in part" if missing else "disclosed"
    return Disclosed(name, status, text, missing)


def _consensus(run: Run) -> tuple[str, str]:
    ledger, kind = run.result.ledger, run.result.ledger.ledger_class
    after = f" ({ledger.finality.deep})" if ledger.finality.deep else ""
    known = (
        f"{ledger.name} {ledger.version} (family {ledger.family}); faults survived: {kind.fault_model}, tolerates "
        f"{fmt.counted(kind.tolerated_faults, 'faulty node')}; final means {ledger.finality.name}{after}; "
        f"flags {shlex.join(ledger.flags) or 'none'}"
    )
    return known, "the name of the protocol, beyond that of the ledger and its version"


def _geography(run: Run) -> tuple[str, str]:
    if _local(run):
        return "all nodes and the driver on one machine; no distance between them", ""
    return "", "where the nodes are"


def _hardware(run: Run) -> tuple[str, str]:
    if not _local(run):
        return "", "the nodes' hardware; environment.json has that of the driver"
    text = ", ".join(f"{name} {value}" for name, value in hardware(run.environment).items() if name != "network")
    shared = run.environment.get("cores_shared_with_ledger") is True
    whose = f"one machine for all nodes{' and the driver, cores shared' if shared else ''}"
    return f"{text}; {whose}" if text else whose, ""


def _network_model(run: Run) -> tuple[str, str]:
    kind = run.environment.get("network")
    if kind == "loopback":
        return "loopback of one machine; no delay, loss or limit was added", ""
    return ("remote" if kind == "remote" else ""), "delay, bandwidth and topology between the nodes"


def _nodes(run: Run) -> tuple[str, str]:
    if not run.result.ledger.managed:
        return "", "how many nodes the network has, and how many take part"
    number = run.result.ledger.nodes
    if number == 1:
        return "1 of 1: no other node takes part", ""
    return f"{fmt.count(number)} nodes run", "how many of them take part in one transaction"


def _software(run: Run) -> tuple[str, str]:
    found = run.environment
    packages = found.get("distributions")
    listed = ", ".join(f"{name} {version}" for name, version in packages.items()) if _is_mapping(packages) else ""
    parts = [f"{found[key]}" for key in ("os", "kernel", "python") if found.get(key)]
    text = "; ".join(filter(None, (f"ledger {run.result.ledger.version}", *parts, listed)))
    missing = "" if run.result.ledger.managed else "the node's own dependencies"
    return text, missing


def _tools(run: Run) -> tuple[str, str]:
    load = run.part("load")
    workers = load.get("workers", 1)
    remote = load.get("remote_workers", 0)
    where = "on the machine of the nodes" if _local(run) else "on another machine than the nodes, or not known"
    text = (
        f"ledger-bench {run.result.bench_version} on Locust; driver {where}; worker processes: {workers}, of them "
        f"on other machines: {remote}; command: {shlex.join(run.result.command)}"
    )
    return text, ""


def _data_store(run: Run) -> tuple[str, str]:
    disk = run.environment.get("disk")
    kind = run.result.ledger.ledger_class
    text = f"durability: {kind.durability}" + (f" ({kind.remarks})" if kind.remarks else "")
    if _local(run) and _is_mapping(disk):
        text += f"; file system {disk.get('filesystem')} on {disk.get('kind') or 'a disk of unknown kind'}"
    return text, "the kind of data store inside the node"


def _workload(run: Run) -> tuple[str, str]:
    parameters = run.part("workload").get("parameters")
    given = ", ".join(f"{name} {value}" for name, value in parameters.items()) if _is_mapping(parameters) else ""
    text = (
        f"{run.result.workload} of ledger-bench {run.result.bench_version}, parameters {given or 'by default'}; seed "
        f"{run.result.seed}; scenario SHA-256 {run.result.scenario_sha256}"
    )
    return text, ""


def _observation(run: Run) -> tuple[str, str]:
    return (
        f"sending: in the driver, just before the request is handed to the connection; finality: in the driver, when "
        f"the block is first seen through one node ({node_share(run)}); no node's clock is used"
    ), ""


def _complexity(run: Run) -> tuple[str, str]:
    trial = shown_trial(run.result)
    if trial is None:
        return "", "no trial was completed"
    total = sum(part.planned for part in trial.operations.values())
    mix = ", ".join(
        f"{fmt.words(name)} ({part.kind}) {fmt.percent(part.planned, total)}" for name, part in trial.operations.items()
    )
    gas = _efficiency(run, "gas_per_tx")
    return mix + (f"; gas per valid transaction {fmt.number(gas)}" if gas is not None else ""), ""


def _access_pattern(run: Run) -> tuple[str, str]:
    accounts = run.part("load").get("accounts")
    text = f"{accounts} sending accounts" if accounts is not None else ""
    return text, "how the workload picks the records it touches, beyond its parameters; its code is the description"


def _dependencies(run: Run) -> tuple[str, str]:
    del run
    return "", "which transactions depend on earlier ones; the workload's code is the description"


def _size(run: Run) -> tuple[str, str]:
    size = _efficiency(run, "block_bytes_per_tx")
    if size is None:
        return "", "the ledger did not tell the size of its blocks, or it was not recorded"
    return f"{fmt.size(size)} of block per valid transaction", ""


def _faultload(run: Run) -> tuple[str, str]:
    faults = run.scenario.get("faults")
    return (f"{faults}" if faults else "none: no fault was injected"), ""


def node_share(run: Run) -> str:
    """At how many of the network's nodes commits were observed."""
    if not run.result.ledger.managed:
        return "1 of a number of nodes that is not known"
    number = run.result.ledger.nodes
    return f"1 of {fmt.counted(number, 'node')}, {fmt.percent(1, number)}"


def _local(run: Run) -> bool:
    return run.result.ledger.managed and run.environment.get("network") == "loopback"


def _efficiency(run: Run, key: str) -> float | None:
    trial = shown_trial(run.result)
    parts = trial.efficiency if trial else []
    return next((getattr(part, key) for part in parts if part.node == NETWORK), None)


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping) and bool(value)


_FOUND: dict[str, Callable[[Run], tuple[str, str]]] = {
    "consensus": _consensus,
    "geography": _geography,
    "hardware": _hardware,
    "network_model": _network_model,
    "nodes": _nodes,
    "software": _software,
    "tools": _tools,
    "data_store": _data_store,
    "workload": _workload,
    "observation": _observation,
    "complexity": _complexity,
    "access_pattern": _access_pattern,
    "dependencies": _dependencies,
    "size": _size,
    "faultload": _faultload,
}
KEYS = frozenset(_FOUND)
"""Facts that a source may ask for."""

"""The ledger's part of a bundle: what was declared beforehand, and what network and adapter said once they ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.ledgers.protocol import LedgerInfo
from bench.model.ledger import SERVANT_ROLES, CryptoSuite, Durability, FaultModel, Finality, LedgerClass, Network
from bench.model.ledger_part import ClassInfo, FinalityInfo, LedgerPart, LinkPart, NodePart
from bench.run.trial import TrialFacts
from bench.scenario.declared import DeclaredLedger
from bench.scenario.schema import EndpointChoice

UNKNOWN_CLASS = LedgerClass(FaultModel.NOT_DECLARED, 0, Durability.NOT_DECLARED, CryptoSuite.NOT_DECLARED, "not ours")
_UNKNOWN_VERSION = "not ours"


def declared(target: str, info: LedgerInfo | None, endpoint: EndpointChoice | None) -> LedgerPart:
    """Before anything ran: a ledger of ours by its `info`, an endpoint by what its scenario says of it."""
    said = None if endpoint is None else endpoint.ledger
    finality = info.finality if info else Finality((said and said.finality) or "inclusion")
    return LedgerPart(
        name=target,
        family=info.family if info else endpoint.adapter if endpoint else target,
        version=info.version if info else said.version if said else _UNKNOWN_VERSION,
        nodes=info.nodes if info else said.nodes if said else 1,
        finality=FinalityInfo(name=finality.name, confirmations=finality.confirmations),
        ledger_class=_class_of(info.ledger_class if info else _class_said(said)),
        managed=endpoint is None,
    )


def as_it_ran(facts: TrialFacts, endpoint: EndpointChoice | None) -> dict[str, object]:
    """What the running network and the opened adapter say in place of what was declared beforehand."""
    found: dict[str, object] = {}
    said = None if endpoint is None else endpoint.ledger
    if facts.finality is not None:
        count = facts.finality.confirmations
        found["finality"] = FinalityInfo(name=_finality_name(facts.finality, facts.network, said), confirmations=count)
    client = facts.disclosed.get("client")
    if isinstance(client, str):
        found["version"] = client
    network = facts.network
    if network is None:
        found |= _as_it_said(facts.disclosed, _class_said(said))
    else:
        members = [node for node in network.nodes if node.role not in SERVANT_ROLES]
        found |= {"version": network.version, "flags": list(network.flags), "nodes": len(members)}
        found["ledger_class"] = _class_of(network.ledger_class)
        found["network"] = [NodePart(name=node.name, role=node.role, address=node.address) for node in network.nodes]
        found["links"] = [LinkPart(one=link.one, other=link.other, delay_ms=link.delay_ms) for link in network.links]
    return found


def _finality_name(adapter: Finality, network: Network | None, said: DeclaredLedger | None) -> str:
    """What the ledger's community calls it: an adapter serves many ledgers and knows only how many blocks it waits."""
    if network is not None and network.finality.confirmations == adapter.confirmations:
        return network.finality.name
    if adapter.confirmations or said is None or said.finality is None:
        return adapter.name
    return said.finality


def _class_said(said: DeclaredLedger | None) -> LedgerClass:
    if said is None:
        return UNKNOWN_CLASS
    return LedgerClass(
        said.fault_model, said.tolerated_faults, said.durability, said.crypto, said.operators, said.remarks
    )


def _as_it_said(disclosed: Mapping[str, Any], known: LedgerClass) -> dict[str, object]:
    """What a ledger that is not ours told the adapter of its settings and durability."""
    found: dict[str, object] = {}
    match disclosed:
        case {"durability": str(durability)}:
            found["ledger_class"] = _class_of(_with_durability(known, durability, disclosed.get("remarks")))
    match disclosed:
        case {"settings": [*settings]}:
            found["flags"] = [str(setting) for setting in settings]
    return found


def _with_durability(known: LedgerClass, told: str, remarks: object) -> LedgerClass:
    """An adapter may tell one of `Durability`'s values, or something else in its own words."""
    durability = next((one for one in Durability if one == told), Durability.OTHER)
    words = [
        known.remarks,
        told if durability is Durability.OTHER != told else "",
        remarks if isinstance(remarks, str) else "",
    ]
    return replace(known, durability=durability, remarks="; ".join(filter(None, words)))


def _class_of(declared: LedgerClass) -> ClassInfo:
    return ClassInfo(
        fault_model=declared.fault_model,
        tolerated_faults=declared.tolerated_faults,
        durability=declared.durability,
        crypto=declared.crypto,
        operators=declared.operators,
        remarks=declared.remarks,
    )

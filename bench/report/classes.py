"""What may be compared: candidates grouped by what they promise, and why one group's figures are not another's.

A class is faults survived, what a power cut loses, and what "final" means. Signatures and operators do not part
classes, but are told, and no winner is named across them. Pure; the words are for a buyer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.model.earlier_words import durability_of, fault_model_of
from bench.model.ledger import CryptoSuite, Durability, FaultModel
from bench.model.ledger_part import ClassInfo, LedgerPart
from bench.report import format as fmt

FAULTS, DATA, FINAL = "faults it survives", "what a power cut loses", "what “final” means"
_IN_SHORT = {FAULTS: "faults", DATA: "data", FINAL: "final"}
_UNDECLARED = "not declared"

Named = tuple[str, LedgerPart]
"""A candidate's label, and the ledger it ran on."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One of the three: `key` is equal where it is the same promise, `words` say it to a buyer."""

    name: str
    key: str
    words: str


@dataclass(frozen=True, slots=True)
class Class:
    """Candidates that promise the same. `note` says in what they still differ, or what holds for all of them."""

    name: str
    members: tuple[str, ...]
    promises: tuple[Promise, ...]
    note: str

    def difference(self, other: Class) -> tuple[str, ...]:
        """Names of the promises that are not the same."""
        return tuple(one.name for one, two in zip(self.promises, other.promises, strict=True) if one.key != two.key)

    def difference_in_short(self, other: Class) -> tuple[str, ...]:
        """The same in a word each, for a narrow column."""
        return tuple(_IN_SHORT[name] for name in self.difference(other))


@dataclass(frozen=True, slots=True)
class Barrier:
    """Two classes whose figures measure different things: one reason per promise that differs."""

    first: Class
    second: Class
    reasons: tuple[str, ...]


def promises(ledger: LedgerPart) -> tuple[Promise, ...]:
    """Of one candidate."""
    return _faults(ledger), _data(ledger), _final(ledger)


def same_class(first: LedgerPart, second: LedgerPart) -> bool:
    """Whether a winner may be named between them: same promises, signatures and operators, and nothing undeclared."""
    kinds = [(*_key(ledger), _crypto(ledger), ledger.ledger_class.operators) for ledger in (first, second)]
    return kinds[0] == kinds[1] and not any(_UNDECLARED in part for part in kinds[0])


def classes(candidates: Sequence[Named]) -> tuple[Class, ...]:
    """In the order of their first members; named A, B, …"""
    groups: dict[tuple[str, ...], list[Named]] = {}
    for label, ledger in candidates:
        groups.setdefault(_key(ledger), []).append((label, ledger))
    return tuple(
        Class(_letter(number), tuple(label for label, _ in members), promises(members[0][1]), _note(members))
        for number, members in enumerate(groups.values())
    )


def barriers(found: Sequence[Class]) -> tuple[Barrier, ...]:
    """Every pair of classes, with the reasons."""
    return tuple(Barrier(one, two, _reasons(one, two)) for one, two in combinations(found, 2))


def _reasons(one: Class, two: Class) -> tuple[str, ...]:
    return tuple(
        f"{left.name}: {fmt.listed(one.members)} – {left.words}; {fmt.listed(two.members)} – {right.words}"
        for left, right in zip(one.promises, two.promises, strict=True)
        if left.key != right.key
    )


def _key(ledger: LedgerPart) -> tuple[str, ...]:
    return tuple(promise.key for promise in promises(ledger))


def _faults(ledger: LedgerPart) -> Promise:
    declared, survives = ledger.ledger_class, ledger.ledger_class.tolerated_faults
    failing = fmt.counted(survives, "node")
    match fault_model_of(declared.fault_model):
        case FaultModel.OTHER | FaultModel.NOT_DECLARED:
            return _described(FAULTS, declared, declared.fault_model, f" {survives}")
        case FaultModel.BYZANTINE if survives > 0:
            words = f"goes on, and stays right, with {failing} failed or dishonest"
            return Promise(FAULTS, f"byzantine {survives}", words)
        case FaultModel.CRASH if survives > 0:
            words = f"goes on with {failing} failed; trusts all of them, a dishonest one is not caught"
            return Promise(FAULTS, f"crash {survives}", words)
        case FaultModel.CRASH_OF_ORDERERS if survives > 0:
            orderers = fmt.counted(survives, "ordering node")
            words = f"goes on with {orderers} failed; stops when either organisation's peer fails"
            return Promise(FAULTS, f"orderers {survives}", words)
    return Promise(FAULTS, "none", "none: no protection against a dishonest or failed operator")


def _data(ledger: LedgerPart) -> Promise:
    declared = ledger.ledger_class
    match durability_of(declared.durability):
        case Durability.MEMORY:
            return Promise(DATA, "memory", "everything: data is kept in memory only")
        case Durability.FSYNC:
            return Promise(DATA, "synced", "nothing that was acknowledged as final: it is on disk before")
        case Durability.WRITTEN:
            return Promise(DATA, "later", "the last of what was acknowledged: the disk catches up later")
    return _described(DATA, declared, declared.durability)


def _described(name: str, declared: ClassInfo, words: str, more: str = "") -> Promise:
    """Of what is not among the values: the same promise only where it is described in the same words."""
    said = f"{words} ({declared.remarks})" if words == "other" and declared.remarks else words
    return Promise(name, f"declared {said}{more}", f"declared: {said}")


def _final(ledger: LedgerPart) -> Promise:
    finality, survives = ledger.finality, ledger.ledger_class.tolerated_faults
    if finality.confirmations:
        words = f"{finality.deep}: a reversal is unlikely, never impossible"
        return Promise(FINAL, f"confirmations {finality.confirmations}", words)
    if "inclusion" in finality.name:
        return Promise(FINAL, "inclusion", "in a block of the node that was asked; nobody else has agreed to it")
    if survives > 0:
        return Promise(FINAL, "agreed", "agreed by the required majority; it is not reversed")
    return Promise(FINAL, "one commit", "committed by the one machine that keeps it")


def _note(members: Sequence[Named]) -> str:
    crypto = [(label, _crypto(ledger)) for label, ledger in members]
    operators = [(label, ledger.ledger_class.operators) for label, ledger in members]
    final = [(label, ledger.finality.name) for label, ledger in members]
    parts = [_shared("final", final), _shared("signatures", crypto), _shared("operators", operators)]
    parts += [f"{label}: {ledger.ledger_class.remarks}" for label, ledger in members if ledger.ledger_class.remarks]
    return "; ".join(parts)


def _crypto(ledger: LedgerPart) -> str:
    declared = ledger.ledger_class
    return f"other ({declared.remarks})" if declared.crypto == CryptoSuite.OTHER else declared.crypto


def _shared(name: str, values: Sequence[tuple[str, str]]) -> str:
    if len({value for _, value in values}) == 1:
        return f"{name}: {values[0][1]}"
    return f"{name} differ: " + fmt.listed([f"{value} ({label})" for label, value in values])


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)

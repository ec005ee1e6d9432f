"""What must hold in the bank after a run: the money on the ledger is exactly what the recorded outcomes explain."""

from bench.api import AuditInput, Invariant, StateReader

DEPOSIT, SAVING, CHECK = 130, 2000, 500
CHUNK = 500


def audit(state: StateReader, record: AuditInput) -> list[Invariant]:
    """Σ balances = opening money + deposits + savings − cheques − penalties, over all customers."""
    customers = int(record.parameters["customers"])
    opening = customers * (int(record.parameters["initial_checking"]) + int(record.parameters["initial_savings"]))
    held = sum(_total(state, first, min(CHUNK, customers - first)) for first in range(0, customers, CHUNK))
    penalties = _number(state.read("penalties", {}))
    expected = (
        opening
        + DEPOSIT * _valid(record, "deposit_checking")
        + SAVING * _valid(record, "transact_savings")
        - CHECK * _valid(record, "write_check")
        - penalties
    )
    unresolved = sum(outcomes.get("unresolved", 0) for outcomes in record.outcomes.values())
    detail = f"bank holds {held}, recorded outcomes explain {expected} (penalties {penalties})"
    if held != expected and unresolved:
        return [Invariant("money_is_explained", "not checked", f"{detail}; {unresolved} operations are unresolved")]
    return [Invariant("money_is_explained", "held" if held == expected else "broken", detail)]


def _valid(record: AuditInput, operation: str) -> int:
    outcomes = record.outcomes.get(operation, {})
    return outcomes.get("committed", 0) + outcomes.get("finalized", 0)


def _total(state: StateReader, first: int, count: int) -> int:
    return _number(state.read("total_of", {"first": first, "count": count}))


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"an audit read must answer an integer, got {value!r}")
    return value

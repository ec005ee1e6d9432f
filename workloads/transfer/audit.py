"""What must hold on the ledger after a transfer run, whatever its speed."""

from bench.api import AuditInput, Invariant, StateReader


def audit(state: StateReader, record: AuditInput) -> list[Invariant]:
    """The ledger executed each recorded transfer once and no other: its own count of our accounts' transactions."""
    done = record.outcomes.get("transfer", {})
    included = sum(done.get(outcome, 0) for outcome in ("committed", "finalized", "failed", "failed_expected"))
    unknown = record.fillers + done.get("unresolved", 0)
    counted = state.read("transactions_since_start", {})
    if not isinstance(counted, int):
        return [Invariant("every_transfer_executed_once", "not checked", "this ledger does not count transactions")]
    held = included <= counted <= included + unknown
    detail = f"the ledger executed {counted}, the record says {included}"
    if unknown:
        detail += f", and up to {unknown} more (fillers and unresolved)"
    return [Invariant("every_transfer_executed_once", "held" if held else "broken", detail)]

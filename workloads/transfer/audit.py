"""What must hold on the ledger after a transfer run, whatever its speed."""

from bench.api import AuditInput, Invariant, StateReader

EXECUTED_ONCE = "every_transfer_executed_once"
CONSERVED = "no_money_created_or_lost"


def audit(state: StateReader, record: AuditInput) -> list[Invariant]:
    """The ledger executed each recorded transfer once and no other, and the accounts hold together what they held."""
    return [_executed_once(state, record), _conserved(state)]


def _executed_once(state: StateReader, record: AuditInput) -> Invariant:
    """By the ledger's own count of our accounts' transactions."""
    done = record.outcomes.get("transfer", {})
    included = sum(done.get(outcome, 0) for outcome in ("committed", "finalized", "failed", "failed_expected"))
    unknown = record.fillers + done.get("unresolved", 0)
    counted = state.read("transactions_since_start", {})
    if not isinstance(counted, int):
        return Invariant(EXECUTED_ONCE, "not checked", "this ledger does not count transactions")
    held = included <= counted <= included + unknown
    detail = f"the ledger executed {counted}, the record says {included}"
    if unknown:
        detail += f", and up to {unknown} more (fillers and unresolved)"
    return Invariant(EXECUTED_ONCE, "held" if held else "broken", detail)


def _conserved(state: StateReader) -> Invariant:
    """By the sum over our accounts now and before the load, what they paid in fees added."""
    created = state.read("money_created_since_start", {})
    if not isinstance(created, int):
        return Invariant(CONSERVED, "not checked", "this ledger cannot sum up what its accounts hold, or its fees")
    if created == 0:
        return Invariant(CONSERVED, "held", "the accounts hold together what they held before the load, less fees")
    how, amount = ("more", created) if created > 0 else ("less", -created)
    return Invariant(CONSERVED, "broken", f"the accounts hold together {amount} {how} than before the load, less fees")

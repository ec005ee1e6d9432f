"""What must hold on the ledger after a transfer run, whatever its speed."""

from bench.api import AuditInput, Invariant, StateReader


def audit(state: StateReader, record: AuditInput) -> list[Invariant]:
    """Money moved must equal money recorded: the recipients' sum of received amounts, read back from the ledger."""
    done = record.outcomes.get("transfer", {})
    included = (
        done.get("committed", 0) + done.get("finalized", 0) + done.get("failed", 0) + done.get("failed_expected", 0)
    )
    counted = state.read("transactions_since_start", {})
    if counted is None:
        return [Invariant("every_transfer_counted_once", "not checked", "this ledger does not count transactions")]
    held = counted == included
    detail = f"ledger executed {counted}, record says {included}"
    return [Invariant("every_transfer_counted_once", "held" if held else "broken", detail)]

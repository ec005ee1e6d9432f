"""SmallBank with the rules of the contract beside it (`evm/SmallBank.sol`): the two must refuse and count alike."""

from collections.abc import Mapping
from typing import Any

from bench.api import Database, Parameter, Procedure, Refused

OPEN = """
WITH RECURSIVE numbers (customer) AS (
    SELECT 0 UNION ALL SELECT customer + 1 FROM numbers WHERE customer + 1 < :customers
)
INSERT INTO smallbank_customers (customer, checking, savings)
SELECT customer, :checking, :savings FROM numbers WHERE true
ON CONFLICT (customer) DO NOTHING
"""
START_PENALTIES = """
INSERT INTO smallbank_counters (name, value) VALUES ('penalties', 0) ON CONFLICT (name) DO NOTHING
"""
COUNT_PENALTY = "UPDATE smallbank_counters SET value = value + 1 WHERE name = 'penalties'"
PENALTIES = "SELECT value FROM smallbank_counters WHERE name = 'penalties'"
ACCOUNTS_OF = "SELECT checking, savings FROM smallbank_customers WHERE customer = :customer"
ADD_CHECKING = """
UPDATE smallbank_customers SET checking = checking + :amount WHERE customer = :customer RETURNING checking
"""
ADD_SAVINGS = """
UPDATE smallbank_customers SET savings = savings + :amount WHERE customer = :customer RETURNING savings
"""
EMPTY = "UPDATE smallbank_customers SET checking = 0, savings = 0 WHERE customer = :customer"
TOTAL = """
SELECT coalesce(sum(checking + savings), 0) FROM smallbank_customers
WHERE customer >= :first AND customer < :first + :count
"""


def setup(db: Database, parameters: Mapping[str, Parameter], _accounts: int) -> None:
    """Open the customers that are missing. They belong to the bank, so the number of senders plays no part."""
    customers = int(parameters["customers"])
    if customers < 1:
        raise ValueError(f"customers must be at least 1, got {customers}")
    opening = {"checking": int(parameters["initial_checking"]), "savings": int(parameters["initial_savings"])}
    db.execute(OPEN, {"customers": customers, **opening})
    db.execute(START_PENALTIES)


def amalgamate(db: Database, arguments: Mapping[str, Any]) -> None:
    """Move all funds of `from` into the checking account of `to`."""
    checking, savings = _accounts_of(db, arguments["from"])
    db.execute(EMPTY, {"customer": arguments["from"]})
    _add_checking(db, arguments["to"], checking + savings)


def deposit_checking(db: Database, arguments: Mapping[str, Any]) -> None:
    """Pay `amount` in."""
    _add_checking(db, arguments["customer"], _not_negative(arguments["amount"]))


def send_payment(db: Database, arguments: Mapping[str, Any]) -> None:
    """Between checking accounts; refused when `from` does not hold `amount`."""
    amount = _not_negative(arguments["amount"])
    if _add_checking(db, arguments["from"], -amount) < 0:
        raise Refused("insufficient_funds")
    _add_checking(db, arguments["to"], amount)


def transact_savings(db: Database, arguments: Mapping[str, Any]) -> None:
    """Add `amount`, which may be negative; refused when savings would be."""
    rows = db.execute(ADD_SAVINGS, {"customer": arguments["customer"], "amount": arguments["amount"]})
    if not rows:
        raise Refused("unknown_customer")
    if rows[0][0] < 0:
        raise Refused("insufficient_funds")


def write_check(db: Database, arguments: Mapping[str, Any]) -> None:
    """Cash a cheque against the sum of both accounts. One that is not covered is paid, and costs a penalty of one."""
    due = _not_negative(arguments["amount"])
    if sum(_accounts_of(db, arguments["customer"])) < due:
        due += 1
        db.execute(COUNT_PENALTY)
    _add_checking(db, arguments["customer"], -due)


def balance(db: Database, arguments: Mapping[str, Any]) -> int:
    """Checking plus savings of one customer."""
    return sum(_accounts_of(db, arguments["customer"]))


def total_of(db: Database, arguments: Mapping[str, Any]) -> int:
    """Sum over both accounts of customers `first` … `first + count - 1`, for audits."""
    return int(db.execute(TOTAL, {"first": arguments["first"], "count": arguments["count"]})[0][0])


def penalties(db: Database, _arguments: Mapping[str, Any]) -> int:
    """How many cheques overdrew their customer."""
    return int(db.execute(PENALTIES)[0][0])


def _accounts_of(db: Database, customer: int) -> tuple[int, int]:
    rows = db.execute(ACCOUNTS_OF, {"customer": customer})
    if not rows:
        raise Refused("unknown_customer")
    return rows[0][0], rows[0][1]


def _add_checking(db: Database, customer: int, amount: int) -> int:
    rows = db.execute(ADD_CHECKING, {"customer": customer, "amount": amount})
    if not rows:
        raise Refused("unknown_customer")
    return int(rows[0][0])


def _not_negative(amount: int) -> int:
    """The contract's amounts are unsigned; a negative one cannot even be encoded there."""
    if amount < 0:
        raise ValueError(f"amount must not be negative, got {amount}")
    return amount


WRITES: Mapping[str, Procedure] = {
    "amalgamate": amalgamate,
    "deposit_checking": deposit_checking,
    "send_payment": send_payment,
    "transact_savings": transact_savings,
    "write_check": write_check,
}
READS: Mapping[str, Procedure] = {"balance": balance, "penalties": penalties, "total_of": total_of}

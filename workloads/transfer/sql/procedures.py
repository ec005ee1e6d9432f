"""One account pays another. Same rules as a native payment: nobody pays what he does not have."""

from collections.abc import Mapping
from typing import Any

from bench.api import Database, Parameter, Procedure, Refused

OPENING_BALANCE = 10**12
"""What every account starts with: far more than any run spends, as accounts of an EVM ledger are funded for theirs."""

OPEN = """
WITH RECURSIVE numbers (account) AS (
    SELECT 0 UNION ALL SELECT account + 1 FROM numbers WHERE account + 1 < :accounts
)
INSERT INTO transfer_accounts (account, balance)
SELECT account, :balance FROM numbers WHERE true
ON CONFLICT (account) DO NOTHING
"""
TAKE = """
UPDATE transfer_accounts SET balance = balance - :amount WHERE account = :account AND balance >= :amount
RETURNING balance
"""
NOTE_TOTAL = """
INSERT INTO transfer_opening (name, value)
SELECT 'total', sum(balance) FROM transfer_accounts WHERE true
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
CREATED = """
SELECT (SELECT sum(balance) FROM transfer_accounts) - (SELECT value FROM transfer_opening WHERE name = 'total')
"""
GIVE = "UPDATE transfer_accounts SET balance = balance + :amount WHERE account = :account RETURNING balance"


def setup(db: Database, parameters: Mapping[str, Parameter], accounts: int) -> None:
    """Open the accounts that are missing, leave those that exist alone, and note what they hold together."""
    db.execute(OPEN, {"accounts": accounts, "balance": int(parameters.get("opening_balance", OPENING_BALANCE))})
    db.execute(NOTE_TOTAL)


def transfer(db: Database, arguments: Mapping[str, Any]) -> None:
    """From the sender to account `to`."""
    amount = arguments["amount"]
    if amount < 0:
        raise Refused("negative_amount")
    if not db.execute(TAKE, {"account": arguments["sender"], "amount": amount}):
        raise Refused("insufficient_funds")
    if not db.execute(GIVE, {"account": arguments["to"], "amount": amount}):
        raise Refused("unknown_account")


def balance(db: Database, arguments: Mapping[str, Any]) -> int:
    """What account `of` holds."""
    rows = db.execute("SELECT balance FROM transfer_accounts WHERE account = :account", {"account": arguments["of"]})
    if not rows:
        raise Refused("unknown_account")
    return int(rows[0][0])


def money_created_since_start(db: Database, _arguments: Mapping[str, Any]) -> int:
    """By how much the accounts hold more together than at the last `setup`, for audits: 0, if all is well."""
    return int(db.execute(CREATED)[0][0])


WRITES: Mapping[str, Procedure] = {"transfer": transfer}
READS: Mapping[str, Procedure] = {"balance": balance, "money_created_since_start": money_created_since_start}

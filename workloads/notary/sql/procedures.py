"""The notary with the rules of the contract beside it (`evm/Notary.sol`): the first anchor of a document stands.

`anchored_at` is the clock of whoever executes the procedure, as a block's time is its producer's. `BYTEA` is
PostgreSQL's
name for bytes; SQLite takes any name and keeps bytes as they are.
"""

import time
from collections.abc import Mapping
from typing import Any

from bench.api import Database, Parameter, Procedure, Refused

DOCUMENT_BYTES = 32
ANCHOR = """
INSERT INTO notary_anchors (document, account, anchored_at) VALUES (:document, :account, :now)
ON CONFLICT (document) DO NOTHING
RETURNING account
"""
VERIFY = "SELECT anchored_at FROM notary_anchors WHERE document = :document"


def setup(_db: Database, _parameters: Mapping[str, Parameter], _accounts: int) -> None:
    """Nothing is anchored yet."""


def anchor(db: Database, arguments: Mapping[str, Any]) -> None:
    """Store the first anchor of a document; refused when there is one."""
    row = {"document": _document(arguments), "account": arguments["sender"], "now": int(time.time())}
    if not db.execute(ANCHOR, row):
        raise Refused("already_anchored")


def verify(db: Database, arguments: Mapping[str, Any]) -> int:
    """When the document was anchored, in seconds since 1970; 0: it is not."""
    rows = db.execute(VERIFY, {"document": _document(arguments)})
    return int(rows[0][0]) if rows else 0


def missing(db: Database, arguments: Mapping[str, Any]) -> int:
    """How many of the concatenated `documents` are not anchored, for audits."""
    joined = arguments["documents"]
    documents = {joined[start : start + DOCUMENT_BYTES] for start in range(0, len(joined), DOCUMENT_BYTES)}
    return sum(not db.execute(VERIFY, {"document": document}) for document in documents)


def _document(arguments: Mapping[str, Any]) -> bytes:
    document = arguments["document"]
    if not isinstance(document, bytes) or len(document) != DOCUMENT_BYTES:
        raise ValueError(f"a document is {DOCUMENT_BYTES} bytes, got {document!r}")
    return document


WRITES: Mapping[str, Procedure] = {"anchor": anchor}
READS: Mapping[str, Procedure] = {"missing": missing, "verify": verify}

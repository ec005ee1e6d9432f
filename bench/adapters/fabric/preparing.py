"""What `prepare` does on a Fabric channel: entries of the chaincode that do not exist yet."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from contextlib import closing
from itertools import count

from bench.adapters.fabric.process import FabricClient
from bench.adapters.fabric.proposal import SALT_BYTES, Signer, nonce_of
from bench.model.errors import LedgerError
from bench.model.transaction import ACCEPTED, ErrorClass, Transaction

WRITE, READ = b"\x00", b"\x01"
"""First byte of a payload; the rest is the SignedProposal."""
KEY = "funding_key"
"""Name under which `--key-file` hands over the identity's key."""
_COMMIT_S = 60.0


def open_entries(client: FabricClient, signer: Signer, calls: Iterable[list[bytes]]) -> None:
    """Send all `calls` and see each of them VALID in a block; one that conflicts with what others write meanwhile is
    sent again. Raises LedgerError when one is not valid, or not within a minute.
    """
    salt, number = secrets.token_bytes(SALT_BYTES), count()
    with closing(client.follow(client.ask(["head"]))) as events:
        waiting = {_open(client, signer, call, nonce_of(salt, next(number))): call for call in calls}
        deadline = time.monotonic() + _COMMIT_S
        while waiting:
            block = next(events)
            for tx_id, status in () if block is None else zip(block.tx_ids, block.error_classes or b"", strict=True):
                call = waiting.pop(tx_id, None)
                if call is None or not status:
                    continue
                if status != ErrorClass.CONFLICT:
                    what = f"an opening transaction was not valid: {ErrorClass(status).label}"
                    raise LedgerError(what, remedy="see the logs of the peers")
                waiting[_open(client, signer, call, nonce_of(salt, next(number)))] = call
            if waiting and time.monotonic() > deadline:
                what = f"{len(waiting)} opening transactions were not committed within {_COMMIT_S:g} s"
                raise LedgerError(what, remedy="see the logs of the orderers")


def _open(client: FabricClient, signer: Signer, call: list[bytes], nonce: bytes) -> bytes:
    """The id of the transaction that was sent."""
    tx_id, proposal = signer.propose(call, nonce)
    (reply,) = client.submit([Transaction(tx_id, WRITE + proposal)])
    if reply != ACCEPTED:
        raise LedgerError(
            f"the chaincode did not open its entries: {reply}",
            remedy="check that the chaincode is deployed under its workload's name, or set option chaincode",
        )
    return tx_id

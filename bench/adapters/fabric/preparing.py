"""What `prepare` does on a Fabric channel: entries of the chaincode that do not exist yet."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import count

from bench.adapters.fabric.process import FabricClient
from bench.adapters.fabric.proposal import SALT_BYTES, Signer, nonce_of
from bench.model.errors import LedgerError
from bench.model.transaction import ACCEPTED, ErrorClass, Refusal, Transaction

WRITE, READ = b"\x00", b"\x01"
"""First byte of a payload; the rest is the SignedProposal."""
KEY = "funding_key"
"""Name under which `--key-file` hands over the identity's key."""
_COMMIT_S = 60.0
_APART_S = 0.1


def open_entries(client: FabricClient, signer: Signer, calls: Iterable[list[bytes]]) -> None:
    """Send all `calls` and see each of them VALID in a block; one that conflicts with what others write meanwhile, or
    that peers at different blocks endorse differently, is sent again. Raises LedgerError when one is not valid, or not
    within a minute.
    """
    salt = secrets.token_bytes(SALT_BYTES)
    with closing(client.follow(client.ask(["head"]))) as events:
        deadline = time.monotonic() + _COMMIT_S
        nonces = (nonce_of(salt, number) for number in count())
        waiting = {_open(client, signer, call, nonces, deadline): call for call in calls}
        while waiting:
            block = next(events)
            for tx_id, status in () if block is None else zip(block.tx_ids, block.error_classes or b"", strict=True):
                call = waiting.pop(tx_id, None)
                if call is None or not status:
                    continue
                if status != ErrorClass.CONFLICT:
                    what = f"an opening transaction was not valid: {ErrorClass(status).label}"
                    raise LedgerError(what, remedy="see the logs of the peers")
                waiting[_open(client, signer, call, nonces, deadline)] = call
            if waiting and time.monotonic() > deadline:
                what = f"{len(waiting)} opening transactions were not committed within {_COMMIT_S:g} s"
                raise LedgerError(what, remedy="see the logs of the orderers")


def _open(client: FabricClient, signer: Signer, call: list[bytes], nonces: Iterator[bytes], deadline: float) -> bytes:
    """The id of the transaction that was sent. Peers that have committed different blocks are asked again."""
    while True:
        tx_id, proposal = signer.propose(call, next(nonces))
        (reply,) = client.submit([Transaction(tx_id, WRITE + proposal)])
        if reply == ACCEPTED:
            return tx_id
        apart = isinstance(reply, Refusal) and reply.error_class is ErrorClass.CONFLICT
        if not apart or time.monotonic() > deadline:
            raise LedgerError(
                f"the chaincode did not open its entries: {reply}",
                remedy="check that the chaincode is deployed under its workload's name, or set option chaincode",
            )
        time.sleep(_APART_S)

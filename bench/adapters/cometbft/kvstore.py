"""The key-value example: `key=value`, unsigned, last one wins. It carries `notary` as far as that goes: a document's
hash is the key; that a second anchor be refused cannot be expressed, nor when the first one was made be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from bench.adapters.cometbft.encoding import read_request, write_request
from bench.adapters.cometbft.rpc import Call, Rpc
from bench.model.errors import ConfigurationError
from bench.model.operation import Kind, Operation
from bench.model.transaction import Transaction

NAME = "kvstore"
WRITES = frozenset({"anchor"})
READS = frozenset({"verify"})
DOCUMENT_BYTES = 32


class KvStoreEncoder:
    """Encodes for one fixture. The value says who, of which preparation, and the how-manieth, so equal ones differ."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt.hex()
        self._counts: dict[int, int] = defaultdict(int)

    def encode(self, operation: Operation, sender: int) -> Transaction:
        """The request that sets, or reads, a document's key."""
        read = operation.kind is Kind.READ
        if operation.name not in (READS if read else WRITES):
            raise ConfigurationError(
                "the kvstore application has no such operation", value=operation.name, remedy="known: anchor, verify"
            )
        key = key_of(operation.arguments)
        if read:
            return read_request("", key)
        count = self._counts[sender]
        self._counts[sender] = count + 1
        return write_request(b"%b=%d.%b.%d" % (key, sender, self._salt.encode(), count))


class KvStoreState:
    """A `StateReader`: `verify` {document} and `missing` {documents, tx_ids}. Anything else it cannot tell."""

    def __init__(self, rpc: Rpc, batch_limit: int) -> None:
        self._rpc = rpc
        self._batch_limit = batch_limit

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        """1 for a document that is there, 0 for one that is not; how many are missing; None for other reads."""
        if name == "verify":
            return self._found([key_of(arguments)])
        if name != "missing":
            return None
        documents = arguments.get("documents")
        if not isinstance(documents, bytes) or len(documents) % DOCUMENT_BYTES:
            raise ConfigurationError("missing takes documents: hashes of 32 bytes, joined", value=dict(arguments))
        keys = [documents[at : at + DOCUMENT_BYTES].hex().encode() for at in range(0, len(documents), DOCUMENT_BYTES)]
        return len(keys) - self._found(keys)

    def _found(self, keys: list[bytes]) -> int:
        found = 0
        for start in range(0, len(keys), self._batch_limit):
            calls: list[Call] = [
                ("abci_query", {"path": "", "data": key.hex()}) for key in keys[start : start + self._batch_limit]
            ]
            for answer in self._rpc.batch(calls):
                response = answer.get("response") if isinstance(answer, dict) else None
                found += isinstance(response, dict) and response.get("value") is not None
        return found


def key_of(arguments: Mapping[str, object]) -> bytes:
    """A document's key: its hash in hexadecimal, since a key may hold neither `=` nor `:`."""
    document = arguments.get("document")
    if not isinstance(document, bytes) or len(document) != DOCUMENT_BYTES or len(arguments) != 1:
        raise ConfigurationError("anchor and verify take (document: 32 bytes)", value=dict(arguments))
    return document.hex().encode()

"""Reading the state of our application, for audits and while preparing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from bench.adapters.cometbft.application import ADDRESS_BYTES, DOCUMENT_BYTES, READS, Wallet, query_of
from bench.adapters.cometbft.rpc import Rpc
from bench.model.errors import ConfigurationError, LedgerError

_CHUNK = 500


class ApplicationReader:
    """The application's queries, one exchange each. All answers are numbers."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def number(self, path: str, data: bytes = b"") -> int:
        """A value of 8 bytes; LedgerError for what the application refuses to answer."""
        answer = self._rpc.call("abci_query", path=path, data=data.hex())
        response = answer.get("response") if isinstance(answer, dict) else None
        if not isinstance(response, dict) or response.get("code") != 0:
            said = response.get("log") if isinstance(response, dict) else answer
            raise LedgerError(f"the application refused the query {path}", value=str(said)[:200])
        return int.from_bytes(base64.b64decode(str(response.get("value") or "")), "big", signed=True)

    def sum(self, path: str, data: bytes, unit: int) -> int:
        """The same over any number of things of `unit` bytes, in bounded queries."""
        step = unit * _CHUNK
        return sum(self.number(path, data[start : start + step]) for start in range(0, len(data), step))

    def money(self, addresses: Sequence[bytes]) -> int:
        """The sum of their balances."""
        return self.sum("/balances", b"".join(addresses), ADDRESS_BYTES)

    def executed(self, salt: bytes) -> int:
        """How many transactions of a preparation were executed, those that were refused in a block too."""
        return self.number("/executed", salt)


class ApplicationState:
    """A `StateReader`: the workload's reads by name, and what audits ask for: `transactions_since_start` {},
    `money_created_since_start` {}, `missing` {documents, tx_ids}.
    """

    def __init__(self, rpc: Rpc, wallet: Wallet, salt: bytes, accounts: int, money_at_start: int | None) -> None:
        self._reader = ApplicationReader(rpc)
        self._wallet = wallet
        self._salt = salt
        self._accounts = accounts
        self._money_at_start = money_at_start

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        """An int."""
        if name == "transactions_since_start":
            return self._reader.executed(self._salt)
        if name == "money_created_since_start":
            return self._created()
        if name == "missing":
            documents = arguments.get("documents")
            if not isinstance(documents, bytes) or len(documents) % DOCUMENT_BYTES:
                raise ConfigurationError("missing takes documents: hashes of 32 bytes, joined", value=dict(arguments))
            return self._reader.sum("/missing", documents, DOCUMENT_BYTES)
        if name not in READS:
            return None
        return self._reader.number(*query_of(name, arguments, self._wallet.address))

    def _created(self) -> int | None:
        if self._money_at_start is None:
            return None
        addresses = [self._wallet.address(index) for index in range(self._accounts)]
        return self._reader.money(addresses) - self._money_at_start

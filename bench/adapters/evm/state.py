"""Reading the ledger's state after the drain, for audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.adapters.evm.encoding import Contract, OperationEncoder
from bench.adapters.evm.money import MOST_TRANSACTIONS, Opening, created_since
from bench.adapters.evm.rpc import Rpc
from bench.adapters.evm.signing import Wallet
from bench.model.errors import ConfigurationError
from bench.model.operation import Account


class EvmState:
    """A `StateReader`: view functions of the contract by operation name, and four reads every chain has.

    `balance` {of: account} in wei; `sequence` {of: account}; `transactions_since_start` {}: how many transactions of
    the fixture's accounts were included since it was made, valid, failed and fillers together;
    `money_created_since_start` {}: wei that these accounts hold more together than then, fees they paid added; None
    where receipts do not tell, or are too many.
    """

    def __init__(
        self,
        rpc: Rpc,
        encoder: OperationEncoder,
        wallet: Wallet,
        contract: Contract | None,
        sequences: Sequence[int],
        opening: Opening | None,
    ) -> None:
        self._rpc = rpc
        self._encoder = encoder
        self._wallet = wallet
        self._contract = contract
        self._sequences = sequences
        self._opening = opening

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        """An int, str, bool or bytes, or a tuple where a function returns several."""
        function = self._contract.functions.get(name) if self._contract else None
        if function is None and name == "sequence":
            return self._sequence(arguments)
        if function is None and name == "transactions_since_start":
            return self._included()
        if function is None and name == "money_created_since_start":
            return self._created()
        method, parameters = self._encoder.call_request(name, arguments)
        answer = self._rpc.call(method, parameters)
        if method == "eth_getBalance" or function is None:
            return self._rpc.quantity(method, answer)
        return function.decode(bytes.fromhex(str(answer).removeprefix("0x")))

    def _sequence(self, arguments: Mapping[str, object]) -> int:
        account = arguments.get("of")
        if not isinstance(account, Account):
            raise ConfigurationError("sequence needs of: an account", value=dict(arguments), remedy="pass an Account")
        address = "0x" + self._wallet.address(account.index).hex()
        return self._rpc.hex_int("eth_getTransactionCount", [address, "latest"])

    def _addresses(self) -> list[str]:
        return ["0x" + self._wallet.address(index).hex() for index in range(len(self._sequences))]

    def _created(self) -> int | None:
        if self._opening is None or self._included() > MOST_TRANSACTIONS:
            return None
        return created_since(self._rpc, self._opening, self._addresses())

    def _included(self) -> int:
        addresses = self._addresses()
        method = "eth_getTransactionCount"
        counts = self._rpc.batch(method, [[address, "latest"] for address in addresses])
        return sum(self._rpc.quantity(method, each) for each in counts) - sum(self._sequences)

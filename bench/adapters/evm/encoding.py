"""Operations to ready-to-send JSON-RPC requests: after this, submitting only joins bytes.

The request id is the last six bytes of the transaction hash (of a digest of the parameters, for a read): unique inside
a batch without a counter, deterministic, and below 2^53 so that no node's JSON library rounds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from bench.adapters.evm.abi import Function
from bench.adapters.evm.rlp import encode_int
from bench.adapters.evm.signing import TransactionCodec, Wallet, value_and_data
from bench.adapters.protocol import JsonValue
from bench.model.errors import ConfigurationError
from bench.model.operation import Account, Kind, Operation
from bench.model.transaction import Transaction

ID_OFFSET = len(b'{"jsonrpc":"2.0","id":')
NATIVE_WRITES = frozenset({"transfer"})
NATIVE_READS = frozenset({"balance"})

_EncodeWrite = Callable[[Operation, int, int], Transaction]


@dataclass(frozen=True, slots=True)
class Contract:
    """The deployed contract of a workload."""

    address: bytes
    functions: Mapping[str, Function]


class OperationEncoder:
    """Encodes for one fixture. Deterministic; one thread only. `gas` maps operation names to gas limits."""

    def __init__(
        self, codec: TransactionCodec, wallet: Wallet, gas: Mapping[str, int], contract: Contract | None
    ) -> None:
        self._codec = codec
        self._wallet = wallet
        self._gas = gas
        self._contract = contract
        self._transfer_head = codec.middle(gas["transfer"], b"")[:-1] + b"\x94"  # 20 bytes of recipient follow
        self._writes: dict[str, _EncodeWrite] = {}

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        """The signed transaction of a write, or the request of a read."""
        if operation.kind is Kind.READ:
            return Transaction(b"", self._read(operation))
        write = self._writes.get(operation.name)
        if write is None:
            write = self._writes[operation.name] = self._writer(operation.name)
        return write(operation, sender, sequence)

    def filler(self, sender: int, sequence: int) -> Transaction:
        """A transfer of nothing to oneself."""
        signer = self._wallet[sender]
        return self._finish(self._codec.sign(signer.sign, sequence, self._transfer_head + signer.address, b"\x80\x80"))

    def call_request(self, name: str, arguments: Mapping[str, object]) -> tuple[str, list[JsonValue]]:
        """Method and parameters of a read: a view function of the contract, or the native balance."""
        function = self._contract.functions.get(name) if self._contract else None
        if self._contract is not None and function is not None and function.read_only:
            data = function.encode(arguments, self._wallet.address)
            return "eth_call", [{"to": "0x" + self._contract.address.hex(), "data": "0x" + data.hex()}, "latest"]
        if name == "balance":
            return "eth_getBalance", ["0x" + self._account(name, "of", arguments).hex(), "latest"]
        raise ConfigurationError("the evm adapter has no such read", value=name, remedy=f"known: {self._known_reads()}")

    def _read(self, operation: Operation) -> bytes:
        method, parameters = self.call_request(operation.name, operation.arguments)
        body = b',"method":"%s","params":%s}' % (method.encode(), orjson.dumps(parameters))
        return b'{"jsonrpc":"2.0","id":%d%s' % (int.from_bytes(blake2b(body, digest_size=6).digest(), "big"), body)

    def _writer(self, name: str) -> _EncodeWrite:
        function = self._contract.functions.get(name) if self._contract else None
        if self._contract is not None and function is not None and not function.read_only:
            return self._call_writer(name, self._contract.address, function)
        if name == "transfer":
            return self._transfer
        raise ConfigurationError(
            "the evm adapter cannot encode this operation",
            value=name,
            remedy="the workload needs a contract function of that name under evm/, or the native operation transfer",
        )

    def _call_writer(self, name: str, address: bytes, function: Function) -> _EncodeWrite:
        middle = self._codec.middle(self._gas[name], address)
        address_of = self._wallet.address

        def write(operation: Operation, sender: int, sequence: int) -> Transaction:
            rest = value_and_data(0, function.encode(operation.arguments, address_of))
            return self._finish(self._codec.sign(self._wallet[sender].sign, sequence, middle, rest))

        return write

    def _transfer(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        to = self._account("transfer", "to", operation.arguments)
        amount = operation.arguments.get("amount")
        if type(amount) is not int or amount < 0 or len(operation.arguments) != 2:
            raise ConfigurationError(
                "transfer takes (to: account, amount: int)",
                value=dict(operation.arguments),
                remedy="give both, amount not negative",
            )
        rest = encode_int(amount) + b"\x80"
        return self._finish(self._codec.sign(self._wallet[sender].sign, sequence, self._transfer_head + to, rest))

    def _finish(self, raw: bytes) -> Transaction:
        tx_id = self._codec.hash(raw)
        return Transaction(tx_id, _request(tx_id, raw))

    def _account(self, name: str, parameter: str, arguments: Mapping[str, object]) -> bytes:
        value = arguments.get(parameter)
        if type(value) is Account:
            return self._wallet.address(value.index)
        raise ConfigurationError(
            f"{name} needs {parameter}: an account", value=dict(arguments), remedy="pass an Account"
        )

    def _known_reads(self) -> str:
        functions = self._contract.functions if self._contract else {}
        return ", ".join(sorted(NATIVE_READS | {name for name, item in functions.items() if item.read_only}))


def send_request(raw: bytes, hashed: Callable[[bytes], bytes]) -> Transaction:
    """A signed transaction as the request that submits it."""
    tx_id = hashed(raw)
    return Transaction(tx_id, _request(tx_id, raw))


def request_id(payload: bytes) -> int:
    """The id inside a payload made here."""
    return int(payload[ID_OFFSET : payload.index(b",", ID_OFFSET)])


def _request(tx_id: bytes, raw: bytes) -> bytes:
    number = int.from_bytes(tx_id[-6:], "big")
    return f'{{"jsonrpc":"2.0","id":{number},"method":"eth_sendRawTransaction","params":["0x{raw.hex()}"]}}'.encode()

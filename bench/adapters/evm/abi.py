"""Contract calls: from a workload's snake_case operation to calldata, and from return data to Python values.

Static arguments (integers, booleans, addresses, fixed bytes) are encoded here, a word each; whatever is dynamic goes
through eth_abi, ten times slower and right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, EncodingError

from bench.adapters.protocol import JsonValue
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.keccak import keccak256
from bench.model.operation import Account

AddressOf = Callable[[int], bytes]
EncodeWord = Callable[[object], bytes]

_INTEGER = re.compile(r"(u?)int(\d+)")
_FIXED_BYTES = re.compile(r"bytes(\d+)")
_READ_ONLY = frozenset({"view", "pure"})


def snake_case(name: str) -> str:
    """`depositChecking` and `_depositChecking` become `deposit_checking`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name.lstrip("_")).lower()


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a contract. `names` are its parameters, snake_case; `words` is None when any is dynamic."""

    name: str
    selector: bytes
    names: tuple[str, ...]
    types: tuple[str, ...]
    returns: tuple[str, ...]
    read_only: bool
    words: tuple[EncodeWord, ...] | None

    def encode(self, arguments: Mapping[str, object], address_of: AddressOf) -> bytes:
        """Selector and arguments, matched by name. Accounts become addresses."""
        try:
            values = [arguments[name] for name in self.names]
            for position, value in enumerate(values):
                if type(value) is Account:
                    values[position] = address_of(value.index)
            if len(arguments) != len(values):
                raise KeyError
            if self.words is None:
                return self.selector + bytes(abi_encode(self.types, values))
            return self.selector + b"".join([word(value) for word, value in zip(self.words, values, strict=True)])
        except (KeyError, OverflowError, ValueError, TypeError, EncodingError) as error:
            raise ConfigurationError(
                f"operation {snake_case(self.name)} takes ({self._signature()})",
                value=dict(arguments),
                remedy="give each parameter once, inside the range of its type",
            ) from error

    def decode(self, data: bytes) -> object:
        """One value, or a tuple of several."""
        try:
            values = abi_decode(self.returns, data)
        except DecodingError as error:
            raise LedgerError(
                f"{self.name} answered with data that is not ({', '.join(self.returns)})", value="0x" + data.hex()
            ) from error
        return values[0] if len(values) == 1 else tuple(values)

    def _signature(self) -> str:
        return ", ".join(f"{name}: {kind}" for name, kind in zip(self.names, self.types, strict=True))


def parse_abi(abi: Sequence[JsonValue]) -> dict[str, Function]:
    """Functions by snake_case name; an overloaded name is refused, since an operation could not say which it means."""
    functions: dict[str, Function] = {}
    for entry in abi:
        if not isinstance(entry, dict) or entry.get("type") != "function":
            continue
        function = _parse_function(entry)
        key = snake_case(function.name)
        if key in functions:
            raise ConfigurationError(
                "the contract has two functions of one name", value=key, remedy="rename one of them"
            )
        functions[key] = function
    return functions


def _parse_function(entry: Mapping[str, JsonValue]) -> Function:
    name = str(entry["name"])
    inputs = _parameters(entry.get("inputs"))
    types = tuple(_canonical(item) for item in inputs)
    words = [_word_encoder(kind) for kind in types]
    return Function(
        name=name,
        selector=keccak256(f"{name}({','.join(types)})".encode())[:4],
        names=tuple(snake_case(str(item["name"])) for item in inputs),
        types=types,
        returns=tuple(_canonical(item) for item in _parameters(entry.get("outputs"))),
        read_only=entry.get("stateMutability") in _READ_ONLY,
        words=None if None in words else tuple(word for word in words if word is not None),
    )


def _parameters(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _canonical(parameter: Mapping[str, JsonValue]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_canonical(item) for item in _parameters(parameter.get("components")))
    return f"({inner}){kind.removeprefix('tuple')}"


def _word_encoder(kind: str) -> EncodeWord | None:
    if match := _INTEGER.fullmatch(kind):
        return _integer_encoder(int(match[2]), signed=not match[1])
    if match := _FIXED_BYTES.fullmatch(kind):
        return _bytes_encoder(int(match[1]))
    return {"bool": _encode_bool, "address": _encode_address}.get(kind)


def _integer_encoder(bits: int, *, signed: bool) -> EncodeWord:
    low = -(1 << (bits - 1)) if signed else 0
    high = 1 << (bits - 1 if signed else bits)

    def encode(value: object) -> bytes:
        if type(value) is not int:
            raise TypeError(value)
        if not low <= value < high:
            raise OverflowError(value)
        return value.to_bytes(32, "big", signed=signed)

    return encode


def _bytes_encoder(size: int) -> EncodeWord:
    def encode(value: object) -> bytes:
        if isinstance(value, str):
            value = bytes.fromhex(value.removeprefix("0x"))
        if not isinstance(value, bytes) or len(value) > size:
            raise ValueError(value)
        return value.ljust(32, b"\0")

    return encode


def _encode_bool(value: object) -> bytes:
    if type(value) is not bool:
        raise TypeError(value)
    return b"\1".rjust(32, b"\0") if value else bytes(32)


def _encode_address(value: object) -> bytes:
    if isinstance(value, str):
        value = bytes.fromhex(value.removeprefix("0x"))
    if not isinstance(value, bytes) or len(value) != 20:
        raise ValueError(value)
    return value.rjust(32, b"\0")

"""What a workload says of its chaincode (`fabric/chaincode.json`), and how operations become its arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bench.model.errors import ConfigurationError
from bench.model.operation import Account
from bench.model.workload import Parameter, Workload

FILE = "chaincode.json"
CHUNK = 500
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class ChaincodeInfo:
    """`opening` is the function that opens entries `first`, `count`, then `opening_arguments` (numbers, or names of
    the workload's parameters); `entries` is "accounts" or the parameter that says how many. `total` is a read
    `first`, `count` that sums what entries hold. Empty: the chaincode has none.
    """

    reads: frozenset[str]
    opening: str = ""
    entries: str = ""
    opening_arguments: tuple[int | str, ...] = field(default=())
    total: str = ""

    def count(self, parameters: Mapping[str, Parameter], accounts: int) -> int:
        """How many entries there are."""
        if not self.opening:
            return 0
        return accounts if self.entries == "accounts" else int(parameters[self.entries])

    def opening_calls(self, parameters: Mapping[str, Parameter], accounts: int) -> Iterator[list[bytes]]:
        """Arguments of the transactions that open all entries."""
        values = [int(parameters[word]) if isinstance(word, str) else word for word in self.opening_arguments]
        for first, size in chunks(self.count(parameters, accounts)):
            yield [self.opening.encode(), *(str(number).encode() for number in (first, size, *values))]


def read_info(workload: Workload) -> ChaincodeInfo:
    """ConfigurationError for a workload without a chaincode."""
    path = workload.directory / "fabric" / FILE
    try:
        found = json.loads(path.read_text())
        return ChaincodeInfo(
            reads=frozenset(found["reads"]),
            opening=found.get("opening", ""),
            entries=found.get("entries", ""),
            opening_arguments=tuple(found.get("opening_arguments", ())),
            total=found.get("total", ""),
        )
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"workload {workload.name} has no chaincode",
            value=sorted(workload.families),
            remedy=f"choose a workload of family fabric, or add fabric/{FILE} to it",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", remedy="see docs/adapters/fabric.md") from error


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """(first, size) of parts of at most `CHUNK`."""
    for first in range(0, count, CHUNK):
        yield first, min(CHUNK, count - first)


def words(name: str, arguments: Mapping[str, object], sender: int | None) -> list[bytes]:
    """Function name, the sender's index (None for a read), then the arguments in their order: numbers and accounts in
    decimal, bytes as they are.
    """
    head = [name.encode()] if sender is None else [name.encode(), b"%d" % sender]
    return head + [_word(name, value) for value in arguments.values()]


def _word(name: str, value: object) -> bytes:
    match value:
        case Account():
            return b"%d" % value.index
        case bool():
            return b"true" if value else b"false"
        case int() if value in _INT64:
            return b"%d" % value
        case bytes():
            return value
        case str():
            return value.encode()
    raise ConfigurationError(
        f"operation {name} cannot be encoded for a chaincode",
        value=value,
        remedy="arguments are accounts, text, bytes, booleans and numbers of at most 64 bits",
    )

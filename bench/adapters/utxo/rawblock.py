"""Reading serialised blocks as far as audits need it: who signed each transaction, and what it pays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_HEADER_BYTES = 80
_WITNESS, _MWEB = 1, 8


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """`signers` are the last items of the inputs' witnesses, for P2WPKH the public keys; `outputs` (value, script)."""

    signers: tuple[bytes, ...]
    outputs: tuple[tuple[int, bytes], ...]


def transactions(block: bytes) -> Iterator[RawTransaction]:
    """All of a block, in order; the first is the coinbase. What Litecoin's extension blocks append is left alone.

    Raises ValueError where the bytes are no block.
    """
    reader = _Reader(block, _HEADER_BYTES)
    try:
        for _ in range(reader.var_int()):
            yield reader.transaction()
    except IndexError:
        raise ValueError("the block ends in the middle") from None


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def take(self, count: int) -> bytes:
        start = self._at
        self._at = start + count
        if self._at > len(self._data):
            raise IndexError
        return self._data[start : self._at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def var_int(self) -> int:
        first = self._data[self._at]
        self._at += 1
        return first if first < 0xFD else self.number(1 << (first - 0xFC))

    def transaction(self) -> RawTransaction:
        self.take(4)
        flags = 0
        if self._data[self._at] == 0:  # no inputs: the marker of the extended form
            self.take(1)
            flags = self.number(1)
        inputs = self.var_int()
        for _ in range(inputs):
            self.take(36)
            self.take(self.var_int())
            self.take(4)
        outputs = tuple((self.number(8), self.take(self.var_int())) for _ in range(self.var_int()))
        signers = tuple(self._witness() for _ in range(inputs)) if flags & _WITNESS else ()
        if flags & _MWEB and self.number(1):
            raise ValueError("a transaction of Litecoin's extension block stands among the others")
        self.take(4)
        return RawTransaction(signers, outputs)

    def _witness(self) -> bytes:
        last = b""
        for _ in range(self.var_int()):
            last = self.take(self.var_int())
        return last

"""Recursive length prefix, the serialisation of transactions (Ethereum yellow paper, appendix B): encoding only."""

from __future__ import annotations

EMPTY_LIST = b"\xc0"


def encode_int(value: int) -> bytes:
    """A non-negative scalar below 2^440 (all of Ethereum's are): big-endian, no leading zeros, zero is empty."""
    if value < 0x80:
        return bytes((value,)) if value else b"\x80"
    size = (value.bit_length() + 7) // 8
    return bytes((0x80 + size,)) + value.to_bytes(size, "big")


def encode_bytes(value: bytes) -> bytes:
    """A byte string."""
    size = len(value)
    if size == 1 and value[0] < 0x80:
        return value
    if size < 56:
        return bytes((0x80 + size,)) + value
    return _long_header(0xB7, size) + value


def encode_list(body: bytes) -> bytes:
    """A list whose elements, already encoded, are concatenated in `body`."""
    size = len(body)
    if size < 56:
        return bytes((0xC0 + size,)) + body
    if size < 256:
        return bytes((0xF8, size)) + body
    return _long_header(0xF7, size) + body


def _long_header(offset: int, size: int) -> bytes:
    width = (size.bit_length() + 7) // 8
    return bytes((offset + width,)) + size.to_bytes(width, "big")

"""Signed proposals, byte for byte: the few Fabric messages a client makes, in protobuf's wire format.

Messages and field numbers: fabric-protos, common/common.proto, peer/proposal.proto, peer/chaincode.proto. The nonce is
derived, the timestamp fixed and the signature deterministic (RFC 6979), so the same call gives the same bytes; a peer
accepts any nonce and timestamp. Signatures are low-S, as Fabric insists.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from bench.model.errors import ConfigurationError

NONCE_BYTES = 24
SALT_BYTES = 8
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF_ORDER = _ORDER // 2
_ENDORSER_TRANSACTION = 3
_GOLANG = 1  # the language field: peers look at the chaincode's package instead


def varint(value: int) -> bytes:
    """Unsigned, seven bits at a time."""
    if value < 0x80:
        return bytes((value,))
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    """A varint field."""
    return varint(number << 3) + varint(value)


@dataclass(frozen=True, slots=True)
class Target:
    """What all proposals of one preparation share."""

    channel: str
    chaincode: str
    msp_id: str
    seconds: int


class Signer:
    """Makes signed proposals. Not for several threads."""

    def __init__(self, target: Target, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        self._creator = field(1, target.msp_id.encode()) + field(2, certificate)
        self._creator_field = field(1, self._creator)
        chaincode_id = field(2, target.chaincode.encode())  # ChaincodeID.name
        self._extension = field(7, field(2, chaincode_id))
        timestamp = number_field(1, target.seconds)
        self._channel_head = (
            number_field(1, _ENDORSER_TRANSACTION) + field(3, timestamp) + field(4, target.channel.encode())
        )
        self._spec_head = number_field(1, _GOLANG) + field(2, chaincode_id)

    def propose(self, arguments: list[bytes], nonce: bytes) -> tuple[bytes, bytes]:
        """Transaction id and SignedProposal."""
        tx_id = hashlib.sha256(nonce + self._creator).digest()
        channel_header = self._channel_head + field(5, tx_id.hex().encode()) + self._extension
        signature_header = self._creator_field + field(2, nonce)
        header = field(1, channel_header) + field(2, signature_header)
        words = b"".join([field(1, argument) for argument in arguments])
        invocation = field(1, self._spec_head + field(3, words))  # ChaincodeInvocationSpec
        proposal = field(1, header) + field(2, field(1, invocation))
        return tx_id, field(1, proposal) + field(2, self._sign(proposal))

    def _sign(self, message: bytes) -> bytes:
        signature = self._key.sign(message, self._algorithm)
        r, s = decode_dss_signature(signature)
        return encode_dss_signature(r, _ORDER - s) if s > _HALF_ORDER else signature


def nonce_of(salt: bytes, *parts: int) -> bytes:
    """Begins with `salt`, by which our transactions are told from others' afterwards."""
    digest = hashlib.sha256(b"/".join(str(part).encode() for part in parts)).digest()
    return salt + digest[: NONCE_BYTES - SALT_BYTES]


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """A P-256 key; ConfigurationError for anything else. The message holds nothing of it."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            "the key of the Fabric identity cannot be read", remedy="give an unencrypted PEM file with a P-256 key"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("the key of the Fabric identity is no P-256 key", remedy="enroll one with P-256")
    return key

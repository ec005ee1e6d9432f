"""Settings of the etcd adapter (`adapter:` of a scenario), and where they make it connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.adapters.protocol import Endpoint
from bench.model.errors import ConfigurationError

_KNOWN = ("endpoints", "keep", "prefix", "retries", "serializable")
_PORT = 2379


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """`addresses` of the members. Keys live below `prefix`; unless `keep`, they are removed when the adapter that
    prepared is closed. `retries`: how often a transfer that lost a race is tried again. `serializable`: reads are
    answered by the member asked, from what it has.
    """

    addresses: tuple[tuple[str, int], ...]
    prefix: bytes = b"bench/"
    keep: bool = False
    retries: int = 30
    serializable: bool = False


def options_of(endpoint: Endpoint) -> EtcdOptions:
    """The endpoint's own address first. ConfigurationError names what is wrong."""
    given = endpoint.options
    if endpoint.headers:
        raise ConfigurationError("etcd takes no headers", value=sorted(endpoint.headers), remedy="remove them")
    unknown = sorted(set(given) - set(_KNOWN))
    if unknown:
        raise ConfigurationError("the adapter has no such option", value=unknown, remedy=f"known: {', '.join(_KNOWN)}")
    urls = [endpoint.url, *_texts(given, "endpoints")]
    addresses = tuple(dict.fromkeys(_address(url) for url in urls))
    prefix, retries = given.get("prefix", "bench/"), given.get("retries", 30)
    if not isinstance(prefix, str) or not prefix.endswith("/") or not prefix.isascii():
        raise ConfigurationError("prefix is not one", value=prefix, remedy="write it as bench/")
    if not isinstance(retries, int) or isinstance(retries, bool) or not 0 <= retries <= 1000:
        raise ConfigurationError("retries is not a number from 0 to 1000", value=retries, remedy="correct it")
    return EtcdOptions(addresses, prefix.encode(), _yes(given, "keep"), retries, _yes(given, "serializable"))


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.username or parts.path not in ("", "/"):
        remedy = "write it as http://127.0.0.1:2379; TLS needs a local `etcd grpc-proxy` in between"
        raise ConfigurationError("not an address of etcd", value=parts.scheme, remedy=remedy)
    return parts.hostname, parts.port or _PORT


def _texts(given: Mapping[str, object], name: str) -> Sequence[str]:
    match given.get(name, []):
        case [*values] if all(isinstance(value, str) for value in values):
            return [str(value) for value in values]
        case wrong:
            raise ConfigurationError(f"{name} is not a list of addresses", value=wrong, remedy="write a YAML list")


def _yes(given: Mapping[str, object], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is neither true nor false", value=value, remedy="correct it")
    return value

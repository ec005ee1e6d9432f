"""Reading a connection profile, the file by which Fabric's SDKs and consoles describe a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bench.model.errors import ConfigurationError

_REMEDY = "docs/adapters/fabric.md shows what a profile must hold"


@dataclass(frozen=True, slots=True)
class Server:
    """A gRPC server. `ca_pem` is empty where the connection is plain; `name` is the one in its certificate."""

    address: str
    ca_pem: str
    name: str

    def as_json(self) -> dict[str, str]:
        """For the client program."""
        return {"address": self.address, "ca_pem": self.ca_pem, "name": self.name}


@dataclass(frozen=True, slots=True)
class Profile:
    """The part of a profile that concerns one channel and one organisation's application."""

    channel: str
    msp_id: str
    peer: Server  # of our organisation: gateway, reads, blocks
    endorsers: tuple[Server, ...]  # one per organisation
    orderers: tuple[Server, ...]


def read_profile(path: Path, organization: str | None, channel: str | None, url: str) -> Profile:
    """`url` is the endpoint: the peer that is asked; it must be one of the profile's."""
    content = _parsed(path)
    name = organization or _section(content, "client").get("organization")
    organizations = _section(content, "organizations")
    if name not in organizations:
        raise _mistake(path, f"no organization {name!r}; set option organization to one of {sorted(organizations)}")
    chosen = channel or _only(path, _section(content, "channels"))
    return Profile(
        channel=chosen,
        msp_id=str(organizations[name].get("mspid", name)),
        peer=_by_address(path, content, url),
        endorsers=tuple(_endorsers(path, content, chosen)),
        orderers=tuple(_orderers(path, content, chosen)),
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the connection profile cannot be read: {error}", remedy=_REMEDY) from error
    if not isinstance(content, dict):
        raise _mistake(path, "not a mapping")
    return content


def _section(content: dict[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _only(path: Path, channels: dict[str, Any]) -> str:
    if len(channels) != 1:
        raise _mistake(path, f"{len(channels)} channels; set option channel")
    return str(next(iter(channels)))


def _by_address(path: Path, content: dict[str, Any], url: str) -> Server:
    peers = [_server(path, name, peer) for name, peer in _section(content, "peers").items()]
    wanted = urlsplit(url).netloc
    for peer in peers:
        if wanted in (peer.address, peer.name):
            return peer
    known = ", ".join(peer.address for peer in peers) or "none"
    raise ConfigurationError("the endpoint is no peer of the profile", value=url, remedy=f"its peers: {known}")


def _endorsers(path: Path, content: dict[str, Any], channel: str) -> list[Server]:
    """The first endorsing peer of every organisation that has one on the channel."""
    peers, joined = _section(content, "peers"), _section(_section(content, "channels").get(channel, {}), "peers")
    chosen = []
    for organization in _section(content, "organizations").values():
        for name in organization.get("peers", ()):
            role = joined.get(name) if joined else {}
            if name in peers and role is not None and role.get("endorsingPeer", True):
                chosen.append(_server(path, name, peers[name]))
                break
    if not chosen:
        raise _mistake(path, f"no endorsing peer on channel {channel}")
    return chosen


def _orderers(path: Path, content: dict[str, Any], channel: str) -> list[Server]:
    known = _section(content, "orderers")
    names = _section(content, "channels").get(channel, {}).get("orderers") or list(known)
    return [_server(path, name, known[name]) for name in names if name in known]


def _server(path: Path, name: str, entry: Any) -> Server:
    url = urlsplit(str(entry.get("url", ""))) if isinstance(entry, dict) else urlsplit("")
    if url.scheme not in ("grpc", "grpcs") or not url.port:
        raise _mistake(path, f"{name} has no url like grpcs://host:7051")
    options = _section(entry, "grpcOptions")
    override = options.get("ssl-target-name-override") or options.get("hostnameOverride") or url.hostname
    return Server(url.netloc, _ca(path, name, entry) if url.scheme == "grpcs" else "", str(override))


def _ca(path: Path, name: str, entry: dict[str, Any]) -> str:
    given = _section(entry, "tlsCACerts")
    if pem := given.get("pem"):
        return "\n".join(pem) if isinstance(pem, list) else str(pem)
    if not given.get("path"):
        raise _mistake(path, f"{name} has no tlsCACerts")
    place = path.parent / str(given["path"])
    try:
        return place.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the TLS certificate of {name} cannot be read: {error}", remedy=_REMEDY) from error


def _mistake(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"the connection profile is not usable: {what}", value=str(path), remedy=_REMEDY)

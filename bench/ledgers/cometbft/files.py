"""The files a validator reads: config.toml, genesis.json and its two keys, as CometBFT's own `testnet` command makes
them. Keys are made anew for every network; genesis.json is the same for all of its validators.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.ledgers.cometbft.options import CometBftOptions, Setting, toml

_PUBLIC, _PRIVATE = "tendermint/PubKeyEd25519", "tendermint/PrivKeyEd25519"
_POWER = "10"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An ed25519 key in the forms CometBFT writes it in."""

    seed: bytes = field(repr=False)
    public: bytes

    @classmethod
    def make(cls) -> KeyPair:
        """A new one, from the system's randomness."""
        key = Ed25519PrivateKey.generate()
        return cls(key.private_bytes_raw(), key.public_key().public_bytes_raw())

    @property
    def address(self) -> str:
        """40 upper-case hexadecimal digits."""
        return hashlib.sha256(self.public).hexdigest()[:40].upper()

    def public_json(self) -> dict[str, str]:
        """As in genesis.json."""
        return {"type": _PUBLIC, "value": base64.b64encode(self.public).decode()}

    def private_json(self) -> dict[str, str]:
        """As in the key files."""
        return {"type": _PRIVATE, "value": base64.b64encode(self.seed + self.public).decode()}


@dataclass(frozen=True, slots=True)
class Validator:
    """One validator before it is started."""

    name: str
    directory: Path
    host: str
    rpc_port: int
    p2p_port: int
    metrics_port: int
    node_key: KeyPair
    validator_key: KeyPair

    @property
    def rpc_url(self) -> str:
        """Where clients ask."""
        return f"http://{self.host}:{self.rpc_port}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus asks."""
        return f"http://{self.host}:{self.metrics_port}/metrics"

    @property
    def peer_address(self) -> str:
        """As other nodes' `persistent_peers` name it."""
        return f"{self.node_key.address.lower()}@{self.host}:{self.p2p_port}"


def write_network(
    validators: Sequence[Validator], proxy_app: str, chain_id: str, app_state: object, options: CometBftOptions
) -> None:
    """All files of all validators, the private ones for this user only."""
    genesis = json.dumps(_genesis(validators, chain_id, app_state, options), indent=2)
    for one in validators:
        config, data = one.directory / "config", one.directory / "data"
        config.mkdir(parents=True)
        data.mkdir()
        (config / "genesis.json").write_text(genesis)
        peers = ",".join(other.peer_address for other in validators if other is not one)
        (config / "config.toml").write_text(render(_settings(one, peers, proxy_app) | options.tuned()))
        _write_private(config / "node_key.json", {"priv_key": one.node_key.private_json()})
        key = one.validator_key
        secret = {"address": key.address, "pub_key": key.public_json(), "priv_key": key.private_json()}
        _write_private(config / "priv_validator_key.json", secret)
        _write_private(data / "priv_validator_state.json", {"height": "0", "round": 0, "step": 0})


def render(settings: Mapping[str, Setting]) -> str:
    """config.toml from "section.key" names; a name without a dot stands above all sections."""
    sections: dict[str, list[str]] = {"": []}
    for name, value in settings.items():
        section, _, key = name.rpartition(".")
        sections.setdefault(section, []).append(f"{key} = {toml(value)}")
    return "\n".join("\n".join(([f"[{name}]"] if name else []) + lines) for name, lines in sections.items()) + "\n"


def _settings(one: Validator, peers: str, proxy_app: str) -> dict[str, Setting]:
    """What makes this node this node. The mesh is full and named, so nobody is searched for."""
    return {
        "proxy_app": proxy_app,
        "moniker": one.name,
        "log_level": "error",
        "rpc.laddr": f"tcp://{one.host}:{one.rpc_port}",
        "rpc.pprof_laddr": "",
        "p2p.laddr": f"tcp://{one.host}:{one.p2p_port}",
        "p2p.external_address": f"{one.host}:{one.p2p_port}",
        "p2p.persistent_peers": peers,
        "p2p.addr_book_strict": False,
        "p2p.allow_duplicate_ip": True,
        "p2p.pex": False,
        "instrumentation.prometheus": True,
        "instrumentation.prometheus_listen_addr": f"{one.host}:{one.metrics_port}",
    }


def _genesis(validators: Sequence[Validator], chain_id: str, app_state: object, options: CometBftOptions) -> object:
    return {
        "genesis_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "chain_id": chain_id,
        "initial_height": "1",
        "consensus_params": {
            "block": {"max_bytes": str(options.max_block_bytes), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": "100000",
                "max_age_duration": str(48 * 3600 * 10**9),
                "max_bytes": str(min(1_048_576, options.max_block_bytes)),
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": "0"},
            "abci": {"vote_extensions_enable_height": "0"},
        },
        "validators": [
            {
                "address": each.validator_key.address,
                "pub_key": each.validator_key.public_json(),
                "power": _POWER,
                "name": each.name,
            }
            for each in validators
        ],
        "app_hash": "",
        "app_state": app_state,
    }


def _write_private(path: Path, content: object) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))

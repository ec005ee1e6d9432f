"""`ledger.options` of the CometBFT ledgers, and the settings of config.toml they stand for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from bench.ledgers.options import Options

Setting = str | int | bool
_Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]


class CometBftOptions(Options):
    """docs/adapters/cometbft.md says what each does and why its default is what it is. `config` holds further settings
    of config.toml as "section.key": value; it wins over everything else here.
    """

    validators: Annotated[int, Field(ge=1, le=16)] = 4
    timeout_commit_ms: _Milliseconds = 1000
    skip_timeout_commit: bool = False
    flush_throttle_ms: Annotated[int, Field(ge=1, le=1000)] = 10
    mempool_size: Annotated[int, Field(ge=1, le=10_000_000)] = 50_000
    recheck: bool = False
    index: bool = False
    max_block_bytes: Annotated[int, Field(ge=1_000_000, le=100 * 1024 * 1024)] = 22_020_096
    config: dict[str, Setting] = Field(default_factory=dict)

    @field_validator("config")
    @classmethod
    def _has_sections(cls, value: dict[str, Setting]) -> dict[str, Setting]:
        for name in value:
            if name.count(".") > 1 or not name.replace(".", "").replace("_", "").replace("-", "").isalnum():
                raise ValueError(f"{name} is not a setting; write section.key, as in consensus.timeout_propose")
        return value

    @property
    def tolerated_faults(self) -> int:
        """How many validators may fail in any way: fewer than a third."""
        return (self.validators - 1) // 3

    def tuned(self) -> dict[str, Setting]:
        """The settings that make a difference to what is measured; all of them are printed in every bundle."""
        return {
            "consensus.timeout_commit": f"{self.timeout_commit_ms}ms",
            "consensus.skip_timeout_commit": self.skip_timeout_commit,
            "p2p.flush_throttle_timeout": f"{self.flush_throttle_ms}ms",
            "mempool.size": self.mempool_size,
            "mempool.cache_size": 2 * self.mempool_size,
            "mempool.recheck": self.recheck,
            "tx_index.indexer": "kv" if self.index else "null",
            "rpc.max_open_connections": 2000,
            "rpc.max_request_batch_size": 1000,
            "rpc.max_body_bytes": 10_000_000,
            **self.config,
        }

    def flags(self) -> tuple[str, ...]:
        """For bundles."""
        chosen = {"genesis.block.max_bytes": self.max_block_bytes, **self.tuned()}
        return tuple(f"{name}={toml(value)}" for name, value in chosen.items())


def toml(value: Setting) -> str:
    """A value as config.toml has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

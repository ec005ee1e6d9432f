"""`ledger.options` of a Fabric network, with the defaults that suit a benchmark and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.ledgers.options import Options

Chaincode = Literal["transfer", "notary", "smallbank"]


class FabricOptions(Options):
    """`batch_timeout_s`, `max_messages`, `preferred_kib`: when an orderer cuts a block. `concurrency`: calls a peer
    serves at once per service (Fabric's 500 gateway calls would be the limit measured). `chaincodes`: which are
    deployed. `submit_path`: how the adapter sends. `fabric_bin`: a directory with Fabric's programs of another version.
    """

    orderers: Annotated[int, Field(ge=1, le=7)] = 3
    batch_timeout_s: Annotated[float, Field(ge=0.01, le=60)] = 0.5
    max_messages: Annotated[int, Field(ge=1, le=100_000)] = 500
    preferred_kib: Annotated[int, Field(ge=16, le=90_000)] = 4096
    concurrency: Annotated[int, Field(ge=10, le=1_000_000)] = 20_000
    chaincodes: Annotated[tuple[Chaincode, ...], Field(min_length=1)] = ("transfer", "notary", "smallbank")
    submit_path: Literal["pipeline", "gateway"] = "pipeline"
    fabric_bin: str | None = None

    def flags(self) -> tuple[str, ...]:
        """What makes a difference to what is measured; printed in every bundle."""
        return (
            f"orderers={self.orderers} (Raft, tick 200 ms, election after 10)",
            f"BatchTimeout={self.batch_timeout_s:g}s",
            f"MaxMessageCount={self.max_messages}",
            f"PreferredMaxBytes={self.preferred_kib} KiB",
            f"peer.limits.concurrency={self.concurrency}",
            "endorsement=both organisations",
            "stateDatabase=goleveldb",
            "historyDatabase=false",
            "TLS=on",
            "log=warning",
        )

"""Adapter of the central baseline. Two kinds of addresses: the socket of a managed ledger's sequencer (`unix:…`), or
`postgresql://user@host:port/database` of a server that is not ours. In front of that one the adapter that prepares
starts a sequencer, with a schema of its own, and ends it when it is closed; the others find it through the fixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.adapters.postgres_sequencer import Sequencer, check_address, probe
from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.adapters.sql import SqlAdapter
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Durability, Finality

SCHEMES = ("postgresql://", "postgres://")
_OPTIONS = {"max_group": 1000}
_PASSWORD = "password"
_COMMITS_EARLY = ("off",)
"""With every other value a commit waits at least for this server's own disk."""
_SYNCS = ("fsync", "synchronous_commit")


class PostgresAdapter(SqlAdapter):
    """See `bench.adapters.protocol.Adapter` and the module docstring."""

    kind = "postgres"

    def __init__(self) -> None:
        super().__init__()
        self._external: Endpoint | None = None
        self._sequencer: Sequencer | None = None

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Connect to the sequencer; where there is none yet, check that a PostgreSQL server answers."""
        self.close()
        if not endpoint.url.startswith(SCHEMES):
            super().open(endpoint, fixture)
            return
        check_address(endpoint.url)
        _max_group(endpoint.options)
        _password(endpoint.headers)
        if fixture is None:
            probe(endpoint.url, endpoint.timeout_s)
        else:
            super().open(Endpoint(_socket_of(fixture), timeout_s=endpoint.timeout_s), fixture)
        self._external = endpoint

    def prepare(self, setup: Setup) -> Fixture:
        """As for every SQL ledger; the settings read from the server are disclosed."""
        endpoint = self._external
        if endpoint is not None and self._client is None:
            password = _password(endpoint.headers) or setup.secrets.get("funding_key", "")
            sequencer = Sequencer(endpoint.url, password, _max_group(endpoint.options))
            try:
                super().open(Endpoint(sequencer.url, timeout_s=endpoint.timeout_s))
            except BaseException:
                sequencer.stop()
                raise
            self._external, self._sequencer = endpoint, sequencer
        fixture = super().prepare(setup)
        settings = self._opened().greeting[4]
        self.finality = finality_of(settings)
        return replace(
            fixture,
            data={**fixture.data, "socket": str(self._opened().address)},
            disclosed=_disclosed(settings),
        )

    def close(self) -> None:
        """Release sockets, and end the sequencer, which removes its schema, if this adapter started it."""
        super().close()
        self._external = None
        if self._sequencer is not None:
            self._sequencer.stop()
            self._sequencer = None


def finality_of(settings: Sequence[str]) -> Finality:
    """What COMMIT means on a server with these settings (`name=value`, as the session sees them)."""
    told = dict(setting.split("=", 1) for setting in settings)
    if told.get("fsync") == "off":
        return Finality("commit (not durable: fsync=off)")
    if told.get("synchronous_commit") in _COMMITS_EARLY:
        return Finality(f"commit (fsync later: synchronous_commit={told['synchronous_commit']})")
    return PostgresAdapter.finality


def _disclosed(settings: list[str]) -> dict[str, Any]:
    """What a reader must know of the server, from what it said itself."""
    told = dict(setting.split("=", 1) for setting in settings)
    durability, remarks = _durability(told)
    standbys = f"{told.get('standbys')} streaming, synchronous_standby_names={told.get('synchronous_standby_names')!r}"
    return {
        "client": f"PostgreSQL {told.get('server_version')}",
        "durability": durability,
        "remarks": remarks,
        "replication": standbys,
        "settings": settings,
    }


def _durability(told: Mapping[str, str]) -> tuple[Durability, str]:
    """With what must be remarked on it. Only a server that tells its settings is said to sync."""
    later = [f"{name}=off" for name in _SYNCS if told.get(name) == "off"]
    if later:
        return Durability.WRITTEN, ", ".join(later)
    untold = [name for name in _SYNCS if not told.get(name)]
    if untold:
        return Durability.NOT_DECLARED, f"the server does not tell {', '.join(untold)}"
    if told.get("full_page_writes") == "off":
        return Durability.OTHER, "torn pages possible (full_page_writes=off)"
    return Durability.FSYNC, ""


def _socket_of(fixture: Fixture) -> str:
    socket = fixture.data.get("socket")
    if not isinstance(socket, str):
        raise LedgerError("the fixture is not one of this adapter", remedy="prepare again")
    return socket


def _password(headers: Mapping[str, str]) -> str:
    unknown = [name for name in headers if name.lower() != _PASSWORD]
    if unknown:
        raise ConfigurationError("PostgreSQL takes no such header", value=unknown, remedy="write `password: …` alone")
    return next(iter(headers.values()), "")


def _max_group(options: Mapping[str, object]) -> int:
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise ConfigurationError(
            "the adapter has no such option", value=unknown, remedy=f"known: {', '.join(_OPTIONS)}"
        )
    chosen = options.get("max_group", _OPTIONS["max_group"])
    if not isinstance(chosen, int) or not 1 <= chosen <= 100_000:
        raise ConfigurationError("max_group is not a number from 1 to 100000", value=chosen, remedy="correct it")
    return chosen

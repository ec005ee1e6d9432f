"""Adapter of Hyperledger Fabric. Proposals are made and signed ahead of time, here; endorsing, ordering and following
blocks is done by a Go program beside us (`client/`), because gRPC and gevent do not share a process.

A transaction is signed twice in Fabric: the proposal (untimed, here) and the transaction that carries its endorsements
(in the client program, inside the time that is measured, as in every application).
"""

from __future__ import annotations

import secrets
import socket
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.adapters.fabric.chaincode import chunks, read_info, words
from bench.adapters.fabric.options import FabricOptions, read_options
from bench.adapters.fabric.preparing import KEY, READ, WRITE, open_entries
from bench.adapters.fabric.process import ClientProcess, ClientSpec, FabricClient, find_program
from bench.adapters.fabric.profile import Profile, read_profile
from bench.adapters.fabric.proposal import SALT_BYTES, Signer, Target, nonce_of, read_key
from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Kind, Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.workload import StateReader

_READING_SENDER = -2


class FabricAdapter:
    """See `bench.adapters.protocol.Adapter`. `encode` numbers each sender's operations, so equal operations are
    different transactions.
    """

    finality = Finality("commit (VALID in a block)")
    sequencing = Sequencing.NONE
    capabilities = frozenset({"batch", "reads", "audit"})

    def __init__(self) -> None:
        self.reads: frozenset[str] = frozenset()
        self._endpoint: Endpoint | None = None
        self._options: FabricOptions | None = None
        self._profile: Profile | None = None
        self._process: ClientProcess | None = None
        self._client: FabricClient | None = None
        self._signer: Signer | None = None
        self._fixture: Fixture | None = None
        self._salt = b""
        self._counts: dict[int, int] = defaultdict(int)

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Start the client program and see that the channel is there. Where the key comes only with `prepare`, no more
        than the peer's port is tried.
        """
        self.close()
        if endpoint.headers:
            raise ConfigurationError("fabric takes no headers", value=sorted(endpoint.headers), remedy="remove them")
        options = read_options(endpoint.options)
        self._endpoint, self._options = endpoint, options
        self._profile = read_profile(options.profile, options.organization, options.channel, endpoint.url)
        if fixture is not None:
            self._take(fixture)
        elif options.key is not None:
            self._connect(options.key, options.client)
        else:
            _try_port(self._profile.peer.address, endpoint.timeout_s)

    def prepare(self, setup: Setup) -> Fixture:
        """Open the accounts the chaincode lacks; each opening transaction is seen VALID before this returns."""
        info, options = read_info(setup.workload), self._opened_options()
        client, given = options.client or find_program(), setup.secrets.get(KEY)
        if given is not None or self._process is None:
            self._disconnect()
            self._connect(options.key, client, given)
        key = self._connected().key
        self._salt = secrets.token_bytes(SALT_BYTES)
        chaincode, seconds = options.chaincode or setup.workload.name, int(time.time())
        signer = self._make_signer(chaincode, seconds, key)
        self._signer = signer
        open_entries(self._opened(), signer, info.opening_calls(setup.parameters, setup.accounts))
        entries = info.count(setup.parameters, setup.accounts)
        fixture = Fixture(
            accounts=setup.accounts,
            data={
                "chain": self._opened().chain_id.hex(),
                "salt": self._salt.hex(),
                "seconds": seconds,
                "chaincode": chaincode,
                "reads": [*sorted(info.reads)],
                "head": self._opened().ask(["head"]),
                "total": info.total,
                "entries": entries,
                "money": self._money(info.total, entries),
                "key": str(key),
                "client": str(client),
            },
            disclosed={
                "submit_path": options.submit_path,
                "broadcast_streams_per_worker": options.streams if options.submit_path == "pipeline" else 0,
                "identities": "one client identity signs for all accounts; the chaincode does not check who pays",
                "endorsers": len(self._profile.endorsers) if self._profile else 0,
            },
        )
        self._take(fixture, connected=True)
        return fixture

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:  # noqa: ARG002 - Fabric has no sequences
        """A signed proposal; its id is Fabric's own, from nonce and creator."""
        if self._signer is None:
            raise LedgerError("the adapter has no fixture", remedy="open it with one")
        count = self._counts[sender]
        self._counts[sender] = count + 1
        if operation.kind is Kind.READ:
            nonce = nonce_of(bytes(SALT_BYTES), _READING_SENDER, sender, count)
            return Transaction(
                b"", READ + self._signer.propose(words(operation.name, operation.arguments, None), nonce)[1]
            )
        nonce = nonce_of(self._salt, sender, count)
        tx_id, proposal = self._signer.propose(words(operation.name, operation.arguments, sender), nonce)
        return Transaction(tx_id, WRITE + proposal)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One frame to the client program; a write is answered when an orderer has taken it."""
        return self._opened().submit(batch)

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """Blocks as our organisation's peer committed them, one stream for all."""
        return self._opened().follow(after)

    def state(self) -> StateReader:
        """Reads of the chaincode, and two counts every workload's audit may ask for."""
        return _State(self)

    def read_state(self, name: str, arguments: Mapping[str, object]) -> int:
        """One evaluation on our organisation's peer."""
        if self._signer is None:
            raise LedgerError("the adapter has no fixture", remedy="open it with one")
        nonce = secrets.token_bytes(SALT_BYTES)
        proposal = self._signer.propose(words(name, arguments, None), nonce_of(nonce, _READING_SENDER))[1]
        return int(self._opened().ask(["read", READ + proposal]))

    def since_start(self) -> int:
        """How many of our transactions are in blocks since `prepare`, valid or not."""
        return int(self._opened().ask(["count", self._data("head"), self._salt]))

    def created(self) -> int | None:
        """Money in our entries now, less what was there at `prepare`; None where the chaincode knows no sum."""
        total, entries = str(self._data("total")), self._data("entries")
        if not total or not isinstance(entries, int):
            return None
        return self._money(total, entries) - int(str(self._data("money")))

    def close(self) -> None:
        """Release sockets, and end the client program; with it goes the file that a key given to `prepare` was put in:
        who prepared closes last.
        """
        self._disconnect()

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            self._process.close()
            self._process = None

    def _connect(self, key: Path | None, program: Path | None, pem: str | None = None) -> None:
        options, profile, endpoint = self._opened_options(), self._profile, self._endpoint
        if profile is None or endpoint is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        program = program if program is not None and program.is_file() else find_program()
        if key is None and pem is None:
            raise ConfigurationError("no key to sign with", remedy="set the option key, or give --key-file")
        cert, key = options.cert.absolute(), (key or Path()).absolute()
        spec = ClientSpec(profile, cert, key, options.submit_path, options.streams, endpoint.timeout_s)
        self._process = ClientProcess(program, spec, pem)
        try:
            self._client = self._process.connect(endpoint.timeout_s)
        except BaseException:
            self.close()
            raise

    def _take(self, fixture: Fixture, *, connected: bool = False) -> None:
        match fixture.data:
            case {"chain": str(chain), "salt": str(salt), "seconds": int(seconds), "chaincode": str(chaincode),
                  "reads": list(reads), "key": str(key), "client": str(client)}:  # fmt: skip
                pass
            case _:
                raise LedgerError("the fixture is not one of this adapter", remedy="prepare again")
        if not connected:
            self._connect(Path(key), Path(client))
        if self._opened().chain_id.hex() != chain:
            self.close()
            raise LedgerError("the fixture was made on another ledger", value=self._shown(), remedy="prepare again")
        self._fixture = fixture
        self._salt, self.reads = bytes.fromhex(salt), frozenset(map(str, reads))
        self._signer = self._make_signer(chaincode, seconds, Path(key))
        self._counts.clear()

    def _make_signer(self, chaincode: str, seconds: int, key: Path) -> Signer:
        options, profile = self._opened_options(), self._profile
        if profile is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        try:
            certificate, pem = options.cert.read_bytes(), key.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"a file of the Fabric identity cannot be read: {error}", remedy="check the options cert and key"
            ) from error
        target = Target(profile.channel, chaincode, profile.msp_id, seconds)
        return Signer(target, certificate, read_key(pem))

    def _money(self, total: str, entries: int) -> int:
        if not total:
            return 0
        return sum(self.read_state(total, {"first": first, "count": size}) for first, size in chunks(entries))

    def _data(self, name: str) -> object:
        if self._fixture is None:
            raise LedgerError("the adapter has no fixture", remedy="open it with one")
        return self._fixture.data[name]

    def _shown(self) -> str:
        return "" if self._endpoint is None else self._endpoint.url

    def _opened(self) -> FabricClient:
        if self._client is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        return self._client

    def _connected(self) -> ClientProcess:
        if self._process is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        return self._process

    def _opened_options(self) -> FabricOptions:
        if self._options is None:
            raise LedgerError("the adapter is not open", remedy="call open first")
        return self._options


class _State:
    """See `StateReader`."""

    def __init__(self, adapter: FabricAdapter) -> None:
        self._adapter = adapter

    def read(self, name: str, arguments: Mapping[str, object]) -> object:
        match name:
            case "transactions_since_start":
                return self._adapter.since_start()
            case "money_created_since_start":
                return self._adapter.created()
        return self._adapter.read_state(name, arguments)


def _try_port(address: str, timeout_s: float) -> None:
    url = urlsplit(f"grpc://{address}")
    try:
        socket.create_connection((url.hostname, url.port or 0), timeout_s).close()
    except OSError as error:
        raise LedgerError(f"no Fabric peer answers: {error}", value=address, remedy="start it first") from error

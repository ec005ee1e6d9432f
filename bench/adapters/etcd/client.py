"""Members of one etcd cluster: pooled channels, the leader first, the next one when a member does not answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from bench.adapters.etcd.grpc import CallError, Channel, ConnectionLostError, NotConnectedError
from bench.adapters.etcd.messages import STATUS, StatusAnswer, read_status
from bench.model.errors import LedgerError

Address = tuple[str, int]


class EtcdClient:
    """Any number of threads or greenlets may call it at once; each has a channel of its own meanwhile."""

    def __init__(self, addresses: Sequence[Address], timeout_s: float) -> None:
        """Asks every member who leads. LedgerError when none of them answers."""
        self._timeout_s = timeout_s
        self._idle: deque[Channel] = deque()
        self._busy: set[Channel] = set()
        self._closed = False
        self.addresses: tuple[Address, ...] = tuple(addresses)
        self.status = self._meet()

    def calls(self, path: str, messages: Sequence[bytes]) -> list[bytes | CallError]:
        """See `Channel.calls`. NotConnectedError: nothing was sent to anybody."""
        channel = self._take()
        try:
            answers = channel.calls(path, messages)
        except TimeoutError:
            self._demote(channel)
            channel.close()
            raise
        except BaseException:
            channel.close()
            raise
        finally:
            self._busy.discard(channel)
        if self._closed or not channel.usable:
            channel.close()
        else:
            self._idle.append(channel)
        return answers

    def ask(self, path: str, message: bytes) -> bytes:
        """One call that must succeed: LedgerError otherwise."""
        try:
            (answer,) = self.calls(path, [message])
        except TimeoutError as error:
            raise LedgerError(
                f"etcd did not answer {path} within {self._timeout_s:g} s", remedy="has it a majority?"
            ) from error
        if isinstance(answer, CallError):
            raise LedgerError(f"etcd refused {path}: {answer.message}", value=answer.code, remedy="see the node's log")
        return answer

    def channel(self, attempt: int = 0) -> Channel:
        """A channel of the caller's own, to the `attempt`-th member or one behind it; `give_up` ends it."""
        channel = self._connect(self.addresses[attempt % len(self.addresses) :] + self.addresses)
        self._busy.add(channel)
        return channel

    def give_up(self, channel: Channel) -> None:
        """Close what `channel` gave."""
        self._busy.discard(channel)
        channel.close()

    def close(self) -> None:
        """Idempotent; calls under way end without an answer."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        for channel in list(self._busy):
            channel.close()

    def _take(self) -> Channel:
        if self._closed:
            raise NotConnectedError("this adapter is closed")
        try:
            channel = self._idle.pop()
        except IndexError:
            channel = self._connect(self.addresses)
        self._busy.add(channel)
        return channel

    def _demote(self, channel: Channel) -> None:
        """A member that is silent still accepts connections: ask the others first from now on."""
        first = self.addresses[0]
        if channel.authority == f"{first[0]}:{first[1]}":
            self.addresses = (*self.addresses[1:], first)
            while self._idle:
                self._idle.pop().close()

    def _connect(self, addresses: Sequence[Address]) -> Channel:
        failure: NotConnectedError | None = None
        for host, port in addresses:
            try:
                return Channel(host, port, self._timeout_s)
            except NotConnectedError as error:
                failure = error
        assert failure is not None
        raise failure

    def _meet(self) -> StatusAnswer:
        """Put the leader first, and forget members of another cluster than the first that answers."""
        found: list[tuple[Address, StatusAnswer]] = []
        failure: LedgerError | None = None
        for address in self.addresses:
            try:
                found.append((address, _status(address, self._timeout_s)))
            except LedgerError as error:
                failure = error
        if not found:
            assert failure is not None
            raise failure
        clusters = {status.cluster_id for _, status in found}
        if len(clusters) > 1:
            raise LedgerError("these are members of different clusters", value=sorted(clusters), remedy="correct them")
        leaders = [address for address, status in found if status.member_id == status.leader_id]
        self.addresses = (*leaders, *(address for address in self.addresses if address not in leaders))
        return found[0][1]


def _status(address: Address, timeout_s: float) -> StatusAnswer:
    channel = Channel(*address, timeout_s)
    try:
        (answer,) = channel.calls(STATUS, [b""])
    except TimeoutError as error:
        raise ConnectionLostError(f"etcd does not answer within {timeout_s:g} s", value=channel.authority) from error
    finally:
        channel.close()
    if isinstance(answer, CallError):
        raise LedgerError(f"what answers is no etcd: {answer.message}", value=channel.authority)
    return read_status(answer)

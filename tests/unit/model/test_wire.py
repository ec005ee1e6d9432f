import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model.errors import ConfigurationError
from bench.model.wire import (
    MAX_FRAME_BYTES,
    Address,
    Connection,
    FrameReader,
    NotConnectedError,
    WireError,
    listen,
    pack,
)

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary()
messages = st.lists(scalars | st.lists(scalars) | st.dictionaries(st.text(), scalars))


@given(st.lists(messages, max_size=5), st.integers(1, 50))
def test_messages_survive_any_cut_of_the_stream(sent: list[object], step: int) -> None:
    stream = b"".join(pack(message) for message in sent)
    reader, received = FrameReader(), []
    for start in range(0, len(stream), step):
        reader.feed(stream[start : start + step])
        while (message := reader.next()) is not None:
            received.append(message)
    assert received == sent


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not a frame of ours"),
        (struct.pack(">I", MAX_FRAME_BYTES + 1), "not a frame of ours"),
        (struct.pack(">I", 3) + b"\xc1\xc1\xc1", "does not hold msgpack"),
        (struct.pack(">I", 2) + b"\x01\x02", "does not hold msgpack"),
        (struct.pack(">I", 2) + b"\xa5h", "does not hold msgpack"),
        (struct.pack(">I", 5000) + b"\x91" * 5000, "does not hold msgpack"),
    ],
)
def test_garbage_is_named(stream: bytes, message: str) -> None:
    reader = FrameReader()
    reader.feed(stream)
    with pytest.raises(WireError, match=message):
        reader.next()


@pytest.mark.parametrize("message", [2**64, object(), {1, 2}, b"x" * MAX_FRAME_BYTES])
def test_what_cannot_be_framed_is_refused(message: object) -> None:
    with pytest.raises(WireError):
        pack(message)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:/run/a.sock", Address(path="/run/a.sock")),
        ("tcp://127.0.0.1:70", Address(host="127.0.0.1", port=70)),
    ],
)
def test_addresses_are_read_and_written(url: str, address: Address) -> None:
    assert Address.parse(url) == address
    assert str(address) == url


@pytest.mark.parametrize("url", ["", "unix:", "/run/a.sock", "http://127.0.0.1:80", "tcp://127.0.0.1", "tcp://:80"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not a socket address"):
        Address.parse(url)


def test_a_path_longer_than_the_kernel_allows_is_reached(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    address = Address(path=str(directory / "node.sock"))
    with listen(address) as server:
        server.setblocking(True)
        connection = Connection(address, 5.0)
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(pack(["hello"]) + pack([2])[:3])
            assert connection.receive() == ["hello"]
            connection.set_timeout(0.01)
            with pytest.raises(TimeoutError):
                connection.receive()
            accepted.sendall(pack([2])[3:])
            assert connection.receive() == [2], "what had come of the frame was kept"
        with pytest.raises(WireError, match="closed the connection"):
            connection.receive()
        connection.close()
        connection.close()
    assert Path(address.path).stat().st_mode & 0o077 == 0, "for this user only"


def test_nobody_listening_is_told_apart_from_a_broken_connection(tmp_path: Path) -> None:
    with pytest.raises(NotConnectedError, match="does not answer"):
        Connection(Address(path=str(tmp_path / "nobody.sock")), 1.0)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NotConnectedError):
            Connection(Address(host="127.0.0.1", port=bound.getsockname()[1]), 1.0)

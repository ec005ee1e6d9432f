"""The channel against a scripted server: what real nodes seldom do."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hpack import Encoder

from bench.adapters.etcd.grpc import CallError, Channel, ConnectionLostError, NotConnectedError, method

FRAME = struct.Struct(">HBBBI")


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return FRAME.pack(len(body) >> 8, len(body) & 255, kind, flags, stream) + body


def headers(*fields: tuple[str, str]) -> bytes:
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields)


OK = headers((":status", "200"), ("content-type", "application/grpc"))
TRAILERS = headers(("grpc-status", "0"), ("grpc-message", ""))


def message(text: bytes) -> bytes:
    return struct.pack(">BI", 0, len(text)) + text


def answer(stream: int, text: bytes) -> bytes:
    return frame(1, 4, stream, OK) + frame(0, 0, stream, message(text)) + frame(1, 5, stream, TRAILERS)


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], Channel]]:
    """A channel to a server that reads once and then says its piece."""
    opened: list[Channel] = []
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = []

    def start(piece: bytes) -> Channel:
        def talk() -> None:
            connection, _ = listener.accept()
            sockets.append(connection)
            connection.recv(65536)
            connection.sendall(piece)

        threading.Thread(target=talk).start()
        opened.append(Channel("127.0.0.1", listener.getsockname()[1], 2.0))
        return opened[-1]

    yield start
    for channel in opened:
        channel.close()
    for each in (listener, *sockets):
        each.close()


def test_answers_are_matched_by_stream_whatever_their_order(serve: Callable[[bytes], Channel]) -> None:
    channel = serve(frame(4, 0, 0) + answer(3, b"two") + frame(6, 0, 0, bytes(8)) + answer(1, b"one"))
    assert channel.calls("/x/Y", [b"a", b"b"]) == [b"one", b"two"]


def test_an_answer_in_pieces_with_padding_is_put_together(serve: Callable[[bytes], Channel]) -> None:
    text = message(b"abcdef")
    padded = bytes((2,)) + text[7:] + bytes(2)
    piece = frame(1, 0, 1, OK[:2]) + frame(9, 4, 1, OK[2:]) + frame(0, 0, 1, text[:7]) + frame(0, 8, 1, padded)
    assert serve(piece + frame(1, 5, 1, TRAILERS)).calls("/x/Y", [b"a"]) == [b"abcdef"]


def test_an_error_status_is_data(serve: Callable[[bytes], Channel]) -> None:
    trailers = headers((":status", "200"), ("grpc-status", "14"), ("grpc-message", "etcdserver: no leader"))
    assert serve(frame(1, 5, 1, trailers)).calls("/x/Y", [b"a"]) == [CallError(14, "etcdserver: no leader")]


def test_a_reset_stream_and_a_leaving_server_are_told(serve: Callable[[bytes], Channel]) -> None:
    channel = serve(frame(7, 0, 0, bytes(8)) + frame(3, 0, 1, bytes(4)))
    assert channel.calls("/x/Y", [b"a"]) == [CallError(14, "the stream was reset")]
    assert not channel.usable


def test_a_broken_connection_leaves_calls_without_answer(serve: Callable[[bytes], Channel]) -> None:
    channel = serve(frame(1, 4, 1, b"\xff\xff\xff\xff\xff"))
    with pytest.raises(ConnectionLostError):
        channel.calls("/x/Y", [b"a"])


def test_nobody_listens() -> None:
    with pytest.raises(NotConnectedError):
        Channel("127.0.0.1", 9, 1.0)


def test_the_header_block_is_literal_and_never_indexed() -> None:
    block = method("/x/Y", "h:1")
    assert block.startswith(b"\x00\x07:method\x04POST\x00\x07:scheme\x04http\x00\x05:path\x04/x/Y")

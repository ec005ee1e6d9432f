"""A gateway before a real EVM node that offers less than the node: methods hidden, batches bounded, no WebSocket."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def limited_node(
    node: str, *, hidden: frozenset[str] = frozenset(), most: int = 10_000, by_status: bool = False
) -> Iterator[str]:
    """The gateway's URL. A batch of more than `most` calls is refused as a whole (0: every batch): with an error object
    of JSON-RPC, or `by_status` with HTTP 413.
    """

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body)
            if isinstance(asked, list) and len(asked) > most:
                error = {"code": -32600, "message": "batch too large"}
                self.answer({"jsonrpc": "2.0", "id": None, "error": error}, 413 if by_status else 200)
            elif isinstance(asked, dict) and asked["method"] in hidden:
                error = {"code": -32601, "message": f"the method {asked['method']} does not exist/is not available"}
                self.answer({"jsonrpc": "2.0", "id": asked["id"], "error": error})
            else:
                request = urllib.request.Request(node, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=30) as answer:
                    self.answer(json.load(answer))

        def do_GET(self) -> None:
            self.answer({"error": "POST only"}, 405)

        def answer(self, content: Any, status: int = 200) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

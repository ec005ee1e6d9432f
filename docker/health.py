"""Is it there? `health.py URL` asks for a page, `health.py URL METHOD` makes a JSON-RPC call; exit code 0 is yes."""

from __future__ import annotations

import http.client
import json
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 1.5


def main(url: str, method: str | None = None) -> int:
    """0 when the answer has status 200 and, for a call, a result."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        if method is None:
            connection.request("GET", parts.path or "/")
        else:
            call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []})
            connection.request("POST", parts.path or "/", call, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        return int(answer.status != http.HTTPStatus.OK or (method is not None and "result" not in json.loads(body)))
    except (OSError, http.client.HTTPException, ValueError):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

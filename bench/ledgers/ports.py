"""Free ports on loopback addresses."""

from __future__ import annotations

import socket
import threading

_ATTEMPTS = 100
_given: set[tuple[str, int]] = set()
_lock = threading.Lock()


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on at `host`, never the same twice in one process.

    It is free when found, not reserved: the kernel hands ports out at random, so a clash with another process is rare,
    and a node that meets one ends at once and is reported. Safe to call from several threads.
    """
    with _lock:
        for _ in range(_ATTEMPTS):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind((host, 0))
                port: int = probe.getsockname()[1]
            if (host, port) not in _given:
                _given.add((host, port))
                return port
    raise OSError(f"no free port left on {host}")

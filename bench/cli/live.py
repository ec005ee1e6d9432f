"""`--live` and `--metrics-listen`: a run that can be watched while it goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bench.cli.output import note

if TYPE_CHECKING:
    from bench.run.events import TrialWatcher

LINGER_S = 3.0


@contextlib.contextmanager
def watchers(*, live: bool, listen: str | None = None) -> Iterator[Sequence[TrialWatcher]]:
    """For `RunOptions`. When asked to, serves live figures for the time of the block and says where; afterwards waits a
    moment, so that the last scrape sees the last values.
    """
    if not live and listen is None:
        yield ()
        return
    from bench.telemetry.server import LOOPBACK, parse_address, serving

    host, port = (LOOPBACK, 0) if listen is None else parse_address(listen)
    with serving(host, port) as server:
        note(f"live: {server.url} (Prometheus scrapes {server.url}metrics)")
        if server.open_to_others:
            note(f"warning: whoever can reach {host}:{server.port} can read the live figures; there is no password")
        try:
            yield server.watchers
        finally:  # also when the run ends badly: who watches must see that it ended
            server.linger(LINGER_S)
